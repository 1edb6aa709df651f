# SPDX-License-Identifier: GPL-3.0-or-later
"""The popular add-on's export of the scene. What it exports is chosen by the selection, which is put back after it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import bpy

from ..context import window_context
from ..errors import CommandError
from ..moments import refuse_unsafe_moment
from ..turn import Turn
from .compat_view import writable_path
from .file import run_operator

FORMATS = ("glb", "fbx")


def export(
    turn: Turn,
    *,
    filepath: str,
    format: str,
    object_names: list[str],
    selection_only: bool,
    apply_modifiers: bool,
) -> dict[str, Any]:
    """Export the named objects with all below them, the selection, or the scene, as glTF or FBX.

    Raises `busy`, and `command_failed` with Blender's text.
    """
    refuse_unsafe_moment()
    target = writable_path(turn, filepath, format, FORMATS)
    named = [name for name in object_names if name]
    if isinstance(wanted := _wanted(named, selection_only), str):
        return {"error": wanted}
    chosen = bool(named) or selection_only
    names = [item.name for item in wanted]
    with window_context(), _selected(wanted if chosen else None):
        _EXPORTERS[format.lower()](target, chosen, apply_modifiers)
    return {"path": filepath, "bytes": os.path.getsize(target), "selection_only": chosen, "exported": names}


def _wanted(names: list[str], selection_only: bool) -> list[bpy.types.Object] | str:
    """What is to be exported, or what is wrong with it."""
    view_layer = bpy.context.view_layer
    if names:
        if missing := [name for name in names if view_layer.objects.get(name) is None]:
            return f"no such objects in the view layer {view_layer.name!r}: {', '.join(missing[:20])}"
        roots = [view_layer.objects[name] for name in names]
        below = [child for root in roots for child in (root, *root.children_recursive)]
        return [item for item in dict.fromkeys(below) if view_layer.objects.get(item.name) == item]
    if selection_only:
        return list(view_layer.objects.selected) or "nothing is selected; select something, or say object_names"
    return list(bpy.context.scene.objects)


@contextmanager
def _selected(items: list[bpy.types.Object] | None) -> Iterator[None]:
    """Have only these selected for a while, in Object Mode; what is selected already for None. Exporters leave other
    modes, and it is the user's work that is entered again."""
    objects = bpy.context.view_layer.objects
    active, selected = objects.active, list(objects.selected)
    mode = active.mode if active is not None else "OBJECT"
    try:
        if mode != "OBJECT":
            run_operator(bpy.ops.object.mode_set, mode="OBJECT")
        if items is not None:
            _select(items)
            objects.active = items[0]
        yield
    finally:
        if items is not None:
            _select(selected)
        objects.active = active
        if mode != "OBJECT":
            run_operator(bpy.ops.object.mode_set, mode=mode)


def _select(items: list[bpy.types.Object]) -> None:
    for other in list(bpy.context.view_layer.objects.selected):
        other.select_set(False)
    for item in items:
        item.select_set(True)


def _export_gltf(target: str, chosen: bool, apply_modifiers: bool) -> None:
    _run(
        "gltf",
        filepath=target,
        export_format="GLB",
        use_selection=chosen,
        use_active_scene=True,
        export_apply=apply_modifiers,
        export_animations=True,
        export_skins=True,
        export_morph=True,
        export_yup=True,
    )


def _export_fbx(target: str, chosen: bool, apply_modifiers: bool) -> None:
    _run(
        "fbx",
        filepath=target,
        use_selection=chosen,
        apply_unit_scale=True,
        bake_space_transform=apply_modifiers,
        use_mesh_modifiers=apply_modifiers,
        path_mode="COPY",
        embed_textures=True,
    )


_EXPORTERS = {"glb": _export_gltf, "fbx": _export_fbx}


def _run(name: str, **properties: Any) -> None:
    """Call an exporter, which is an add-on that the user may have switched off."""
    operator = getattr(bpy.ops.export_scene, name)
    try:
        operator.get_rna_type()
    except KeyError:
        problem = f"Blender's exporter for {name} is switched off; its preferences can enable the add-on"
        raise CommandError("command_failed", problem) from None
    run_operator(operator, **properties)
