# SPDX-License-Identifier: GPL-3.0-or-later
"""PATHS: a client's path is resolved and lies under an allowed root."""

from __future__ import annotations

import os
from pathlib import Path

import bpy
import pytest

from addon.errors import CommandError
from addon.paths import _fault_on_windows, allowed_path, resolve_under
from addon.turn import TurnPreferences

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the rows are paths of this kind of system")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two folders; the first is allowed and has links in it."""
    root = tmp_path.resolve()
    for folder in ("in/sub", "out"):
        (root / folder).mkdir(parents=True)
    (root / "out/secret").write_text("")
    (root / "in/sub/a.blend").write_text("")
    links = {
        "to-out": "out",
        "to-secret": "out/secret",
        "to-nowhere": "out/none",
        "to-sub": "in/sub",
        "loop": "in/loop",
    }
    for name, target in links.items():
        (root / "in" / name).symlink_to(root / target)
    (root / "other-in").symlink_to(root / "in")
    return root


ALLOWED = [
    ("in", "in"),
    ("in/", "in"),
    ("in/sub/a.blend", "in/sub/a.blend"),
    ("in/new.blend", "in/new.blend"),
    ("in/new/deep/er.blend", "in/new/deep/er.blend"),
    ("in/./sub//a.blend", "in/sub/a.blend"),
    ("in/to-sub/a.blend", "in/sub/a.blend"),
    ("in/to-sub/new.blend", "in/sub/new.blend"),
    ("in/..a/b..", "in/..a/b.."),
    ("other-in/new.blend", "in/new.blend"),
]


@pytest.mark.parametrize(("path", "resolved"), ALLOWED)
def test_paths_allowed(tree: Path, path: str, resolved: str) -> None:
    assert resolve_under(f"{tree}/{path}", [f"{tree}/in"]) == f"{tree}/{resolved}"
    # A root that is itself a link is what it points to.
    assert resolve_under(f"{tree}/{path}", ["", f"{tree}/other-in"]) == f"{tree}/{resolved}"


REFUSED = [
    ("{tree}", "outside"),
    ("{tree}/out/secret", "outside"),
    ("{tree}/inside", "outside"),
    ("{tree}/in/to-secret", "outside"),
    ("{tree}/in/to-out/new", "outside"),
    ("{tree}/in/to-out/new/deep", "outside"),
    ("{tree}/in/to-nowhere", "outside"),
    ("{tree}/in/../out/secret", "'..'"),
    ("{tree}/in/sub/..", "'..'"),
    ("{tree}/in/sub\\..\\..", "'..'"),
    ("../in/a", "'..'"),
    ("//../out/secret", "'..'"),
    ("in/sub/a.blend", "not absolute"),
    ("~/a.blend", "not absolute"),
    ("", "not absolute"),
    ("C:\\a.blend", "Windows"),
    ("C:/a.blend", "Windows"),
    ("c:a.blend", "Windows"),
    ("\\\\server\\share\\a.blend", "Windows"),
    ("\\\\?\\C:\\a.blend", "Windows"),
    ("///etc/passwd", "not relative"),
    ("//C:/a.blend", "not relative"),
    ("//\\server", "not relative"),
    ("{tree}/in/a\0b", "NUL"),
    ("{tree}/in/" + "a" * 10_000, None),
]


@pytest.mark.parametrize(("path", "reason"), REFUSED)
def test_paths_refused(tree: Path, path: str, reason: str | None) -> None:
    path = path.format(tree=tree)
    if reason is None:
        # As long as it stays under the root, its length is for whoever opens it to refuse.
        assert resolve_under(path, [f"{tree}/in"]) == path
        return
    with pytest.raises(CommandError) as caught:
        resolve_under(path, [f"{tree}/in", "relative", ""], f"{tree}/in/sub")
    assert caught.value.kind == "path_not_allowed"
    assert reason in caught.value.message and f"{tree}/in" in caught.value.message
    assert caught.value.details == {"path": path, "allowed": [f"{tree}/in"]}


def test_paths_relative_to_the_open_file(tree: Path) -> None:
    assert resolve_under("//a.blend", [f"{tree}/in"], f"{tree}/in/sub") == f"{tree}/in/sub/a.blend"
    with pytest.raises(CommandError, match="never saved"):
        resolve_under("//a.blend", [f"{tree}/in"], "")
    with pytest.raises(CommandError, match="Allowed: none"):
        resolve_under(f"{tree}/in", [])


WINDOWS = [
    ("C:\\a\\b.blend", None),
    ("C:/a/b.blend", None),
    ("\\\\server\\share\\b.blend", None),
    ("C:b.blend", "not absolute"),
    ("\\a\\b.blend", "not absolute"),
    ("a\\b.blend", "not absolute"),
    ("\\\\?\\C:\\b.blend", "device"),
    ("\\\\.\\PhysicalDrive0", "device"),
    ("C:\\a\\b.blend:hidden", "alternate data stream"),
]


@pytest.mark.parametrize(("path", "reason"), WINDOWS)
def test_paths_windows_forms(path: str, reason: str | None) -> None:
    fault = _fault_on_windows(path)
    assert (fault is None) if reason is None else (fault is not None and reason in fault)


def test_paths_roots_of_blender(tree: Path) -> None:
    preferences = TurnPreferences(allowed_folders=(f"{tree}/in",), output_folder=f"{tree}/out")
    for path in (f"{tree}/in/a", f"{tree}/out/a", f"{bpy.app.tempdir}a"):
        assert allowed_path(path, preferences) == os.path.realpath(path)
    with pytest.raises(CommandError, match="outside"):
        allowed_path("/etc/passwd", preferences)
    bpy.ops.wm.save_as_mainfile(filepath=str(tree / "open.blend"))
    assert allowed_path("//a.png", TurnPreferences()) == f"{tree}/a.png"
