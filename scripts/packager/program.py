# SPDX-License-Identifier: GPL-3.0-or-later
"""The program `spindle` for a platform, as the extension and the bundle carry it.

maturin builds it as it builds the library, so that both run on the same systems: with a manylinux tag it links against
that glibc, and refuses newer symbols. What it makes is a wheel; the program is taken out of it.
"""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

from machine import BUILD, ROOT

from .build_info import BuildInfo
from .wheel import MATURIN, Platform, maturin

STAGE = BUILD / "program"

PYPROJECT = """\
[build-system]
requires = ["{maturin}"]
build-backend = "maturin"

[project]
name = "spindle_program"
version = "{version}"
description = "The command spindle"

[tool.maturin]
bindings = "bin"
manifest-path = "../../native/cli/Cargo.toml"

# As for the library.
[tool.maturin.sbom]
rust = false
"""


def file_name(target: Platform) -> str:
    """What the program's file is called on a platform."""
    return "spindle.exe" if target.name.startswith("windows") else "spindle"


def build_program(build: BuildInfo, target: Platform) -> Path:
    """Build the program; the executable file, in build/."""
    shutil.rmtree(STAGE, ignore_errors=True)
    STAGE.mkdir(parents=True)
    (STAGE / "pyproject.toml").write_text(PYPROJECT.format(maturin=MATURIN, version=build.pep440))
    shutil.copy(ROOT / "LICENSE", STAGE)
    maturin(STAGE, target, STAGE)
    (wheel,) = STAGE.glob("*.whl")
    return take_out(wheel, file_name(target), STAGE)


def take_out(wheel: Path, name: str, folder: Path) -> Path:
    """The program from a wheel, as an executable file in this folder. Raises ValueError where it has none."""
    with zipfile.ZipFile(wheel) as archive:
        inside = [path for path in archive.namelist() if path.endswith(f".data/scripts/{name}")]
        if len(inside) != 1:
            raise ValueError(f"{wheel.name} holds {inside} instead of the program {name}")
        program = folder / name
        program.write_bytes(archive.read(inside[0]))
    program.chmod(0o755)
    return program
