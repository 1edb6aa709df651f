# SPDX-License-Identifier: GPL-3.0-or-later
"""file.* and edit.undo/redo in a real Blender. PATHS for every path that a client gives."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import bpy
import pytest
from conftest import Call

from addon.commands import TABLE
from addon.turn import Turn, TurnPreferences


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of the test's own. The preferences need not allow it: it is in the temporary folder."""
    return tmp_path.resolve()


def test_save_open_new(call: Call, folder: Path) -> None:
    call("object.create", kind="cube")
    path = str(folder / "a.blend")
    assert call("file.save", path=path) == {"path": path, "bytes": os.path.getsize(path)}
    assert bpy.data.filepath == path
    call("object.create", kind="cube")
    # To its own path, given or not, it needs no leave to overwrite.
    assert call("file.save")["path"] == call("file.save", path=path)["path"] == path
    copy = str(folder / "copy.blend")
    assert call("file.save", path=copy, copy=True)["path"] == copy
    assert bpy.data.filepath == path and os.path.getsize(copy) > 0
    assert call("file.new", discard_changes=True) == {"file": ""}
    assert not bpy.data.objects and bpy.data.filepath == ""
    assert call("file.open", path=copy, discard_changes=True) == {"file": copy}
    assert len(bpy.data.objects) == 2
    assert call("file.open", path="//a.blend", discard_changes=True) == {"file": path}
    call("file.new", empty=False, discard_changes=True)
    assert bpy.data.objects


def test_loads_end_their_turn_before_they_answer(folder: Path) -> None:
    """After a load the context is hollow until Blender's loop has gone round."""
    turn = Turn("test", 1, "file.new")
    work = TABLE["file.new"](turn, empty=True, discard_changes=True)
    assert next(work) is None
    with pytest.raises(StopIteration) as end:
        next(work)
    assert end.value.value == {"file": ""}


def test_save_refused(call: Call, refuses: Call, folder: Path) -> None:
    other = folder / "other.blend"
    other.write_bytes(b"other")
    (folder / "link.blend").symlink_to(other)
    (folder / "folder.blend").mkdir()
    rows: list[tuple[str, str, dict[str, Any]]] = [
        ("invalid_params", "never saved", {}),
        ("invalid_params", "a copy needs", {"copy": True}),
        ("invalid_params", "end in .blend", {"path": str(folder / "a.png")}),
        ("invalid_params", "end in .blend", {"path": str(folder)}),
        ("invalid_params", "overwrite", {"path": str(other)}),
        ("invalid_params", "is a folder", {"path": str(folder / "folder.blend"), "overwrite": True}),
        ("invalid_params", "other.blend' exists", {"path": str(folder / "link.blend")}),
        ("not_found", "no folder", {"path": str(folder / "none" / "a.blend")}),
        ("path_not_allowed", "outside", {"path": "/etc/a.blend"}),
        ("path_not_allowed", "'..'", {"path": f"{folder}/x/../a.blend"}),
        ("path_not_allowed", "Windows", {"path": "C:\\a.blend"}),
        ("path_not_allowed", "not absolute", {"path": "a.blend"}),
        ("path_not_allowed", "never saved", {"path": "//a.blend"}),
    ]
    for kind, text, params in rows:
        assert refuses(kind, text, "file.save", **params).started is False
    assert other.read_bytes() == b"other" and bpy.data.filepath == ""
    assert call("file.save", path=str(other), overwrite=True)["path"] == str(other)
    refuses("invalid_params", "replace the open file", "file.save", path=str(other), copy=True)


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="needs a folder that even root cannot write to")
def test_save_that_fails(refuses: Call) -> None:
    preferences = TurnPreferences(allowed_folders=("/proc",))
    error = refuses("command_failed", "/proc/a.blend", "file.save", path="/proc/a.blend", preferences=preferences)
    assert error.started is True and bpy.data.filepath == ""


def test_open_refused(call: Call, refuses: Call, folder: Path) -> None:
    (folder / "text.blend").write_text("no Blender file")
    call("file.save", path=str(folder / "a.blend"))
    rows: list[tuple[str, str, dict[str, Any]]] = [
        ("not_found", "no file", {"path": str(folder / "none.blend")}),
        ("invalid_params", "end in .blend", {"path": str(folder / "a.txt")}),
        ("path_not_allowed", "outside", {"path": "/etc/a.blend"}),
        ("command_failed", "text.blend", {"path": str(folder / "text.blend"), "discard_changes": True}),
    ]
    for kind, text, params in rows:
        refuses(kind, text, "file.open", **params)
    assert bpy.data.filepath == str(folder / "a.blend")


def test_unsaved_changes_are_kept(call: Call, refuses: Call, folder: Path) -> None:
    call("file.save", path=str(folder / "a.blend"))
    call("object.create", kind="cube")
    bpy.ops.ed.undo_push(message="as the dispatcher does")
    assert bpy.data.is_dirty
    refuses("unsaved_changes", "discard_changes", "file.new")
    refuses("unsaved_changes", "discard_changes", "file.open", path=str(folder / "a.blend"))
    assert len(bpy.data.objects) == 1


def test_scripts_of_a_file_run_only_when_allowed(call: Call, folder: Path) -> None:
    text = bpy.data.texts.new("boot.py")
    text.write("import bpy\nbpy.context.scene['ran'] = True\n")
    text.use_module = True
    path = str(folder / "boot.blend")
    call("file.save", path=path)
    for allowed in (False, True, False):
        preferences = TurnPreferences(run_file_scripts=allowed)
        call("file.open", path=path, discard_changes=True, preferences=preferences)
        assert ("ran" in bpy.context.scene) == allowed


def test_undo_redo(call: Call) -> None:
    if bpy.app.background:
        # With a window, Blender does so after each load; without, the first change could not be undone.
        bpy.ops.ed.undo_push(message="Original")
    for name in ("A", "B", "C"):
        call("object.create", kind="empty", name=name)
        bpy.ops.ed.undo_push(message=name)
    assert call("edit.undo") == {"steps": 1}
    assert bpy.data.objects.keys() == ["A", "B"]
    assert call("edit.undo", steps=200) == {"steps": 2}
    assert not bpy.data.objects
    assert call("edit.undo") == {"steps": 0}
    assert call("edit.redo", steps=2) == {"steps": 2}
    assert call("edit.redo", steps=2) == {"steps": 1}
    assert bpy.data.objects.keys() == ["A", "B", "C"]


def test_undo_without_history(call: Call) -> None:
    assert call("edit.undo") == call("edit.redo") == {"steps": 0}
