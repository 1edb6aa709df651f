# SPDX-License-Identifier: GPL-3.0-or-later
"""Checkpoints: copies before scripts, and the return to one."""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import bpy
import pytest
from conftest import Call

from addon import checkpoint
from addon.errors import CommandError
from addon.turn import TurnPreferences


@pytest.fixture(autouse=True)
def no_checkpoints() -> Iterator[None]:
    """Neither before nor after."""
    shutil.rmtree(checkpoint.folder())
    yield
    shutil.rmtree(checkpoint.folder(), ignore_errors=True)


@pytest.fixture
def path(call: Call, tmp_path: Path) -> str:
    """The user's file, saved once, with a picture beside it and unsaved changes."""
    path = tmp_path.resolve() / "a folder, ä" / "mine.blend"
    path.parent.mkdir()
    image = bpy.data.images.new("Picture", 1, 1)
    image.source, image.filepath, image.use_fake_user = "FILE", "//pictures/a.png", True
    call("file.save", path=str(path))
    bpy.data.texts.new("unsaved")
    return str(path)


def test_a_copy_is_no_save_of_the_users(path: str) -> None:
    saved, dirty = os.stat(path), bpy.data.is_dirty
    copy = checkpoint.save("client: label", 10)
    assert (bpy.data.filepath, bpy.data.is_dirty) == (path, dirty)
    assert [image.filepath for image in bpy.data.images if image.name == "Picture"] == ["//pictures/a.png"]
    assert os.stat(path).st_mtime_ns == saved.st_mtime_ns
    assert (copy.file, copy.before, copy.bytes) == (path, "client: label", os.path.getsize(copy.path))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", copy.saved)
    assert os.name == "nt" or stat.S_IMODE(os.stat(os.path.dirname(copy.path)).st_mode) == 0o700


def test_the_oldest_make_room(call: Call) -> None:
    names = [checkpoint.save(str(number), 3).name for number in range(5)]
    assert names == sorted(set(names))
    found = call("edit.checkpoints")["checkpoints"]
    assert [(row["name"], row["before"], row["file"]) for row in found] == [
        (names[number], str(number), "") for number in (4, 3, 2)
    ]
    assert len(os.listdir(checkpoint.folder())) == 6


def test_restore_gives_the_file_its_path_again(call: Call, path: str) -> None:
    """A later save goes where the user expects it, and not before it is asked for."""
    copy, saved = checkpoint.save("client", 10), Path(path).read_bytes()
    bpy.data.texts.remove(bpy.data.texts["unsaved"])
    bpy.data.objects.new("after", None)
    restored = call("edit.restore", checkpoint=None, discard_changes=True)
    assert (restored["name"], restored["file"]) == (copy.name, path)
    assert bpy.data.texts.keys() == ["unsaved"] and "after" not in bpy.data.objects
    assert bpy.data.images["Picture"].filepath == "//pictures/a.png"
    assert (bpy.data.filepath, bpy.data.is_dirty) == (path, True)
    assert Path(path).read_bytes() == saved
    call("file.save")
    assert Path(path).read_bytes() != saved and os.path.getsize(copy.path) == copy.bytes


def test_restore_where_the_users_file_is_gone(call: Call, path: str) -> None:
    checkpoint.save("client", 10)
    os.remove(path)
    call("edit.restore", checkpoint=None, discard_changes=True)
    assert bpy.data.filepath == path and bpy.data.texts.keys() == ["unsaved"]


def test_restore_of_a_file_that_was_never_saved(call: Call, tmp_path: Path) -> None:
    bpy.data.texts.new("unsaved")
    first, second = checkpoint.save("1", 10), checkpoint.save("2", 10)
    call("file.save", path=str(tmp_path.resolve() / "later.blend"))
    restored = call("edit.restore", checkpoint=first.name, discard_changes=True)
    assert (restored["name"], bpy.data.filepath) == (first.name, "") and first.name != second.name
    assert bpy.data.texts.keys() == ["unsaved"]


def test_refused(call: Call, refuses: Call, path: str) -> None:
    refuses("not_found", "no checkpoint", "edit.restore", checkpoint=None, discard_changes=True)
    copy = checkpoint.save("client", 10)
    refuses("not_found", "no checkpoint x", "edit.restore", checkpoint="x", discard_changes=True)
    refuses("not_found", "no checkpoint ..", "edit.restore", checkpoint=f"../{copy.name}", discard_changes=True)
    bpy.ops.ed.undo_push(message="as the dispatcher does")
    refuses("unsaved_changes", "discard_changes", "edit.restore", checkpoint=None, discard_changes=False)
    assert bpy.data.filepath == path


@pytest.mark.parametrize("is_saved", [True, False])
def test_scripts_of_the_copy_run_only_when_allowed(call: Call, tmp_path: Path, is_saved: bool) -> None:
    text = bpy.data.texts.new("boot.py")
    text.write("import bpy\nbpy.context.scene['ran'] = True\n")
    text.use_module = True
    if is_saved:
        call("file.save", path=str(tmp_path.resolve() / "boot.blend"))
    checkpoint.save("client", 10)
    for allowed in (False, True) if is_saved else (False,):
        preferences = TurnPreferences(run_file_scripts=allowed)
        call("edit.restore", checkpoint=None, discard_changes=True, preferences=preferences)
        assert ("ran" in bpy.context.scene) == allowed


def test_a_copy_that_cannot_be_saved(monkeypatch: pytest.MonkeyPatch, path: str, tmp_path: Path) -> None:
    """Nothing of it is left, and whoever asked for it does not go on without it."""
    (tmp_path / "full").mkdir()
    monkeypatch.setattr(checkpoint, "folder", lambda: str(tmp_path / "full"))
    monkeypatch.setattr(checkpoint.Checkpoint, "path", property(lambda self: "/proc/none.blend"))
    with pytest.raises(CommandError, match="no checkpoint could be saved") as caught:
        checkpoint.save("client", 10)
    assert (caught.value.kind, caught.value.started) == ("command_failed", False)
    assert not os.listdir(tmp_path / "full")
