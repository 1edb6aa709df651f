# SPDX-License-Identifier: GPL-3.0-or-later
"""Control methods while a Cycles render keeps all cores busy, against the bare echo in the same minute."""

from __future__ import annotations

from functools import partial

from . import blender, programs, renders
from .measuring import Figure, Options, Row, in_turns, percentile
from .programs import MILLI

RENDER_S = 3600
"""Longer than all rounds: the render ends when its client leaves."""

NEED_MS = 10


def rows(options: Options) -> list[Row]:
    """The rows of this group, in milliseconds."""
    plan = {"calls": options.of(2000, 200), "warm_up": 50, "unit": MILLI}
    with blender.window(options) as running, programs.echo() as echo:
        renders.prepare(running, RENDER_S)
        sides = {
            "ping": partial(running.spindle.call, ("ping", {}), **plan),
            "health": partial(running.spindle.call, ("health", {}), **plan),
            "echo": partial(echo.call, ("ping", {}), **plan),
        }
        with renders.by_client(running):
            rounds = in_turns(options.of(7, 2), sides)
    other = percentile(99, rounds["echo"])
    return [_row(method, percentile(99, rounds[method]), other) for method in ("ping", "health")]


def _row(method: str, ours: Figure, other: Figure) -> Row:
    met = ours.value <= NEED_MS
    return Row(f"busy: {method} while Cycles renders, p99", "ms", ours, "bare echo", other, f"<= {NEED_MS} ms", met)
