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

WITHOUT_BLENDER = {
    *("native.py", "session.py", "dispatcher.py", "turn.py", "errors.py", "ask.py", "listing.py", "interrupt.py"),
    *("companion.py", "mcp_child.py", "connect.py"),
}
BLENDER = {"blf", "bpy", "bpy_extras", "bmesh", "gpu", "idprop", "mathutils"}
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
    """Inside Blender, and the watchdog, which has to do with Python. The command line is a process of its own, in which
    the server for AI clients is, too, and the client's probe one of the client's."""
    for path in sources(".rs"):
        crate, folder = path.relative_to(ROOT).parts[1:3]
        is_known = path.name in {"watchdog.rs", "probe.rs", "models.rs"}
        if folder == "src" and crate not in {"core", "cli", "fuzz", "mcp"} and not is_known:
            assert not re.search(r"\.spawn\(|thread::(spawn|scope)\(", path.read_text("utf-8")), path


@pytest.mark.parametrize("crate", ["protocol", "guard", "core", "client", "mcp", "setup"])
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


def test_modules_of_the_core_use_only_those_above_them() -> None:
    source = ROOT / "native/core/src"
    section = ARCHITECTURE.split("### `native/core/src`")[1].split("\n### ")[0]
    order = re.findall(r"^\| `(\w+)\.rs` \|", section, re.MULTILINE)
    assert order == re.findall(r"^//! - \[?`(\w+)`", (source / "lib.rs").read_text("utf-8"), re.MULTILINE)
    for index, name in enumerate(order):
        for path in (source / f"{name}.rs", *(source / name).glob("*.rs")):
            used = set(re.findall(r"\bcrate::(\w+)", path.read_text("utf-8")))
            assert used.issubset(order[: index + 1]), f"{path.name} uses {used.difference(order[: index + 1])}"


@pytest.mark.parametrize("folder", ["addon", "native/core/src", "native/guard/src", "native/protocol/src"])
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


def test_the_limits_that_the_protocol_names_have_these_defaults() -> None:
    source = (ROOT / "native/core/src/limits.rs").read_text("utf-8")
    defaults = dict(re.findall(r"^        (\w+): \w+ = ([\d_.]+) in ", source, re.MULTILINE))
    section = PROTOCOL.split("### Limits that the user sets\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| ([\d,]+) \|", section, re.MULTILINE)
    assert len(rows) > 10
    for name, value in rows:
        assert float(value.replace(",", "")) == float(defaults[name]), name


def test_the_protocol_names_every_limit_that_a_refusal_names() -> None:
    section = PROTOCOL.split("### Limits that the user sets\n")[1].split("\n## ")[0]
    source = ROOT / "native/core/src"
    table = re.findall(r"^        (\w+): \w+ = .* in ", (source / "limits.rs").read_text("utf-8"), re.MULTILINE)
    for name in ("judge.rs", "consent.rs", "load.rs", "session.rs", "jobs.rs", "job_desk.rs", "server/reception.rs"):
        named = set(table).intersection(re.findall(r'"(\w+)"', (source / name).read_text("utf-8")))
        assert named, f"{name} refuses for no limit"
        assert named.issubset(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)), name


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
    core = (ROOT / "native/core/src").rglob("*.rs")
    locks = {path.name for path in core if re.search(r"\b(Mutex|RwLock)\b", path.read_text("utf-8"))}
    assert locks == {
        "feed.rs",
        "handle.rs",
        "inbox.rs",
        "journal.rs",
        "judge.rs",
        "outbox.rs",
        "samples.rs",
        "shared.rs",
    }
