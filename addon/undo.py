# SPDX-License-Identifier: GPL-3.0-or-later
"""Undo steps: one named step for what a session changes within a tick, or within a group. Uses bpy.

A change that no step holds is lost at the user's next undo; a step that holds no change destroys the user's
redo. So commands say whether they change something, and a change that Blender itself reports overrides that.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import bpy
from bpy.app.handlers import persistent

from . import rounds
from .context import window_context
from .errors import CommandError
from .native import Request
from .turn import RUN_SCRIPTS, Turn

NAME_BYTES = 63
"""Blender cuts longer names of undo steps (BKE_UNDO_STR_MAX, less the terminator)."""

_reported = False


@persistent
def _on_depsgraph_update(*_: Any) -> None:
    global _reported
    _reported = True


@dataclass
class Step:
    """Changes of one session that no undo step holds yet."""

    session: int
    name: str
    count: int = 0


@dataclass
class Group:
    """An open edit group."""

    session: int
    label: str
    name: str
    ends: float
    changes: int = 0


class UndoKeeper:
    """Knows what has changed, and pushes the steps."""

    def __init__(self) -> None:
        self._step: Step | None = None
        self._group: Group | None = None

    def install(self) -> None:
        """Have Blender report changes. Call `uninstall` before unloading."""
        handlers = bpy.app.handlers.depsgraph_update_post
        if _on_depsgraph_update not in handlers:
            handlers.append(_on_depsgraph_update)
        rounds.install()

    def uninstall(self) -> None:
        """The opposite of `install`."""
        handlers = bpy.app.handlers.depsgraph_update_post
        if _on_depsgraph_update in handlers:
            handlers.remove(_on_depsgraph_update)
        rounds.uninstall()

    def begin_history(self) -> None:
        """Without a window nobody pushes the step that the first undo goes back to."""
        with window_context():
            if bpy.app.background and not bpy.ops.ed.undo.poll():
                bpy.ops.ed.undo_push(message="Original")

    def begin_round(self) -> bool:
        """Blender has come round; returns whether requests may be served."""
        if not rounds.begin():
            return False
        # What a request changed after it had saved.
        self.flush()
        return True

    def may_go_on(self) -> bool:
        """Whether another request may be served in this round."""
        return rounds.is_settled()

    def end_round(self, is_connected: Callable[[int], bool]) -> None:
        """Push the step of this round's changes. End a group whose time is over, or whose client is gone."""
        if rounds.is_settled():
            self.flush()
            group = self._group
            if group is not None and (time.monotonic() >= group.ends or not is_connected(group.session)):
                self.end_group()
        rounds.end()

    def before(self, request: Request) -> None:
        """A request is about to run."""
        global _reported
        foreign_step = self._step is not None and self._step.session != request.session
        foreign_group = self._group is not None and self._group.session != request.session
        if request.effect == "write" and (foreign_step or foreign_group):
            self.end_group()
            self.flush()
        if request.method.startswith(("file.", "edit.undo", "edit.redo", "edit.restore")):
            self.end_group()
            self.flush()
        if request.method in RUN_SCRIPTS:
            # What others have changed is reported now, and not taken for this script's doing.
            _evaluate()
            _reported = False

    def after(self, request: Request, turn: Turn) -> str | None:
        """A request has run; returns the name that its undo step will begin with, if it needs one."""
        if not _needs_step(request, turn):
            return None
        if self._group is not None and self._group.session == request.session:
            self._group.changes += 1
            return self._group.name
        if self._step is None:
            label = request.label or _title(request.method)
            self._step = Step(request.session, f"Spindle: {request.client}: {label}")
        self._step.count += 1
        return self._step.name

    @property
    def holds_changes(self) -> bool:
        """Whether something has changed that no undo step holds yet."""
        return self._step is not None or (self._group is not None and self._group.changes > 0)

    def flush(self) -> None:
        """Push the step of the changes so far, unless a group holds them."""
        step, self._step = self._step, None
        if step is not None:
            _push(step.name, step.count)

    def forget(self) -> None:
        """Another file is open: there is nothing to push, and no group."""
        self._step = self._group = None

    def begin_group(self, session: int, client: str, label: str, timeout: float) -> Group:
        """Hold this session's changes in one step from now on."""
        if self._group is not None:
            raise CommandError("command_failed", f"the edit group {self._group.label!r} is open; end it first")
        self.flush()
        name = f"Spindle: {client}: {label}"
        self._group = Group(session, label, name, time.monotonic() + timeout)
        return self._group

    def end_group(self, session: int | None = None) -> Group | None:
        """End the open group, of this session if one is given, and push its step."""
        group = self._group
        if group is None or session not in (None, group.session):
            return None
        self._group = None
        if group.changes:
            _push(group.name, group.changes)
        return group


def _needs_step(request: Request, turn: Turn) -> bool:
    if request.method in RUN_SCRIPTS:
        # A script that did not start has changed nothing, and `changes` is still unknown.
        return turn.changes is not None and (turn.changes or _blender_reports_change())
    return request.effect == "write" and not request.method.startswith(("file.", "edit."))


def _blender_reports_change() -> bool:
    _evaluate()
    return _reported


def _evaluate() -> None:
    """Have Blender report what has changed so far; in an unchanged file this takes a microsecond or two."""
    view_layer = getattr(bpy.context, "view_layer", None)
    if view_layer is not None:
        view_layer.update()


def _title(method: str) -> str:
    noun, verb = method.split(".", 1)
    return f"{noun} {verb.replace('_', ' ')}".title()


def _push(name: str, count: int) -> None:
    suffix = f" ({count})" if count > 1 else ""
    encoded = name.encode()[: NAME_BYTES - len(suffix)]
    with window_context():
        bpy.ops.ed.undo_push(message=encoded.decode(errors="ignore") + suffix)


keeper = UndoKeeper()
"""The one keeper: Blender has one undo history."""
