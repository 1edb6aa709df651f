# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients are told while the main thread is not free: a script's output, and kept answers during a render."""

from __future__ import annotations

from . import blender, renders
from .measuring import Figure, Options, Row, percentile
from .programs import MILLI, Request

RENDER_S = 3600
"""Longer than all rounds: the render ends when its client leaves."""

OUTPUT_MS = 50
KEPT_MS = 2
A_DAY_MS = 86_400_000

SPEAKS: Request = ("script.run", {"code": "import time\nprint('first line')\ntime.sleep(0.3)"})
"""The first that is told of it is its first line."""


def rows(options: Options) -> list[Row]:
    """The rows of this group, in milliseconds."""
    with blender.window(options) as running:
        output = [running.spindle.call(SPEAKS, calls=1, unit=MILLI, any_news=True) for _ in range(options.of(30, 5))]
        kept: Request = ("scene.get", {})
        running.spindle.call(kept, calls=1)
        renders.prepare(running, RENDER_S)
        with renders.by_client(running):
            plan = {"calls": options.of(500, 50), "unit": MILLI, "options": {"max_age_ms": A_DAY_MS}}
            answers = [running.spindle.call(kept, **plan) for _ in range(options.of(7, 2))]
    first = Figure.of(samples[0] for samples in output)
    median, slowest = percentile(50, answers), percentile(99, answers)
    return [
        Row(
            "live: first line of a script that goes on",
            "ms",
            first,
            need=f"<= {OUTPUT_MS} ms",
            met=first.high <= OUTPUT_MS,
        ),
        Row(
            "live: kept scene.get during a render, p50",
            "ms",
            median,
            need=f"< {KEPT_MS} ms",
            met=median.value < KEPT_MS,
        ),
        Row("live: the same, p99", "ms", slowest),
    ]
