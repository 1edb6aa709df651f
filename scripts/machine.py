# SPDX-License-Identifier: GPL-3.0-or-later
"""What the scripts use of this machine: the checkout, virtual environments, Blenders and bpy modules."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
DIST = ROOT / "dist"

WINDOWED = ("4.3", "5.2")
MODULES = ("4.2", "4.5", "5.0")
"""The Blenders with a window, and the bpy modules, that scripts/provision knows."""

MCP_SDK = "mcp==2.3.0"
"""The Python SDK of the Model Context Protocol, whose client tests/mcp and scripts/bench call `spindle mcp` with."""


class ScriptError(Exception):
    """A script cannot go on; the message says what was wrong and what to do."""


def run(command: Sequence[str | Path], *, cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> None:
    """Show a command, then run it with these additions to the environment. Raises ScriptError if it fails."""
    print("+", *command, flush=True)
    status = subprocess.run(command, cwd=cwd, env={**os.environ, **(env or {})}, check=False).returncode
    if status:
        raise ScriptError(f"exit status {status} of: {' '.join(map(str, command))}")


def environment(name: str, pins: Sequence[str]) -> Path:
    """The folder of executables of a virtual environment build/NAME with these packages, made at need."""
    folder, wanted = BUILD / name, "\n".join([sys.version, *pins])
    bin_folder = folder / ("Scripts" if os.name == "nt" else "bin")
    stamp = folder / "pins"
    if not stamp.exists() or stamp.read_text() != wanted:
        venv.create(folder, with_pip=True, clear=True)
        pip_install(bin_folder / "python", *pins)
        stamp.write_text(wanted)
    return bin_folder


def pip_install(python: Path, *arguments: str | Path) -> None:
    """Install packages for this Python."""
    run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments])


def blenders() -> dict[str, Path]:
    """Blenders with a window by name: the one in $SPINDLE_BLENDER, else all that scripts/provision installed."""
    given = os.environ.get("SPINDLE_BLENDER")
    if given:
        return {"given": Path(given)}
    found = {name: cache() / f"blender-{name}" / "blender" for name in WINDOWED}
    return {name: path for name, path in found.items() if path.exists()}


def bpy_pythons() -> dict[str, Path]:
    """Pythons with the bpy module, by Blender's version, that scripts/provision installed."""
    found = {name: cache() / f"bpy-{name}" / "bin" / "python" for name in MODULES}
    return {name: path for name, path in found.items() if path.exists()}


def any_blender() -> Path | None:
    """A Blender for its command line: $SPINDLE_BLENDER, the one on PATH, or a provisioned one."""
    on_path = shutil.which("blender")
    if on_path and not os.environ.get("SPINDLE_BLENDER"):
        return Path(on_path)
    return next(iter(blenders().values()), None)


def prometheus(program: str) -> Path | None:
    """`prometheus` or `promtool`: the one that scripts/provision installed, or the one on PATH."""
    ours = cache() / "prometheus" / "usr" / "bin" / program
    on_path = shutil.which(program)
    return ours if ours.exists() else Path(on_path) if on_path else None


def required() -> set[str]:
    """The names in $SPINDLE_REQUIRE_BLENDER, such as "4.3 prometheus": whose absence is a failure, not a skip."""
    return set(os.environ.get("SPINDLE_REQUIRE_BLENDER", "").split())


def cache() -> Path:
    """Where scripts/provision installs."""
    user = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("SPINDLE_CACHE") or Path(user) / "spindle")
