# SPDX-License-Identifier: GPL-3.0-or-later
"""`ping` against a bare mio echo of the same bytes, by the same client."""

from __future__ import annotations

from functools import partial

from . import blender, programs
from .measuring import Options, Row, in_turns, mean, percentile


def rows(options: Options) -> list[Row]:
    """The rows of this group."""
    calls = options.of(10_000, 1000)
    with blender.headless(options) as running, programs.echo() as echo:
        sides = {
            name: partial(target.call, ("ping", {}), calls=calls, warm_up=200)
            for name, target in (("ours", running.spindle), ("echo", echo))
        }
        rounds = in_turns(options.of(9, 3), sides)
    ours, other = percentile(50, rounds["ours"]), percentile(50, rounds["echo"])
    met = ours.value <= 1.5 * other.value
    return [
        Row("ping, p50", "µs", ours, "bare echo", other, "<= 1.5 times the echo", met),
        Row("ping, mean", "µs", mean(rounds["ours"]), "bare echo", mean(rounds["echo"])),
    ]
