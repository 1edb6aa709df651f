# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures: the program `spindle`, Blenders with and without a window, and what clients are pointed to.

The window's are those of tests/window. Blender without a window is bpy 5.0 of scripts/provision, in a process of its
own, with what scripts/package left in build/stage.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import machine
import pytest
from servers import Bpy, Place

WINDOW = machine.ROOT / "tests" / "window"
BPY = "5.0"

# Its own name is conftest, too.
sys.path.append(str(WINDOW))
_spec = importlib.util.spec_from_file_location("window_fixtures", WINDOW / "conftest.py")
assert _spec is not None and _spec.loader is not None
window_fixtures = importlib.util.module_from_spec(_spec)
sys.modules["window_fixtures"] = window_fixtures
_spec.loader.exec_module(window_fixtures)
installation, display = window_fixtures.installation, window_fixtures.display
window = window_fixtures.blender


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the unpacked extension, with its wheel unpacked beside it: whatever else is installed for this bpy,
    this native module belongs to it."""
    stage = machine.BUILD / "stage" / "spindle_addon"
    assert stage.exists(), "build/stage must hold the extension; scripts/package leaves it there"
    folder = tmp_path_factory.mktemp("package")
    copy = shutil.copytree(stage, folder / "spindle_addon")
    with zipfile.ZipFile(next(copy.glob("wheels/*.whl"))) as wheel:
        wheel.extractall(folder / "wheel")
    return copy


@pytest.fixture(scope="session")
def program(package: Path) -> Path:
    """The command of the package, or the one that $SPINDLE_COMMAND names."""
    name = "spindle.exe" if os.name == "nt" else "spindle"
    return Path(os.environ.get("SPINDLE_COMMAND") or package / "bin" / name)


@pytest.fixture(scope="session")
def python() -> Path:
    """A Python that has bpy."""
    found = machine.bpy_pythons().get(BPY)
    if found is None:
        missing = f"bpy {BPY} is not on this machine; scripts/provision bpy-{BPY} installs it"
        (pytest.fail if f"bpy-{BPY}" in machine.required() else pytest.skip)(missing)
    return found


Start = Callable[..., Bpy]
"""Start a Blender without a window in a place, with arguments of its command."""


@pytest.fixture
def start(python: Path, package: Path) -> Iterator[Start]:
    """Blenders without a window, as many as a test starts, and none in the end."""
    started: list[Bpy] = []

    def start_one(place: Place, *arguments: str) -> Bpy:
        started.append(Bpy(python, package, place, *arguments))
        return started[-1]

    yield start_one
    for one in started:
        one.close()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Where no Blender is yet."""
    return Place(tmp_path)


@pytest.fixture(scope="session")
def shared(python: Path, package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, Bpy]]:
    """One Blender for all tests that leave it as it was."""
    place = Place(tmp_path_factory.mktemp("shared"))
    blender = Bpy(python, package, place)
    yield place, blender
    blender.close()
