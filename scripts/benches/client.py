# SPDX-License-Identifier: GPL-3.0-or-later
"""What the Rust client costs: a pooled connection taken under 64 threads, and `ping` against a bare socket."""

from __future__ import annotations

import json
import subprocess

from machine import ScriptError

from .measuring import Figure, Options, Row
from .programs import MICRO, program

Round = dict[str, dict[str, float]]
"""Of each side its p50, p99 and most, in nanoseconds."""


def rows(options: Options) -> list[Row]:
    """The rows of this group. They need no Blender: the server runs in the same process."""
    rounds = [measure() for _ in range(options.of(5, 1))]
    take = figure(rounds, "take", "p99")
    client, connection, bare = (figure(rounds, side, "p50") for side in ("client", "connection", "bare"))
    overhead = Figure.of((one["client"]["p50"] - one["bare"]["p50"]) / MICRO for one in rounds)
    return [
        Row("take an idle connection, p99", "µs", take, need="< 1,000 under 64 threads", met=take.value < 1000),
        Row("ping by Client, p50", "µs", client, "bare socket", bare),
        Row("ping by Connection, p50", "µs", connection, "bare socket", bare),
        Row("Client over a bare socket, p50", "µs", overhead, need="< 20", met=overhead.value < 20),
    ]


def figure(rounds: list[Round], side: str, name: str) -> Figure:
    """One value of each round, in microseconds."""
    return Figure.of(one[side][name] / MICRO for one in rounds)


def measure() -> Round:
    """One run of the program. Raises ScriptError when it fails."""
    ran = subprocess.run([program("bench_pool")], capture_output=True, text=True)
    if ran.returncode:
        raise ScriptError(f"bench_pool failed: {ran.stderr.strip()}")
    measured: Round = json.loads(ran.stdout)
    return measured
