# SPDX-License-Identifier: GPL-3.0-or-later
"""What the library that is loaded into Blender depends on, as cargo resolves it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

ASYNCHRONOUS = {"tokio", "tokio-util", "hyper", "hyper-util", "rmcp"}
"""A runtime with threads of its own, and what needs it. It has no place inside Blender."""


def crates(package: str) -> set[str]:
    """The crates that are linked into a package of the workspace on this system; all were downloaded to build it."""
    command = ["cargo", "tree", "--package", package, "--edges", "normal"]
    told = subprocess.run(
        [*command, "--offline", "--locked", "--prefix", "none", "--format", "{p}"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0, told.stderr
    return {line.split()[0] for line in told.stdout.splitlines() if line}


@pytest.mark.parametrize(
    ("package", "expected"),
    [("spindle-python", set()), ("spindle-core", set()), ("spindle-client", set()), ("spindle-cli", ASYNCHRONOUS)],
)
def test_nothing_asynchronous_is_loaded_into_blender(package: str, expected: set[str]) -> None:
    """The last row shows that the crates would be seen."""
    found = crates(package)
    assert package in found
    assert found & ASYNCHRONOUS == expected
