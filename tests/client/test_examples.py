# SPDX-License-Identifier: GPL-3.0-or-later
"""The first steps of docs/clients.md, run in each language that this machine has."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
BUILT = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug"
SAID = ["6", "ZeroDivisionError: division by zero", "not_found"]

COMMANDS: dict[str, list[str | Path]] = {
    "first_steps.py": [sys.executable, EXAMPLES / "first_steps.py"],
    "first_steps_asyncio.py": [sys.executable, EXAMPLES / "first_steps_asyncio.py"],
    "first_steps.mjs": ["node", EXAMPLES / "first_steps.mjs"],
    "first_steps.go": ["go", "run", EXAMPLES / "first_steps.go"],
    "first_steps.sh": ["sh", EXAMPLES / "first_steps.sh"],
    "first_steps.rs": [BUILT / "examples" / "first_steps"],
}
NEEDS = {"first_steps.sh": BUILT / "spindle", "first_steps.rs": BUILT / "examples" / "first_steps"}
"""What `scripts/test rust` leaves, for those that need it."""


def run(name: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run an example in this folder; skip where something that it needs is not there."""
    command = COMMANDS[name]
    for needed in (command[0], NEEDS.get(name, command[0])):
        if shutil.which(needed) is None:
            pytest.skip(f"{needed} is not on this machine")
    environment = {**os.environ, "PATH": f"{BUILT}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_same_steps_in_every_language(name: str, start: Callable[[str], int], tmp_path: Path) -> None:
    start("/models/chair.blend")
    done = run(name, tmp_path)
    assert (done.returncode, done.stdout.splitlines()) == (0, SAID), done.stderr
    assert list(tmp_path.glob("*.txt")) == []


@pytest.mark.parametrize("name", COMMANDS)
def test_a_step_without_blender_says_so(name: str, folder: Path, tmp_path: Path) -> None:
    done = run(name, tmp_path)
    assert done.returncode != 0 and done.stdout == "" and done.stderr != ""


def test_the_page_holds_the_examples() -> None:
    """docs/clients.md shows each file as it is."""
    page = (ROOT / "docs" / "clients.md").read_text()
    files = [*EXAMPLES.iterdir(), ROOT / "native" / "client" / "examples" / "first_steps.rs"]
    assert {file.name for file in files} == set(COMMANDS)
    for file in files:
        assert f"\n{file.read_text()}```\n" in page, f"docs/clients.md must contain {file.name} as it is"
