# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guard reads of a script is what Python reads: the files of Python's standard library, of numpy and of
Blender's own scripts that are on this machine, parsed by both.

$SPINDLE_PARSE_ALL adds the tests in them and the scripts of every Blender, which takes minutes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from machine import ROOT, blenders, bpy_pythons

READER = Path(__file__).with_name("python_names.py")
LEAST_FILES = 500
"""Fewer means that the folders are not where this looks for them."""
MOST_UNREAD = 0.02
"""The share of files that Python itself may refuse: tests of syntax errors, and files that are not UTF-8."""
MOST_BYTES = 262_144
"""What is longer the guard does not read, and that is its only reason."""
ALL = "SPINDLE_PARSE_ALL" in os.environ


def folders() -> list[Path]:
    """Python's library, numpy, and the scripts of the newest Blender or of all."""
    scripts: list[Path] = []
    for python in bpy_pythons().values():
        scripts += python.parent.parent.glob("lib/python3.*/site-packages/bpy/*/scripts")
    for launcher in blenders().values():
        scripts += launcher.parent.glob("root/usr/share/blender/scripts")
    library, packages = (Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib"))
    return [library, packages / "numpy", *(scripts if ALL else scripts[-1:])]


def sources() -> list[str]:
    """Every Python file of those folders, without what others installed beside Python's library."""
    left_out = {"site-packages"} if ALL else {"site-packages", "test", "tests"}
    found: set[str] = set()
    for folder in folders():
        paths = folder.rglob("*.py")
        found.update(str(path) for path in paths if not left_out.intersection(path.relative_to(folder).parts))
    return sorted(found)


def read(command: list[str | Path], paths: list[str]) -> dict[str, tuple[str, set[str]]]:
    """For each path why it was refused, or nothing, and what is in it."""
    text = "\n".join(paths)
    result = subprocess.run(command, input=text, stdout=subprocess.PIPE, cwd=ROOT, encoding="utf-8", check=True)
    rows = (line.split("\t") for line in result.stdout.split("\n") if line)
    return {path: (refusal, seen_in(seen)) for path, refusal, seen in rows}


def seen_in(text: str) -> set[str]:
    """Each name with its count."""
    words = text.split(" ")
    return {f"{name} {count}" for name, count in zip(words[::2], words[1::2], strict=False)}


@pytest.mark.timeout(1800)
def test_the_guard_reads_what_python_reads() -> None:
    paths = sources()
    assert len(paths) > LEAST_FILES, folders()
    pythons = read([sys.executable, READER], paths)
    compiled = [path for path, (refusal, _) in pythons.items() if not refusal]
    unread = set(paths).difference(compiled)
    assert len(unread) < MOST_UNREAD * len(paths), sorted(unread)
    program = ["cargo", "run", "--quiet", "--release", "--locked", "--package", "spindle-guard", "--example", "names"]
    ours = read([*program], compiled)
    refused = {path: refusal for path, (refusal, _) in ours.items() if refusal}
    assert {path for path in compiled if Path(path).stat().st_size > MOST_BYTES} == refused.keys(), refused
    different = {path: ours[path][1] ^ pythons[path][1] for path in compiled if ours[path][1] != pythons[path][1]}
    assert not different
