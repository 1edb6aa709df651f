# SPDX-License-Identifier: GPL-3.0-or-later
"""Undo and redo, as the user does them, groups of changes that are one undo step, and the return to a checkpoint."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import asdict
from typing import Any

import bpy

from .. import checkpoint as copies
from ..context import window_context
from ..errors import CommandError
from ..turn import Turn
from ..undo import keeper
from .file import require_saved, run_operator


def undo(turn: Turn, *, steps: int) -> dict[str, Any]:
    """Undo up to `steps` steps; the number of steps taken is less where the history ends."""
    return {"steps": _repeat(bpy.ops.ed.undo, steps)}


def redo(turn: Turn, *, steps: int) -> dict[str, Any]:
    """Redo up to `steps` steps; the number of steps taken is less where the history ends."""
    return {"steps": _repeat(bpy.ops.ed.redo, steps)}


def group_begin(turn: Turn, *, label: str, timeout_ms: int) -> dict[str, Any]:
    """Hold this session's changes in one undo step, until `group_end` or for `timeout_ms`.

    Raises `command_failed` while another group is open.
    """
    group = keeper.begin_group(turn.session, turn.client, label, timeout_ms / 1000.0)
    return {"label": group.label, "changes": group.changes}


def group_end(turn: Turn) -> dict[str, Any]:
    """End this session's group and push its undo step. Raises `command_failed` when none is open."""
    group = keeper.end_group(turn.session)
    if group is None:
        raise CommandError("command_failed", "this session has no open edit group; its time may be over")
    return {"label": group.label, "changes": group.changes}


def checkpoints(turn: Turn) -> dict[str, Any]:
    """The copies of the file that were saved before scripts, newest first."""
    return {"checkpoints": [asdict(copy) for copy in copies.listed()]}


def restore(turn: Turn, *, checkpoint: str | None, discard_changes: bool) -> Generator[None, None, dict[str, Any]]:
    """Return to the file as it was at a checkpoint, the newest one if none is named. On the disk the user's file stays
    as it is: the open file has its path again, and unsaved changes.

    Raises `not_found`, `unsaved_changes`, and `command_failed` with Blender's text.
    """
    copy = copies.find(checkpoint)
    require_saved(discard_changes)
    if copy.file:
        # What Blender saves to recover from a crash is opened so; its path is the one that the copy knows.
        scripts = turn.preferences.run_file_scripts
        run_operator(bpy.ops.wm.recover_auto_save, filepath=copy.path, use_scripts=scripts)
    else:
        # As a startup file is, without a path of its own.
        run_operator(bpy.ops.wm.read_homefile, filepath=copy.path, load_ui=False)
    yield
    if bpy.data.filepath != copy.file:
        text = f"the checkpoint is open, but Blender calls it {bpy.data.filepath!r}; save it under a path of your own"
        raise CommandError("command_failed", text, started=True)
    with window_context():
        # The first step after a load says that the file has changes to save.
        bpy.ops.ed.undo_push(message="Spindle: Restore Checkpoint")
    return asdict(copy)


def _repeat(operator: Any, steps: int) -> int:
    for taken in range(steps):
        # The poll is false at the end of the history.
        if not operator.poll():
            return taken
        try:
            operator()
        except RuntimeError as error:
            raise CommandError("command_failed", str(error).strip(), started=True, steps=taken) from None
    return steps
