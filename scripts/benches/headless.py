# SPDX-License-Identifier: GPL-3.0-or-later
"""The same small script without a window. The peer refuses to start there, so the bare echo stands beside it."""

from __future__ import annotations

from functools import partial

from . import blender, programs
from .measuring import Options, Row, in_turns, mean, percentile
from .window import READ, script


def rows(options: Options) -> list[Row]:
    """The rows of this group."""
    calls = options.of(4000, 500)
    with blender.headless(options) as running, programs.echo() as echo:
        rounds = in_turns(
            options.of(7, 2),
            {
                "ours": partial(running.spindle.call, script(READ), calls=calls, warm_up=100),
                "echo": partial(echo.call, script(READ), calls=calls, warm_up=100),
            },
        )
    ours, other = percentile(50, rounds["ours"]), percentile(50, rounds["echo"])
    return [
        Row("headless: a script that reads, p50", "µs", ours, "bare echo", other, "<= 100 µs", ours.value <= 100),
        Row("headless: a script that reads, mean", "µs", mean(rounds["ours"]), "bare echo", mean(rounds["echo"])),
    ]
