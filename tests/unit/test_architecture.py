# SPDX-License-Identifier: GPL-3.0-or-later
"""What docs/architecture.md says of the source as a whole, as far as it can be read off without running it."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ADDON = ROOT / "addon"
ARCHITECTURE = (ROOT / "docs/architecture.md").read_text("utf-8")
PROTOCOL = (ROOT / "docs/protocol.md").read_text("utf-8")

WITHOUT_BLENDER = {"native.py", "session.py", "dispatcher.py", "turn.py", "errors.py"}
BLENDER = {"bpy", "bpy_extras", "bmesh", "gpu", "idprop", "mathutils"}
CRATES_OF = {"pyo3": {"python"}, "pythonize": {"python"}, "mio": {"core", "client"}, "tokio": {"mcp"}}
"""Where dependencies that shape the architecture may be named."""
MOST_LINES = 520
"""About 500, as the rule has it."""


def sources(*suffixes: str) -> list[Path]:
    """The project's own files: what git tracks or would track."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    return [ROOT / name for name in names if name.endswith(suffixes) and (ROOT / name).is_file()]


def imports(path: Path) -> Iterator[str]:
    """The modules that a file imports, relative ones with their dots."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from ([module] if node.module else (module + alias.name for alias in node.names))


def test_crates_have_only_the_dependencies_that_are_theirs() -> None:
    for manifest in ROOT.glob("native/*/Cargo.toml"):
        named = set(re.findall(r"^([\w-]+?)(?:\.workspace)?\s*=", manifest.read_text("utf-8"), re.MULTILINE))
        for dependency, crates in CRATES_OF.items():
            assert dependency not in named or manifest.parent.name in crates, f"{dependency} in {manifest}"


def test_threads_are_started_in_core_only() -> None:
    for path in sources(".rs"):
        crate, folder = path.relative_to(ROOT).parts[1:3]
        if folder == "src" and crate not in {"core", "fuzz"}:
            assert not re.search(r"\.spawn\(|thread::(spawn|scope)\(", path.read_text("utf-8")), path


@pytest.mark.parametrize("crate", ["protocol", "core"])
def test_crates_forbid_unsafe_code(crate: str) -> None:
    assert "#![forbid(unsafe_code)]" in (ROOT / f"native/{crate}/src/lib.rs").read_text("utf-8")


def test_bpy_is_imported_only_where_it_belongs() -> None:
    for name in WITHOUT_BLENDER:
        for module in imports(ADDON / name):
            assert module.split(".")[0] not in BLENDER, f"{name} imports {module}"
            relative = module.startswith(".") and module != "._build"
            assert not relative or f"{module.strip('.').split('.')[0]}.py" in WITHOUT_BLENDER, (
                f"{name} imports {module}"
            )
    head = (ADDON / "paths.py").read_text("utf-8").split("\ndef ")[0]
    assert "import bpy" not in head, "paths.py asks Blender only where a function needs it"


def test_the_map_tells_which_files_use_blender() -> None:
    rows = dict(re.findall(r"^\| `(\w+\.py)` \|.*\| ([^|]+) \|$", ARCHITECTURE, re.MULTILINE))
    assert {name for name, blender in rows.items() if blender == "no"} == WITHOUT_BLENDER


@pytest.mark.parametrize("folder", ["addon", "native/core/src", "native/protocol/src"])
def test_the_map_names_every_file(folder: str) -> None:
    files = {path.name for path in sources(".rs", ".py") if path.parent == ROOT / folder} - {"lib.rs"}
    assert not {name for name in files if f"| `{name}` |" not in ARCHITECTURE}


def test_the_native_module_is_imported_in_one_place() -> None:
    for path in sources(".py"):
        if path.is_relative_to(ADDON) and path != ADDON / "native.py":
            assert not re.search(r"\b(importlib|_build|_native|_spindle)\b", path.read_text("utf-8")), path


def test_commands_fail_by_kinds_that_exist() -> None:
    source = (ROOT / "native/protocol/src/error.rs").read_text("utf-8")
    kinds = set(re.findall(r' = -\d+, "(\w+)",', source))
    for path in sources(".py"):
        if path.is_relative_to(ADDON):
            used = re.findall(r'\bCommandError\(\s*"(\w+)"', path.read_text("utf-8"))
            assert kinds.issuperset(used), f"{path}: {set(used) - kinds}"


def test_the_tests_that_the_invariants_name_exist() -> None:
    named = re.findall(r"`([\w/]+\.(?:rs|py))::(\w+)`", ARCHITECTURE)
    assert len(named) > 10
    for file, test in named:
        assert re.search(rf"\b(?:fn|def) {test}\(", (ROOT / file).read_text("utf-8")), f"{file}::{test}"


def test_the_settings_that_the_protocol_names_have_these_defaults() -> None:
    source = (ROOT / "native/core/src/settings.rs").read_text("utf-8")
    defaults = dict(re.findall(r"^            (\w+): ([\d.]+),$", source, re.MULTILINE))
    section = PROTOCOL.split("### Limits that the user sets\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| ([\d,]+) \|", section, re.MULTILINE)
    assert {name: float(value.replace(",", "")) for name, value in rows} == {
        name: float(value) for name, value in defaults.items() if name != "port"
    }


def test_links_between_documents_lead_somewhere() -> None:
    for path in sources(".md"):
        text = path.read_text("utf-8")
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
            assert (path.parent / target).exists(), f"{path}: {target}"
        for anchor in re.findall(r"\]\(#([^)]+)\)", text):
            titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}, anchor


def test_files_are_short_and_licensed() -> None:
    assert (
        tomllib.loads((ROOT / "Cargo.toml").read_text("utf-8"))["workspace"]["package"]["license"] == "GPL-3.0-or-later"
    )
    for path in sources(".rs", ".py"):
        text = path.read_text("utf-8")
        assert text.count("\n") <= MOST_LINES, path
        if path.is_relative_to(ADDON):
            assert text.startswith("# SPDX-License-Identifier: GPL-3.0-or-later\n"), path


SWALLOWED = [
    (".py", r"except\s*:"),
    (".py", r"except (Base)?Exception( as \w+)?:\s*\n\s*pass\b"),
    (".rs", r"let _ = "),
]


@pytest.mark.parametrize(("suffix", "pattern"), SWALLOWED, ids=[row[1] for row in SWALLOWED])
def test_nothing_is_swallowed(suffix: str, pattern: str) -> None:
    """FAIL_FAST: no bare `except`, no error dropped without a word."""
    assert not [path.name for path in sources(suffix) if re.search(pattern, path.read_text())]


def test_state_that_threads_share_has_one_lock_in_a_known_place() -> None:
    """SHARED_STATE: the locks of the core, each in one file, and none of them taken by the code that does I/O with
    sockets other than for a moment's copy."""
    locks = {path.name for path in sources(".rs") if path.parent.name == "src" and "parking_lot" in path.read_text()}
    assert locks == {"handle.rs", "inbox.rs", "outbox.rs", "server.rs"}
    assert "Mutex" not in (ROOT / "native/core/src/connection.rs").read_text()
