# SPDX-License-Identifier: GPL-3.0-or-later
"""The Rust programs of native/client/examples: the client that all rows are measured with, and the bare echo."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from machine import ROOT, ScriptError, run

MICRO, MILLI = 1e3, 1e6
"""Nanoseconds in the units of rows."""

Request = tuple[str, Mapping[str, Any]]
"""A method and its parameters."""


@dataclass(frozen=True)
class Target:
    """Who is called. `to`: spindle, echo or peer; `runtime_dir` is where spindle is found."""

    to: str
    port: int = 0
    runtime_dir: Path | None = None

    def call(self, *requests: Request, unit: float = MICRO, **plan: Any) -> list[float]:
        """How long each call took, in turn those of `requests`; the plan is bench_client's. Raises ScriptError when
        a call fails."""
        process = self._start(requests, plan)
        output, fault = process.communicate()
        if process.returncode:
            raise ScriptError(f"{requests[0][0]} to {self.to} failed: {fault.strip()}")
        return [ns / unit for ns in json.loads(output)["ns"]]

    @contextmanager
    def calling(self, *requests: Request, **plan: Any) -> Iterator[None]:
        """Call in the background, and disconnect at the end."""
        process = self._start(requests, plan)
        try:
            yield
            if process.poll() is not None:
                raise ScriptError(f"{requests[0][0]} to {self.to} ended too soon: {process.communicate()[1].strip()}")
        finally:
            process.kill()
            process.communicate()

    def _start(self, requests: Sequence[Request], plan: Mapping[str, Any]) -> subprocess.Popen[str]:
        whole = {"to": self.to, "port": self.port, "requests": requests, **plan}
        return subprocess.Popen(
            [program("bench_client"), json.dumps(whole)],
            env={**os.environ, "SPINDLE_RUNTIME_DIR": str(self.runtime_dir or "")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def program(name: str) -> Path:
    """A built example."""
    target = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
    return (target / "release" / "examples" / name).with_suffix(".exe" if os.name == "nt" else "")


def build() -> None:
    """Build the programs as users' programs are built."""
    run(["cargo", "build", "--quiet", "--release", "--locked", "--package", "spindle-client", "--examples"])


@contextmanager
def echo() -> Iterator[Target]:
    """A bare mio server that returns what it is sent."""
    with subprocess.Popen([program("bench_echo")], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield Target("echo", int(server.stdout.readline()))
        finally:
            server.terminate()
