# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures: real Blenders on a display of their own, with the package from dist/ installed as a user installs it.

Tests run once for each of $SPINDLE_BLENDER, or of the Blenders of scripts/provision. One that is not there is skipped,
unless $SPINDLE_REQUIRE_BLENDER names it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import machine
import pytest
from handle import RunningBlender

NAMES = ["given"] if os.environ.get("SPINDLE_BLENDER") else machine.WINDOWED

# The splash screen would cover the panel.
QUIET = "import bpy; bpy.context.preferences.view.show_splash = False; bpy.ops.wm.save_userpref()"


@dataclass(frozen=True)
class Installation:
    """A Blender and the folder of a user's settings in which Spindle is installed and enabled."""

    name: str
    blender: Path
    resources: Path


def software_gl() -> dict[str, str]:
    """The environment in which a Blender draws without a GPU and sees this checkout.

    Its drawing library keeps compiled shaders in files that it maps into memory. Where other Blenders of the machine
    used the same ones, 5.2 died of SIGBUS now and then, so they are this checkout's own.
    """
    shared = f"{machine.ROOT} {os.environ.get('SPINDLE_SHARED', '')}"
    shaders = machine.BUILD / "shaders"
    shaders.mkdir(parents=True, exist_ok=True)
    return {"LIBGL_ALWAYS_SOFTWARE": "1", "SPINDLE_SHARED": shared, "MESA_SHADER_CACHE_DIR": str(shaders)}


@pytest.fixture(scope="session")
def display() -> Iterator[str]:
    """An X display that nobody else uses."""
    command = ["Xvfb", "-displayfd", "1", "-screen", "0", "1280x800x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        yield f":{server.stdout.readline().strip()}"
        server.terminate()


@pytest.fixture(scope="session", params=NAMES)
def installation(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Spindle installed by Blender's own command."""
    name: str = request.param
    blender = machine.blenders().get(name)
    if blender is None:
        missing = f"Blender {name} is not on this machine; scripts/provision {name} installs it"
        (pytest.fail if name in machine.required() else pytest.skip)(missing)
    packages = list(machine.DIST.glob("spindle-*.zip"))
    assert len(packages) == 1, "dist/ must hold one package; scripts/package makes it"
    resources = tmp_path_factory.mktemp(f"blender-{name}")
    environment = {"BLENDER_USER_RESOURCES": str(resources), **software_gl()}
    install = ["--command", "extension", "install-file", "-r", "user_default", "--enable", packages[0]]
    machine.run([blender, *install], env=environment)
    machine.run([blender, "--background", "--python-exit-code", "1", "--python-expr", QUIET], env=environment)
    return Installation(name, blender, resources)


@pytest.fixture
def blender(
    request: pytest.FixtureRequest,
    installation: Installation,
    display: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[RunningBlender]:
    """A new Blender with a window, the default scene, and Spindle switched on; `spindle` here finds only it.

    Its guard is as strict as the test's mark `guard_level` says, by default as users have it.
    """
    level = request.node.get_closest_marker("guard_level")
    if level is not None:
        monkeypatch.setenv("SPINDLE_GUARD_LEVEL", level.args[0])
    resources = shutil.copytree(installation.resources, tmp_path / "resources")
    environment = {"DISPLAY": display, "BLENDER_USER_RESOURCES": str(resources), **software_gl()}
    window = ["--gpu-backend", "opengl", "-noaudio", "--window-geometry", "0", "0", "1280", "800"]
    # Tests press buttons and keys by events of their own.
    window.append("--enable-event-simulate")
    running = RunningBlender(installation.name, [installation.blender, *window], environment, tmp_path)
    monkeypatch.setenv("SPINDLE_RUNTIME_DIR", str(running.runtime_dir))
    try:
        running.inside("bpy.ops.spindle.start()")
        yield running
    finally:
        # pytest shows this beside a failure.
        print(f"Blender's exit status was {running.process.poll()}; its last words:\n{running.log()}")
        running.close()


@pytest.fixture(scope="session")
def pictures() -> Path:
    """The folder for screenshots that people may want to look at."""
    folder = machine.BUILD / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
