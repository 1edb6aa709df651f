# SPDX-License-Identifier: GPL-3.0-or-later
"""The gap between two rounds of Blender's loop: what a user feels. A timer of its own notes when each round comes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

from . import blender, renders
from .blender import Blender
from .measuring import Options, Row, in_turns, percentile
from .window import READ, script

State = Callable[[Blender], AbstractContextManager[None]]

RECORD = """
import time
rounds = []
def note():
    rounds.append(time.perf_counter())
    return 0.0
bpy.app.timers.register(note)
bpy.app.driver_namespace["bench_rounds"] = rounds
"""
CLEAR = "bpy.app.driver_namespace['bench_rounds'].clear()"
GAPS = """
rounds = bpy.app.driver_namespace["bench_rounds"]
result = [(later - sooner) * 1000 for sooner, later in zip(rounds, rounds[1:])]
"""

ALLOWED_MS = 16
FLOOD = 64
SETTLE_S = 0.5
START_S = 4
"""What a render may need to start and to end, beside the seconds of a measurement."""


def rows(options: Options) -> list[Row]:
    """The rows of this group, in milliseconds."""
    seconds = options.of(5, 2)
    states = {"off": _off, "idle": _idle, "flood": _flood, "own render": _own_render, "render": renders.by_client}
    with blender.window(options) as running:
        running.inside(RECORD)
        renders.prepare(running, seconds + START_S)
        gaps = in_turns(
            options.of(3, 1), {name: partial(_gaps, running, state, seconds) for name, state in states.items()}
        )
    return [
        _row("idle", gaps["idle"], "server off", gaps["off"]),
        _row("a client floods", gaps["flood"], "server off", gaps["off"]),
        _row("a client renders", gaps["render"], "a user renders, server off", gaps["own render"]),
    ]


def _row(name: str, ours: list[list[float]], against: str, others: list[list[float]]) -> Row:
    gap, other = percentile(99, ours), percentile(99, others)
    met = gap.value <= other.value + ALLOWED_MS
    return Row(f"liveness: gap of rounds, {name}, p99", "ms", gap, against, other, f"<= {ALLOWED_MS} ms above", met)


def _gaps(running: Blender, state: State, seconds: int) -> list[float]:
    with state(running):
        time.sleep(SETTLE_S)
        running.inside(CLEAR)
        time.sleep(seconds)
        gaps: list[float] = running.inside(GAPS)
    return gaps


@contextmanager
def _off(running: Blender) -> Iterator[None]:
    running.switch(on=False)
    yield
    running.switch(on=True)


@contextmanager
def _idle(_running: Blender) -> Iterator[None]:
    yield


@contextmanager
def _flood(running: Blender) -> Iterator[None]:
    """One client that always has so many scripts waiting."""
    with running.spindle.calling(*[script(READ)] * FLOOD, calls=10**7, in_flight=FLOOD):
        yield


@contextmanager
def _own_render(running: Blender) -> Iterator[None]:
    with _off(running), renders.by_user(running):
        yield
