# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `spindle` and the Blenders that it starts and stops."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import machine
import pytest
from conftest import Installation, software_gl


class Command:
    """`spindle` in a runtime folder of its own, in which only its own Blenders are found."""

    def __init__(self, program: Path, folder: Path, environment: dict[str, str]) -> None:
        self.program, self.folder = program, folder
        own = {"SPINDLE_RUNTIME_DIR": str(folder / "runtime"), "SPINDLE_LOG_DIR": str(folder / "log")}
        self.environment = {**os.environ, **environment, **own}

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run it; the caller looks at the status."""
        command = [self.program, *arguments]
        return subprocess.run(
            command, env=self.environment, cwd=self.folder, capture_output=True, text=True, timeout=120, check=False
        )

    def json(self, *arguments: str | Path) -> Any:
        """What it prints for programs, where it succeeds."""
        result = self.run(*arguments, "--json")
        assert result.returncode == 0, result
        return json.loads(result.stdout)


@pytest.fixture(scope="session")
def program() -> Path:
    """The command, built."""
    machine.run(["cargo", "build", "--quiet", "--locked", "--package", "spindle-cli"], cwd=machine.ROOT)
    metadata = ["cargo", "metadata", "--no-deps", "--format-version", "1"]
    told = subprocess.run(metadata, cwd=machine.ROOT, check=True, capture_output=True, text=True).stdout
    return Path(json.loads(told)["target_directory"]) / "debug" / "spindle"


@pytest.fixture
def command(program: Path, installation: Installation, display: str, tmp_path: Path) -> Iterator[Command]:
    """The command, and in the end none of its Blenders."""
    resources = {"BLENDER_USER_RESOURCES": str(installation.resources), "DISPLAY": display}
    command = Command(program, tmp_path, {**software_gl(), **resources, "SPINDLE_BLENDER": str(installation.blender)})
    yield command
    for left in command.json("ls"):
        command.run("stop", "--instance", str(left["pid"]), "--quit", "--discard-changes")


def test_without_a_window(command: Command) -> None:
    """From nothing to a picture, and back to nothing."""
    assert command.run("ping").returncode == 2
    server = command.json("start", "--headless", "--port", "0")["server"]
    assert (server["window"], server["port"] != 27182) == (False, True)
    assert [listed["pid"] for listed in command.json("ls")] == [server["pid"]]
    assert command.json("doctor")["healthy"]
    made = command.run("run", "-c", "bpy.ops.mesh.primitive_monkey_add(); bpy.context.object.name")
    assert made.stdout == "'Suzanne'\n", made
    assert command.json("get", "Suzanne")["type"] == "MESH"
    assert "Suzanne" in command.run("objects", "S*").stdout
    rendered = command.json("render", "--engine", "cycles", "--samples", "1", "--width", "64", "--height", "36")
    assert (rendered["width"], (command.folder / "render.png").read_bytes()[:4]) == (64, b"\x89PNG")
    failed = command.run("run", "-c", "def f():\n    raise ValueError('no')\nf()")
    assert failed.returncode == 1 and "line 2, in f\n    raise ValueError('no')\n" in failed.stderr, failed.stderr
    assert command.json("stop")["stopped"]["pid"] == server["pid"]
    assert command.run("ping").returncode == 2
    assert not list((command.folder / "runtime").iterdir())


def test_with_a_window(command: Command) -> None:
    """It belongs to whoever sits before it, and is ended only when that is said."""
    server = command.json("start")["server"]
    assert server["window"]
    assert command.run("stop").returncode == 1
    assert command.run("run", "-c", "bpy.ops.mesh.primitive_cube_add()").returncode == 0
    refused = command.run("stop", "--quit")
    assert refused.returncode == 1 and "unsaved changes" in refused.stderr, refused
    assert command.json("stop", "--quit", "--discard-changes")["stopped"]["pid"] == server["pid"]


def test_a_blender_without_spindle(command: Command, installation: Installation, tmp_path: Path) -> None:
    """What is missing is told, with a window and without, by the start and by the doctor."""
    command.environment["BLENDER_USER_RESOURCES"] = str(tmp_path / "none")
    for window in (["--headless"], []):
        started = command.run("start", *window)
        assert started.returncode == 1 and "not installed or not enabled" in started.stderr, started
    looked = json.loads(command.run("doctor", "--json", "--blender", installation.blender).stdout)
    findings = {check["name"]: check["finding"] for check in looked["checks"]}
    assert (findings["installed"], findings["this Blender"]) == ("not_installed", "not_enabled")
    command.environment["BLENDER_USER_RESOURCES"] = str(installation.resources)
    looked = json.loads(command.run("doctor", "--json", "--blender", installation.blender).stdout)
    findings = {check["name"]: check["finding"] for check in looked["checks"]}
    assert (findings["installed"], findings["this Blender"]) == ("installed", "enabled")
