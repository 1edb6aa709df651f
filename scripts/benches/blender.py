# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Blender with the package from dist/ installed, with a window on a display of its own or without one."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from machine import DIST, ROOT, ScriptError, run

from .measuring import Options
from .programs import Target

HANDS = ROOT / "tests" / "window" / "inside.py"
"""Runs code in Blender as a user's click would, apart from Spindle."""

QUIET = "import bpy; bpy.context.preferences.view.show_splash = False; bpy.ops.wm.save_userpref()"
WINDOW = ("--gpu-backend", "opengl", "-noaudio", "--window-geometry", "0", "0", "1280", "800")
PATIENCE_S = 60.0
SETTLE_S = 3.0


class Blender:
    """One process. `spindle` is its server as a target of calls."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self.process = process
        self.folder = folder
        self.spindle = Target("spindle", runtime_dir=folder / "runtime")
        self._numbers = itertools.count()

    def inside(self, code: str) -> Any:
        """Run code on the main thread of a Blender with a window; what it left in `result`. Raises ScriptError."""
        draft = self.folder / "inside" / f"{next(self._numbers):06}.draft"
        draft.write_text(code)
        done = draft.rename(draft.with_suffix(".todo")).with_suffix(".done")
        self.eventually(done.exists)
        answer = json.loads(done.read_text())
        if "error" in answer:
            raise ScriptError(f"in Blender:\n{answer['error']}")
        return answer["result"]

    def switch(self, on: bool) -> None:
        """Switch the server on or off, as the panel does."""
        self.inside(f"bpy.ops.spindle.{'start' if on else 'stop'}()")

    def eventually(self, condition: Callable[[], object]) -> None:
        """Wait until it holds. Raises ScriptError when Blender has ended or the time is up."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            if self.process.poll() is not None or time.monotonic() > deadline:
                log = (self.folder / "log").read_text(errors="replace")[-2000:]
                raise ScriptError(f"Blender ended, or did not do what was awaited; it printed:\n{log}")
            time.sleep(0.01)

    def is_serving(self) -> bool:
        """Whether the server has left its instance file."""
        return any((self.folder / "runtime").glob("*.json"))


@contextmanager
def window(options: Options) -> Iterator[Blender]:
    """A Blender with a window, the default scene, and the server on."""
    with _display() as display, tempfile.TemporaryDirectory() as folder:
        _install(options.blender, Path(folder))
        arguments = [*WINDOW, "--python", str(HANDS)]
        with _running(options.blender, arguments, Path(folder), DISPLAY=display) as blender:
            blender.switch(on=True)
            # What a window draws first takes it a while, the more so without a GPU.
            time.sleep(SETTLE_S)
            yield blender


@contextmanager
def headless(options: Options) -> Iterator[Blender]:
    """`blender --background --command spindle`."""
    with tempfile.TemporaryDirectory() as folder:
        _install(options.blender, Path(folder))
        with _running(options.blender, ["--background", "--command", "spindle"], Path(folder)) as blender:
            blender.eventually(blender.is_serving)
            yield blender


def _environment(folder: Path) -> dict[str, str]:
    shared = f"{ROOT} {os.environ.get('SPINDLE_SHARED', '')}"
    return {
        "BLENDER_USER_RESOURCES": str(folder / "resources"),
        "SPINDLE_RUNTIME_DIR": str(folder / "runtime"),
        "SPINDLE_LOG_DIR": str(folder / "log"),
        "INSIDE": str(folder / "inside"),
        "LIBGL_ALWAYS_SOFTWARE": "1",
        "SPINDLE_SHARED": shared,
        # The peer's own switch; a benchmark asks no stranger's server.
        "BLENDERMCP_NO_UPDATE_CHECK": "1",
    }


def _install(blender: Path, folder: Path) -> None:
    """Install the package by Blender's own command, into settings of its own."""
    packages = list(DIST.glob("spindle-*.zip"))
    if len(packages) != 1:
        raise ScriptError("dist/ must hold one package; scripts/package makes it")
    for name in ("resources", "inside"):
        (folder / name).mkdir()
    (folder / "runtime").mkdir(mode=0o700)
    install = ["--command", "extension", "install-file", "-r", "user_default", "--enable"]
    run([blender, *install, packages[0]], env=_environment(folder))
    run([blender, "--background", "--python-exit-code", "1", "--python-expr", QUIET], env=_environment(folder))


@contextmanager
def _running(blender: Path, arguments: list[str], folder: Path, **more: str) -> Iterator[Blender]:
    environment = {**os.environ, **_environment(folder), **more}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [blender, *arguments], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        yield Blender(process, folder)
    finally:
        process.kill()
        process.wait()


@contextmanager
def _display() -> Iterator[str]:
    """An X display that nobody else uses."""
    command = ["Xvfb", "-displayfd", "1", "-screen", "0", "1280x800x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout is not None
            yield f":{server.stdout.readline().strip()}"
        finally:
            server.terminate()
