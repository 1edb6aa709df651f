# SPDX-License-Identifier: GPL-3.0-or-later
"""Blenders with Spindle, for the scripts that show or strain it: processes that only their own clients find."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from machine import DIST, ROOT, ScriptError, any_blender, blenders, environment, pip_install, run

BPY = {(3, 11): "bpy==5.0.1", (3, 13): "bpy==5.2.3"}
"""Blender as a module, by the Python that it is made for."""

ZIP = "spindle.zip"
PATIENCE_S = 120.0
SERVE = "import sys; sys.path.insert(0, sys.argv[1]); import spindle_addon.headless as h; sys.exit(h.serve())"
START = "import bpy; bpy.ops.spindle.start()"
QUIET = "import bpy; bpy.context.preferences.view.show_splash = False; bpy.ops.wm.save_userpref()"


@dataclass(frozen=True)
class Serving:
    """A Blender that serves; a Python with the client, the environment in which that finds only this Blender, and a
    folder that Blender may write into."""

    process: subprocess.Popen[bytes]
    python: Path
    environment: dict[str, str]
    folder: Path


def use_fitting_python() -> None:
    """Go on in a Python that Blender's module exists for: this one, or the first on PATH. Raises ScriptError."""
    if sys.version_info[:2] in BPY:
        return
    for major, minor in BPY:
        name = f"python{major}.{minor}"
        # A version manager may have a launcher for a Python that it has not.
        if shutil.which(name) and subprocess.run([name, "-c", ""], capture_output=True, check=False).returncode == 0:
            os.execlp(name, name, *sys.argv)
    raise ScriptError("this needs Python 3.11 or 3.13, which Blender's module is made for; neither is on PATH")


@contextmanager
def headless() -> Iterator[Serving]:
    """Blender as a module, from the package index."""
    with _package() as folder:
        interpreter = _install_client(environment("bpy", [BPY[sys.version_info[:2]]]) / "python", folder)
        with _serving([interpreter, "-c", SERVE, folder], folder, interpreter) as serving:
            yield serving


@contextmanager
def window(blender: Path) -> Iterator[Serving]:
    """A Blender with a window, the package installed as a user does it, and settings of its own."""
    if sys.platform == "linux" and not {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys():
        raise ScriptError("a window needs a display; on a machine without one, put `xvfb-run -a` before the command")
    with _package() as folder:
        own = _environment(folder)
        install = ["--command", "extension", "install-file", "-r", "user_default", "--enable"]
        run([blender, *install, folder / ZIP], env=own)
        run([blender, "--background", "--python-exit-code", "1", "--python-expr", QUIET], env=own)
        venv.create(folder / "venv", with_pip=True)
        interpreter = _install_client(folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python", folder)
        with _serving([blender, "-noaudio", "--python-expr", START], folder, interpreter) as serving:
            yield serving


def choose_blender(name: str | None = None) -> Path:
    """The Blender with a window of this name, or $SPINDLE_BLENDER, the one on PATH, or a provisioned one."""
    chosen = any_blender() if name is None else blenders().get(name)
    if chosen is None:
        wanted = f"Blender {name}" if name else "Blender"
        raise ScriptError(f"{wanted} is not here; name its program in $SPINDLE_BLENDER, or run scripts/provision")
    return chosen


@contextmanager
def _package() -> Iterator[Path]:
    """A temporary folder with the package, both packed and unpacked; the one in dist/ may be replaced meanwhile."""
    # Blender may still write while it ends.
    with tempfile.TemporaryDirectory(prefix="spindle-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        shutil.copy(_built(), folder / ZIP)
        with zipfile.ZipFile(folder / ZIP) as archive:
            archive.extractall(folder / "spindle_addon")
        yield folder


def _built() -> Path:
    """The zip in dist/, made at need."""
    if not any(DIST.glob("spindle-*.zip")):
        # Blender's own checks need a Blender.
        skip = [] if any_blender() else ["--skip-validate"]
        run([sys.executable, ROOT / "scripts" / "package", *skip])
    return next(DIST.glob("spindle-*.zip"))


def _install_client(interpreter: Path, folder: Path) -> Path:
    """Install the client out of the package for this Python; the Python."""
    pip_install(interpreter, "--force-reinstall", "--no-deps", *folder.glob("spindle_addon/wheels/*.whl"))
    return interpreter


def _environment(folder: Path) -> dict[str, str]:
    return {
        "BLENDER_USER_RESOURCES": str(folder / "resources"),
        "SPINDLE_RUNTIME_DIR": str(folder / "runtime"),
        "SPINDLE_LOG_DIR": str(folder / "log"),
        # A Blender of scripts/provision sees only some folders of this machine unless told of others.
        "SPINDLE_SHARED": f"{ROOT} {folder} {os.environ.get('SPINDLE_SHARED', '')}",
    }


@contextmanager
def _serving(command: Sequence[str | Path], folder: Path, client: Path) -> Iterator[Serving]:
    """Start it and wait until it serves; end it afterwards. Raises ScriptError with what it printed if it does not."""
    runtime, log = folder / "runtime", folder / "log"
    runtime.mkdir(mode=0o700)
    own = {**os.environ, **_environment(folder)}
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=own, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not any(runtime.glob("*.json")):
            if process.poll() is not None or time.monotonic() > deadline:
                raise ScriptError(f"Blender does not serve; it printed:\n{log.read_text(errors='replace')[-4000:]}")
            time.sleep(0.05)
        yield Serving(process, client, own, folder)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
