# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages that Blender's own validate lets through are refused before they are zipped."""

from __future__ import annotations

import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from machine import ROOT
from packager.build_info import BuildInfo
from packager.checks import manifest_problems, wheel_problems
from packager.extension import MARK, fill_in

BUILD = BuildInfo("0.1.0", 42)
WHEEL = "spindle_native-0.1.0.dev42-cp311-abi3-manylinux_2_28_x86_64.whl"


def manifest() -> dict[str, Any]:
    text = (ROOT / "blender_manifest.toml").read_text()
    return tomllib.loads(fill_in(text, BUILD, WHEEL, "linux-x64"))


def test_the_manifest_is_good() -> None:
    assert list(manifest_problems(manifest(), BUILD)) == []


def test_a_manifest_without_the_mark_is_refused() -> None:
    with pytest.raises(ValueError, match="must have this line once"):
        fill_in("", BUILD, WHEEL, "linux-x64")
    with pytest.raises(ValueError, match="must have this line once"):
        fill_in(MARK + MARK, BUILD, WHEEL, "linux-x64")


BAD_MANIFESTS: list[tuple[dict[str, Any], str]] = [
    ({"platforms": ["linux-x64", "amiga-68k"]}, "unknown platform 'amiga-68k'"),
    ({"license": ["Whatever"]}, "unknown license 'Whatever'"),
    ({"tags": ["Pipelines"]}, "unknown tag 'Pipelines'"),
    ({"wheel": []}, "unknown key 'wheel'"),
    ({"schema_version": "9.0.0"}, "schema_version"),
    ({"name": "Spindle for Blender"}, "Blender in its name"),
    ({"version": "0.1.0"}, "not the build's"),
    ({"wheels": []}, "the platforms need"),
    ({"wheels": ["./wheels/" + WHEEL.replace("dev42", "dev41")]}, "the platforms need"),
    ({"wheels": ["./wheels/" + WHEEL.replace("manylinux_2_28", "musllinux_1_2")]}, "the platforms need"),
    ({"wheels": ["./wheels/" + WHEEL.replace("cp311-abi3", "cp313-cp313")]}, "the platforms need"),
    ({"platforms": []}, "the platforms need"),
]


@pytest.mark.parametrize(("change", "problem"), BAD_MANIFESTS, ids=[row[1] for row in BAD_MANIFESTS])
def test_a_bad_manifest_is_refused(change: dict[str, Any], problem: str) -> None:
    found = "\n".join(manifest_problems(manifest() | change, BUILD))
    assert problem in found


GOOD_FILES = {
    "_spindle_0_1_0_dev42/__init__.py": "",
    "_spindle_0_1_0_dev42/_native.abi3.so": "",
    "spindle/__init__.py": "",
    "spindle/_build.py": BUILD.python_source,
    "spindle_native-0.1.0.dev42.dist-info/METADATA": "",
}
BAD_FILES = [
    ({"numpy/__init__.py": ""}, "at its top"),
    ({"_spindle_0_1_0_dev42/other.so": ""}, "holds the libraries"),
    ({"spindle/_native.abi3.so": ""}, "holds the libraries"),
    ({"spindle/_build.py": BuildInfo("0.1.0", 41).python_source}, "does not name the build"),
]


def pack(path: Path, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def test_a_good_wheel(tmp_path: Path) -> None:
    assert list(wheel_problems(pack(tmp_path / WHEEL, GOOD_FILES), BUILD)) == []


@pytest.mark.parametrize(("change", "problem"), BAD_FILES, ids=[next(iter(row[0])) for row in BAD_FILES])
def test_a_bad_wheel_is_refused(tmp_path: Path, change: dict[str, str], problem: str) -> None:
    found = "\n".join(wheel_problems(pack(tmp_path / WHEEL, GOOD_FILES | change), BUILD))
    assert problem in found
