# SPDX-License-Identifier: GPL-3.0-or-later
"""Undo and redo, as the user does them, and groups of changes that are one undo step."""

from __future__ import annotations

from typing import Any

import bpy

from ..errors import CommandError
from ..turn import Turn
from ..undo import keeper


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
