# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures: a runtime folder of its own for each test, and servers in it."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import spindle


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The runtime folder, empty."""
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("SPINDLE_RUNTIME_DIR", str(runtime))
    return runtime


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[[str], int]]:
    """Start a server with this file open; its process id."""
    processes: list[subprocess.Popen[str]] = []

    def start_one(file: str) -> int:
        command = [sys.executable, str(Path(__file__).with_name("fake_blender.py")), str(folder), file]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        return process.pid

    yield start_one
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def blender(start: Callable[[str], int]) -> Iterator[spindle.Blender]:
    """A connection to the only server."""
    start("/models/chair.blend")
    with spindle.connect() as connected:
        yield connected
