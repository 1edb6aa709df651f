# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's operators, called as from Python's `bpy.ops`, in an area if one is named."""

from __future__ import annotations

import difflib
import fnmatch
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import bpy

from ..errors import CommandError, invalid
from ..turn import Turn
from . import rna_value

_REFUSED = (
    ("wm.quit_blender", "it would end Blender within a request; the user quits"),
    ("wm.window_close", "it could end Blender within a request; the user closes windows"),
    ("wm.save_userpref", "preferences are the user's"),
    ("wm.save_homefile", "the startup file is the user's"),
    ("wm.save_*", "use file.save"),
    ("wm.open_mainfile", "use file.open"),
    ("wm.read_*", "use file.new or file.open"),
    ("wm.revert_mainfile", "use file.open"),
    ("wm.recover_*", "use file.open"),
    ("wm.context_*", "it evaluates text; use data.set"),
    ("wm.properties_*", "it evaluates text; use data.set"),
    ("render.render", "use render.image"),
    ("render.opengl", "use view.capture"),
    ("ed.undo*", "use edit.undo, edit.group_begin and edit.group_end"),
    ("ed.redo*", "use edit.redo"),
    ("text.run_script", "use script.run"),
    ("script.*", "use script.run"),
    ("console.execute", "use script.run"),
    ("preferences.*", "preferences and add-ons are the user's"),
    ("extensions.*", "extensions are the user's"),
)
"""What another method does safely, or what would end the server within a request: pattern and advice."""


def call(turn: Turn, *, operator: str, properties: dict[str, Any], area: str | None) -> dict[str, Any]:
    """Call an operator; its status is such as `["FINISHED"]`. Paths among its properties must be allowed ones.

    Raises `not_found` for an unknown operator, `invalid_params` for its properties, `unsupported` for the ones
    that are refused and for an area that is not open, `command_failed` with Blender's text when its poll or the
    operator itself fails.
    """
    for pattern, advice in _REFUSED:
        if fnmatch.fnmatchcase(operator, pattern):
            raise CommandError("unsupported", f"{operator} is not called through operator.call: {advice}")
    module, name = operator.split(".")
    function = getattr(getattr(bpy.ops, module), name)
    definition = _definition(function, operator)
    arguments = rna_value.members(definition, properties, "properties", rna_value.resolving(turn.preferences))
    with _area_context(area):
        # A false poll comes with its reason only in the error of the call, which runs nothing then.
        started = function.poll()
        try:
            status = function(**arguments)
        except (TypeError, ValueError, OverflowError) as error:
            raise invalid("properties", f"{operator} does not take them: {error}") from None
        except RuntimeError as error:
            raise CommandError("command_failed", str(error).strip(), started=started) from None
    return {"status": sorted(status)}


def _definition(function: Any, operator: str) -> bpy.types.Struct:
    try:
        return function.get_rna_type()
    except KeyError:
        module, name = operator.split(".")
        similar = difflib.get_close_matches(name, dir(getattr(bpy.ops, module)), 3)
        hint = f"; similar: {', '.join(f'{module}.{other}' for other in similar)}" if similar else ""
        raise CommandError("not_found", f"no operator {operator!r}{hint}", name=operator) from None


def _area_context(kind: str | None) -> AbstractContextManager[Any]:
    """The context of the first area of this type; the current one for None."""
    if kind is None:
        return nullcontext()
    known = bpy.types.Area.bl_rna.properties["type"].enum_items.keys()
    if kind not in known:
        raise invalid("area", f"no area type {kind!r}; known: {', '.join(known)}")
    if bpy.app.background:
        # The areas of the startup file are there, but were never drawn: transform.translate in one crashes 4.2.
        raise CommandError("unsupported", f"no area of type {kind} is open: Blender runs without a window")
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            region = next((region for region in area.regions if region.type == "WINDOW"), None)
            if area.type == kind and region is not None:
                return bpy.context.temp_override(window=window, area=area, region=region)
    raise CommandError("unsupported", f"no area of type {kind} is open in a window of Blender")
