# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server costs while nothing happens: CPU time of the whole process, server on and off in turns."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path

from . import blender
from .blender import Blender
from .measuring import Figure, Options, Row, in_turns

ALLOWED = 0.5
SETTLE_S = 1.0


def rows(options: Options) -> list[Row]:
    """The rows of this group, in percent of one core."""
    seconds = options.of(60, 10)
    with blender.window(options) as running:
        states = {"on": _on, "off": _off, "client": _client}
        sides = {name: partial(state, running, seconds) for name, state in states.items()}
        rounds = {name: [value for [value] in taken] for name, taken in in_turns(options.of(5, 2), sides).items()}
    return [
        _row("idle: CPU, server on less off", rounds["on"], rounds["off"], f"<= {ALLOWED} %"),
        _row("idle: CPU, a silent client connected less off", rounds["client"], rounds["off"]),
    ]


def _row(name: str, ours: list[float], off: list[float], need: str = "") -> Row:
    """The differences are those of each pair, as what else the machine does changes from minute to minute."""
    more = Figure.of(on - without for on, without in zip(ours, off, strict=True))
    met = more.value <= ALLOWED if need else None
    return Row(name, "% of a core", more, "the window without us", Figure.of(off), need, met)


def _on(running: Blender, seconds: int) -> list[float]:
    return _percent(running, seconds)


def _off(running: Blender, seconds: int) -> list[float]:
    running.switch(on=False)
    percent = _percent(running, seconds)
    running.switch(on=True)
    return percent


def _client(running: Blender, seconds: int) -> list[float]:
    # It connects at once, and asks only when the measurement is over.
    with running.spindle.calling(("ping", {}), calls=1, pause_ms=(seconds + 60) * 1000):
        return _percent(running, seconds)


def _percent(running: Blender, seconds: int) -> list[float]:
    time.sleep(SETTLE_S)
    before, start = _cpu_seconds(running.process.pid), time.monotonic()
    time.sleep(seconds)
    used, passed = _cpu_seconds(running.process.pid) - before, time.monotonic() - start
    return [100 * used / passed]


def _cpu_seconds(pid: int) -> float:
    # After the name, which may hold spaces: utime and stime are the 14th and 15th field of all.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
