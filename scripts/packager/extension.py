# SPDX-License-Identifier: GPL-3.0-or-later
"""The zip that Blender installs: the add-on, the filled-in manifest, the wheel, the program and the licence."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path

from machine import BUILD, DIST, ROOT, any_blender, bpy_pythons, run

from .build_info import BuildInfo
from .wheel import Platform

STAGE = BUILD / "stage" / "spindle_addon"
"""The zip's content, unpacked; tests/headless imports it by this name."""

MARK = "# scripts/package puts version, platforms and wheels here\n"


def stage(build: BuildInfo, wheel: Path, program: Path, target: Platform) -> Path:
    """Lay out the zip's content; the add-on's files lie beside the manifest, as Blender wants it."""
    shutil.rmtree(STAGE, ignore_errors=True)
    shutil.copytree(ROOT / "addon", STAGE, ignore=shutil.ignore_patterns("__pycache__", "*.pyi"))
    (STAGE / "_build.py").write_text(build.python_source)
    shutil.copy(ROOT / "LICENSE", STAGE)
    (STAGE / "wheels").mkdir()
    shutil.copy(wheel, STAGE / "wheels")
    (STAGE / "bin").mkdir()
    shutil.copy(program, STAGE / "bin")
    manifest = (ROOT / "blender_manifest.toml").read_text()
    (STAGE / "blender_manifest.toml").write_text(fill_in(manifest, build, wheel.name, target.name))
    return STAGE


def fill_in(manifest: str, build: BuildInfo, wheel: str, platform: str) -> str:
    """The manifest with what only a build knows. Raises ValueError where the place for it is missing."""
    if manifest.count(MARK) != 1:
        raise ValueError(f"blender_manifest.toml must have this line once: {MARK.strip()}")
    lines = f'version = "{build.semver}"\nplatforms = ["{platform}"]\nwheels = ["./wheels/{wheel}"]\n'
    return manifest.replace(MARK, lines)


def pack(folder: Path, build: BuildInfo, target: Platform, *, ask_blender: bool) -> Path:
    """Validate and zip the folder with Blender's own tool where there is one, else zip it here and say so."""
    package = DIST / f"spindle-{build.semver}-{target.name.replace('-', '_')}.zip"
    for old in DIST.glob(f"spindle-*-{target.name.replace('-', '_')}.zip"):
        old.unlink()
    tool = _blenders_tool() if ask_blender else None
    if tool is None:
        print("Blender's own checks are skipped:", "no Blender is here" if ask_blender else "as asked for")
        _zip(folder, package)
        return package
    # A provisioned Blender sees only some folders of this machine unless told of others.
    env = {"SPINDLE_SHARED": f"{ROOT} {os.environ.get('SPINDLE_SHARED', '')}"}
    run([*tool, "validate", folder], env=env)
    run([*tool, "build", "--source-dir", folder, "--output-filepath", package], env=env)
    return package


def _blenders_tool() -> list[str | Path] | None:
    """The command line of Blender's tool for extensions: a Blender's, or the same program from a bpy module."""
    if blender := any_blender():
        return [blender, "--factory-startup", "--command", "extension"]
    for python in bpy_pythons().values():
        for program in (python.parent.parent / "lib").glob("python*/site-packages/bpy/*/scripts/**/blender_ext.py"):
            return [python, program]
    return None


def _zip(folder: Path, package: Path) -> None:
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            archive.write(path, path.relative_to(folder).as_posix())
