# SPDX-License-Identifier: GPL-3.0-or-later
"""Small scripts in an open, idle window: `script.run` against the peer's `execute_code`, in the same process."""

from __future__ import annotations

from functools import partial

from . import blender, peer
from .measuring import Options, Row, in_turns, mean, percentile
from .programs import MILLI, Request, Target

READ = "print(len(bpy.data.objects))"
"""The peer returns what is printed and nothing else, so the same script serves both."""

MOVE = "bpy.data.objects['Cube'].location.x += 0.001"
STEP = "\nbpy.ops.ed.undo_push(message='Move')"
"""Spindle makes the undo step itself."""

SILENCE_MS = 5000


def rows(options: Options) -> list[Row]:
    """The rows of this group."""
    with blender.window(options) as running:
        sides = {"ours": running.spindle, "peer": peer.start(running)}
        return [*_reads(options, sides), *_moves(options, sides), *_connects(options, sides), *_silence(options, sides)]


def script(code: str) -> Request:
    """The request that runs a script in Spindle."""
    return "script.run", {"code": code}


def _run(target: Target, code: str, **plan: float) -> list[float]:
    request = ("execute_code", {"code": code}) if target.to == "peer" else script(code)
    return target.call(request, **plan)


def _reads(options: Options, sides: dict[str, Target]) -> list[Row]:
    ours, theirs = options.of(4000, 500), options.of(40, 10)
    rounds = in_turns(
        options.of(7, 2),
        {
            "ours": partial(_run, sides["ours"], READ, calls=ours, warm_up=100),
            "peer": partial(_run, sides["peer"], READ, calls=theirs, warm_up=2),
        },
    )
    average, other = mean(rounds["ours"]), mean(rounds["peer"])
    met = average.value <= 100 and other.value >= 300 * average.value
    need = "<= 100 µs, and 300 times the peer's rate"
    return [
        Row("window: a script that reads, mean", "µs", average, "execute_code", other, need, met),
        _row("window: a script that reads, p50", "µs", 50, rounds),
        _row("window: a script that reads, p99", "µs", 99, rounds),
    ]


def _moves(options: Options, sides: dict[str, Target]) -> list[Row]:
    """The undo steps of what comes at once are merged, so `grouped` gives each script one of its own."""
    ours, theirs = options.of(200, 50), options.of(20, 5)
    rounds = in_turns(
        options.of(3, 2),
        {
            "ours": partial(_run, sides["ours"], MOVE, calls=ours, unit=MILLI, warm_up=20),
            "grouped": partial(_run_grouped, sides["ours"], MOVE, ours),
            "peer": partial(_run, sides["peer"], MOVE + STEP, calls=theirs, unit=MILLI, warm_up=2),
        },
    )
    need = "<= 1 ms"
    return [
        _row(f"window: {name}, p50", "ms", 50, {"ours": taken, "peer": rounds["peer"]}, need, _median(taken) <= 1)
        for name, taken in (
            ("a script that moves an object, steps merged", rounds["ours"]),
            ("the same in an edit group, a step each", rounds["grouped"]),
        )
    ]


def _run_grouped(target: Target, code: str, calls: int) -> list[float]:
    """Begin a group, run the script, end the group, which pushes its step before it answers; all three together."""
    requests: tuple[Request, ...] = ("edit.group_begin", {"label": "Move"}), script(code), ("edit.group_end", {})
    parts = target.call(*requests, calls=3 * calls, warm_up=30, unit=MILLI)
    return [sum(parts[at : at + 3]) for at in range(0, len(parts), 3)]


def _connects(options: Options, sides: dict[str, Target]) -> list[Row]:
    calls = options.of(20, 5)
    again = {name: partial(_run, side, READ, calls=calls, unit=MILLI, reconnect=True) for name, side in sides.items()}
    return [_row("window: connect and run one script, p50", "ms", 50, in_turns(options.of(3, 1), again))]


def _silence(options: Options, sides: dict[str, Target]) -> list[Row]:
    first = {
        name: partial(_run, side, READ, calls=options.of(calls, 2), unit=MILLI, warm_up=1, pause_ms=SILENCE_MS)
        for name, side, calls in (("ours", sides["ours"], 7), ("peer", sides["peer"], 2))
    }
    rounds = in_turns(options.of(2, 1), first)
    met = _median(rounds["ours"]) <= 6
    return [_row("window: first script after 5 s of silence, p50", "ms", 50, rounds, "<= 6 ms", met)]


def _row(
    name: str, unit: str, percent: int, rounds: dict[str, list[list[float]]], need: str = "", met: bool | None = None
) -> Row:
    ours, other = percentile(percent, rounds["ours"]), percentile(percent, rounds["peer"])
    return Row(name, unit, ours, "execute_code", other, need, met)


def _median(rounds: list[list[float]]) -> float:
    return percentile(50, rounds).value
