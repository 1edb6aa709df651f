# SPDX-License-Identifier: GPL-3.0-or-later
"""The wheel: the native module in a package named after the build, and the client package `spindle`."""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

from machine import BUILD, DIST, ROOT, ScriptError, environment, run

from .build_info import BuildInfo

DISTRIBUTION = "spindle_native"
MATURIN, ZIG = "maturin==1.16.0", "ziglang==0.17.0"
STAGE = BUILD / "wheel"

PYPROJECT = """\
[build-system]
requires = ["{maturin}"]
build-backend = "maturin"

[project]
name = "{distribution}"
version = "{version}"
description = "Spindle's native module and its Python client"
requires-python = ">=3.11"
license = "GPL-3.0-or-later"
license-files = ["LICENSE"]

[tool.maturin]
manifest-path = "../../native/python/Cargo.toml"
module-name = "{native}._native"
python-source = "python"
python-packages = ["{native}", "spindle"]

# The list of parts names paths of this machine and the time, so that no two wheels would be alike.
[tool.maturin.sbom]
rust = false
"""

NATIVE_INIT = '''\
# SPDX-License-Identifier: GPL-3.0-or-later
"""Spindle's native module, under a name of its own for each build."""
'''


@dataclass(frozen=True)
class Platform:
    """A platform by Blender's name, the wheel's platform tag, and what maturin needs to reach it."""

    name: str
    tag: str
    packages: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


PLATFORMS = {
    # Zig links against the glibc of manylinux_2_28, as Blender's own builds do. maturin then reads the library and
    # refuses newer symbols and a link to libpython.
    ("Linux", "x86_64"): Platform(
        "linux-x64", "manylinux_2_28_x86_64", (ZIG,), ("--zig", "--compatibility", "manylinux_2_28")
    ),
    ("Windows", "AMD64"): Platform("windows-x64", "win_amd64"),
    ("Darwin", "arm64"): Platform("macos-arm64", "macosx_11_0_arm64"),
}


def this_platform() -> Platform:
    """The platform to build for, which is this machine's. Raises ScriptError for an unknown one."""
    here = (platform.system(), platform.machine())
    if here not in PLATFORMS:
        raise ScriptError(f"no package is made on {' '.join(here)}, only on {', '.join(map(' '.join, PLATFORMS))}")
    return PLATFORMS[here]


def build_wheel(build: BuildInfo, target: Platform) -> Path:
    """Build the wheel into dist/, in place of earlier ones."""
    _stage(build)
    for old in DIST.glob(f"{DISTRIBUTION}-*-{target.tag}.whl"):
        old.unlink()
    maturin(STAGE, target, DIST)
    return DIST / f"{DISTRIBUTION}-{build.pep440}-cp311-abi3-{target.tag}.whl"


def maturin(folder: Path, target: Platform, out: Path) -> None:
    """Have maturin build what a folder's pyproject.toml describes, into the folder `out`."""
    tools = environment("maturin", (MATURIN, *target.packages))
    command: list[str | Path] = [tools / "maturin", "build", "--release", "--locked", *target.options, "--out", out]
    run(command, cwd=folder, env={"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "RUSTFLAGS": _without_paths()})


def _stage(build: BuildInfo) -> None:
    """Lay out what maturin packs."""
    shutil.rmtree(STAGE, ignore_errors=True)
    native, client = STAGE / "python" / build.native_package, STAGE / "python" / "spindle"
    native.mkdir(parents=True)
    (native / "__init__.py").write_text(NATIVE_INIT)
    shutil.copy(ROOT / "native" / "python" / "_native.pyi", native)
    shutil.copytree(ROOT / "native" / "python" / "spindle", client, ignore=shutil.ignore_patterns("__pycache__"))
    (client / "_build.py").write_text(build.python_source)
    shutil.copy(ROOT / "LICENSE", STAGE)
    names = {"maturin": MATURIN, "distribution": DISTRIBUTION, "version": build.pep440, "native": build.native_package}
    (STAGE / "pyproject.toml").write_text(PYPROJECT.format(**names))


def _without_paths() -> str:
    """Flags that keep this machine's folders out of the library, so that two machines build the same bytes."""
    cargo = os.environ.get("CARGO_HOME") or Path.home() / ".cargo"
    return f"--remap-path-prefix={cargo}=/cargo --remap-path-prefix={ROOT}=/spindle"
