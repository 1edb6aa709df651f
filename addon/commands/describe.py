# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be told about an object, field by field."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import bmesh
import bpy
from mathutils import Euler, Quaternion, Vector

EVALUATED = frozenset({"matrix", "bounds", "dimensions"})
"""Fields that are only right after the view layer has been evaluated."""

_WITHOUT_SHAPE = frozenset({"EMPTY", "LIGHT", "LIGHT_PROBE", "CAMERA", "SPEAKER"})


def describe(objects: Iterable[bpy.types.Object], fields: Iterable[str]) -> list[dict[str, Any]]:
    """The fields of each object. A number that is not finite is None."""
    names = list(dict.fromkeys(fields))
    if not EVALUATED.isdisjoint(names):
        bpy.context.view_layer.update()
    tellers = {name: FIELDS[name] for name in names}
    found = list(objects)
    if "collections" in tellers and len(found) > 1:
        tellers["collections"] = _collections_at_once()
    return [{name: tell(item) for name, tell in tellers.items()} for item in found]


def rotation_of(item: bpy.types.Object) -> Euler:
    """The rotation as Euler angles XYZ, whatever the object's rotation mode."""
    if item.rotation_mode == "QUATERNION":
        return item.rotation_quaternion.to_euler("XYZ")
    if item.rotation_mode == "AXIS_ANGLE":
        angle, *axis = item.rotation_axis_angle
        return Quaternion(axis, angle).to_euler("XYZ")
    if item.rotation_mode == "XYZ":
        return item.rotation_euler
    return item.rotation_euler.to_matrix().to_euler("XYZ")


def finite(values: Iterable[float]) -> list[float | None]:
    """Numbers, or None for what is none."""
    return [value if math.isfinite(value) else None for value in values]


def bounds_of(item: bpy.types.Object) -> list[list[float | None]]:
    """The least and the most of its box in world space, whatever its type; the view layer must be up to date."""
    corners = [item.matrix_world @ Vector(corner) for corner in item.bound_box]
    return [finite(map(least, zip(*corners, strict=True))) for least in (min, max)]


def _bounds(item: bpy.types.Object) -> list[list[float | None]] | None:
    return None if item.type in _WITHOUT_SHAPE else bounds_of(item)


def _counts(item: bpy.types.Object) -> dict[str, int] | None:
    if item.type != "MESH":
        return None
    mesh = item.data
    if mesh.is_editmode:
        # While it is edited, the mesh itself is as it was before.
        edited = bmesh.from_edit_mesh(mesh)
        return {"vertices": len(edited.verts), "edges": len(edited.edges), "faces": len(edited.faces)}
    return {"vertices": len(mesh.vertices), "edges": len(mesh.edges), "faces": len(mesh.polygons)}


def _collections_at_once() -> Callable[[bpy.types.Object], list[str]]:
    """`users_collection` searches the whole file for one object; this searches it once for all."""
    found: dict[bpy.types.Object, list[str]] = {}
    for collection in (*bpy.data.collections, *(scene.collection for scene in bpy.data.scenes)):
        for item in collection.objects:
            found.setdefault(item, []).append(collection.name)
    return lambda item: found.get(item, [])


FIELDS: dict[str, Callable[[bpy.types.Object], Any]] = {
    "name": lambda item: item.name,
    "type": lambda item: item.type,
    "location": lambda item: finite(item.location),
    "rotation": lambda item: finite(rotation_of(item)),
    "scale": lambda item: finite(item.scale),
    "dimensions": lambda item: finite(item.dimensions),
    "matrix": lambda item: [finite(row) for row in item.matrix_world],
    "bounds": _bounds,
    "parent": lambda item: item.parent.name if item.parent else None,
    "collections": lambda item: [collection.name for collection in item.users_collection],
    "materials": lambda item: [slot.material.name if slot.material else None for slot in item.material_slots],
    "modifiers": lambda item: [{"name": modifier.name, "type": modifier.type} for modifier in item.modifiers],
    "data": lambda item: item.data.name if item.data else None,
    "color": lambda item: finite(item.color),
    "visible": lambda item: item.visible_get(),
    "selected": lambda item: item.select_get(),
    "counts": _counts,
}
"""Every field of the protocol's `Field`, in its order."""
