# SPDX-License-Identifier: GPL-3.0-or-later
"""The open .blend file.

What loads is a generator: after a load the context is hollow, without a window, until Blender's loop has gone
round.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import bpy

from ..errors import CommandError, invalid
from ..paths import allowed_path
from ..turn import Turn

PATH_BYTES = 1023
"""Blender's FILE_MAX, less the terminator."""

Work = Generator[None, None, dict[str, Any]]


def new_file(turn: Turn, *, empty: bool, discard_changes: bool) -> Work:
    """Start a new file, from the user's startup file unless `empty`. Raises `unsaved_changes`."""
    require_saved(discard_changes)
    run_operator(bpy.ops.wm.read_homefile, use_empty=empty, load_ui=False)
    yield
    return {"file": bpy.data.filepath}


def open_file(turn: Turn, *, path: str, discard_changes: bool) -> Work:
    """Open a .blend file from an allowed folder, with its scripts only where the preferences say so.

    Raises `unsaved_changes`, `path_not_allowed`, `not_found`, and `command_failed` with Blender's text.
    """
    resolved = _blend_path(path, turn)
    if not os.path.isfile(resolved):
        raise CommandError("not_found", f"there is no file {resolved!r}", path=path)
    require_saved(discard_changes)
    # Said explicitly, since Blender's own default is the user's preference.
    run_operator(
        bpy.ops.wm.open_mainfile, filepath=resolved, load_ui=False, use_scripts=turn.preferences.run_file_scripts
    )
    yield
    return {"file": bpy.data.filepath}


def save_file(turn: Turn, *, path: str | None, copy: bool, overwrite: bool) -> dict[str, Any]:
    """Save the open file, under another path if one is given, or a copy of it.

    Raises `invalid_params` where there is no path to save to or it would replace another file without
    `overwrite`, `path_not_allowed`, and `command_failed` with Blender's text.
    """
    target = _save_path(path, copy, turn)
    if _is_other_file(target) and not overwrite:
        raise invalid("path", f"{target!r} exists; say overwrite to replace it")
    if target == bpy.data.filepath:
        run_operator(bpy.ops.wm.save_mainfile, filepath=target, check_existing=False)
    else:
        run_operator(bpy.ops.wm.save_as_mainfile, filepath=target, check_existing=False, copy=copy)
    return {"path": target, "bytes": os.path.getsize(target)}


def require_saved(discard_changes: bool) -> None:
    """Raise `unsaved_changes` where there are some that the request does not give up."""
    if discard_changes or not bpy.data.is_dirty:
        return
    # Measured: without a window, Blender up to 5.0 says so of every file, and 5.2 of every changed one, even once
    # it is saved.
    doubt = " (without a window, Blender cannot tell, and assumes it)" if bpy.app.background else ""
    raise CommandError(
        "unsaved_changes", f"the open file has unsaved changes{doubt}; file.save keeps them, discard_changes loses them"
    )


def _blend_path(path: str, turn: Turn) -> str:
    resolved = allowed_path(path, turn.preferences)
    if not resolved.lower().endswith(".blend"):
        raise invalid("path", f"{path!r} does not end in .blend")
    if len(resolved.encode()) > PATH_BYTES:
        raise invalid("path", f"it resolves to {len(resolved.encode())} bytes, Blender's limit is {PATH_BYTES}")
    return resolved


def _save_path(path: str | None, copy: bool, turn: Turn) -> str:
    if path is None:
        if copy:
            raise invalid("path", "a copy needs a path of its own")
        if not bpy.data.filepath:
            raise invalid("path", "the file was never saved, so give a path ending in .blend")
        return bpy.data.filepath
    target = _blend_path(path, turn)
    if os.path.isdir(target):
        # Blender 4.2 would rename it to .blend1.
        raise invalid("path", f"{target!r} is a folder")
    if not os.path.isdir(os.path.dirname(target)):
        raise CommandError("not_found", f"there is no folder {os.path.dirname(target)!r}", path=path)
    if copy and os.path.exists(target) and not _is_other_file(target):
        raise invalid("path", "a copy cannot replace the open file")
    return target


def _is_other_file(path: str) -> bool:
    if not os.path.exists(path):
        return False
    current = bpy.data.filepath
    return not (current and os.path.exists(current) and os.path.samefile(path, current))


def run_operator(operator: Any, **properties: Any) -> None:
    """Call an operator that must finish. Raises `command_failed` with Blender's text."""
    try:
        status = operator(**properties)
    except RuntimeError as error:
        raise CommandError("command_failed", str(error).strip(), started=True) from None
    if "FINISHED" not in status:
        raise CommandError("command_failed", f"Blender answered {sorted(status)}", started=True)
