# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures: a headless Blender in a process of its own, as the built package serves it, and a client."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import spindle

STAGE = Path(__file__).parents[2] / "build" / "stage"
SERVE = (
    "import sys; sys.path.insert(0, sys.argv[1]); import spindle_addon.headless as h; sys.exit(h.serve(sys.argv[2:]))"
)


class Headless:
    """The process; `runtime_dir` is where its server leaves its instance file."""

    def __init__(self, runtime_dir: Path, *arguments: str) -> None:
        self.runtime_dir = runtime_dir
        command = [sys.executable, "-c", SERVE, STAGE, "--port", "0", *arguments]
        environment = {
            **os.environ,
            "SPINDLE_RUNTIME_DIR": str(runtime_dir),
            "SPINDLE_LOG_DIR": f"{runtime_dir}-log",
        }
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        while "serving on" not in (line := self.process.stdout.readline()):
            assert line, f"it ended with {self.process.wait()}"

    def connect(self, name: str = "test") -> spindle.Blender:
        """A client of its own connection."""
        return spindle.connect(self.process.pid, name=name, attempts=1)

    def close(self) -> None:
        """End the process whatever its state."""
        self.process.kill()
        self.process.communicate()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Headless]:
    """One Blender for the tests of a file that leave it as it was."""
    running = Headless(tmp_path_factory.mktemp("runtime", numbered=True))
    yield running
    running.close()


@pytest.fixture(scope="module")
def trusting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Headless]:
    """The same, which runs what the guard would refuse."""
    running = Headless(tmp_path_factory.mktemp("runtime", numbered=True), "--guard-level", "trusted")
    yield running
    running.close()


@pytest.fixture
def headless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Headless]:
    """A Blender of one's own."""
    running = Headless(tmp_path)
    monkeypatch.setenv("SPINDLE_RUNTIME_DIR", str(tmp_path))
    yield running
    running.close()


@pytest.fixture
def blender(shared: Headless, monkeypatch: pytest.MonkeyPatch) -> Iterator[spindle.Blender]:
    """A client of the shared Blender, with a new file."""
    monkeypatch.setenv("SPINDLE_RUNTIME_DIR", str(shared.runtime_dir))
    with shared.connect() as client:
        client.call("file.new", {"discard_changes": True})
        yield client
