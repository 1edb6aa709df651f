# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that the clients of these tests meet: Blenders without a window, and `spindle mcp --http`."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agents import Stdio, Url

SERVE = "import sys; sys.path[:0] = sys.argv[1:3]; import spindle_addon.headless as h; sys.exit(h.serve(sys.argv[3:]))"
DEADLINE_S = 60.0


class Place:
    """A folder in which only its own Blenders are found."""

    def __init__(self, folder: Path) -> None:
        self.runtime_dir = folder / "runtime"
        self.runtime_dir.mkdir(mode=0o700)
        self._log_dir = folder / "log"

    @property
    def environment(self) -> dict[str, str]:
        """What points a program to it."""
        return {"SPINDLE_RUNTIME_DIR": str(self.runtime_dir), "SPINDLE_LOG_DIR": str(self._log_dir)}

    def server(self, program: Path) -> Stdio:
        """`spindle mcp` as a client starts it."""
        return Stdio(program, self.environment)


class Bpy:
    """Blender as a module, in a process of its own, as the built package serves it.

    `python` has the module bpy; `package` is the unpacked extension, beside which its wheel lies unpacked, too.
    """

    def __init__(self, python: Path, package: Path, place: Place, *arguments: str) -> None:
        wheel = package.parent / "wheel"
        command = [python, "-c", SERVE, package.parent, wheel, "--port", "0", *arguments]
        self.process = subprocess.Popen(
            command, env={**os.environ, **place.environment}, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        while "serving on" not in (line := self.process.stdout.readline()):
            assert line, f"it ended with {self.process.wait()}"

    def end(self) -> None:
        """Ask it to end, as a user's quitting does."""
        self.process.terminate()
        self.process.communicate(timeout=DEADLINE_S)

    def close(self) -> None:
        """End it whatever its state."""
        self.process.kill()
        self.process.communicate()


@contextmanager
def over_http(program: Path, environment: dict[str, str], folder: Path) -> Iterator[Url]:
    """`spindle mcp --http` at a port that the system chose, until its standard input is closed."""
    token = folder / "token"
    command = [program, "mcp", "--http", "--port", "0", "--token-file", token]
    with subprocess.Popen(
        command, env={**os.environ, **environment}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            url = json.loads(process.stdout.readline())["url"]
            yield Url(url, token.read_text().strip())
            process.communicate(timeout=DEADLINE_S)
            assert process.returncode == 0
        finally:
            process.kill()


def until(condition: object, timeout: float = DEADLINE_S) -> None:
    """Wait until a function says yes."""
    assert callable(condition)
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout:.0f} s"
        time.sleep(0.02)
