# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects of the open scene. Everything is checked before anything changes: all or nothing.

Objects are made and changed as data, not by operators, so it works in every mode, with or without a window.
"""

from __future__ import annotations

import bisect
import fnmatch
from typing import Any

import bpy
from mathutils import Euler, Matrix, Vector

from ..errors import CommandError, invalid
from ..turn import Turn
from . import creation, lookup, placing
from .describe import EVALUATED, FIELDS, describe

_KEEP: Any = object()
"""A parent that was not given; None means to have none."""

_AT_ONCE = tuple(field for field in FIELDS if field not in EVALUATED)
"""What is told about a changed object. The other fields would evaluate the scene after each change."""


def list_objects(
    turn: Turn, *, filter: dict[str, Any], fields: list[str] | None, limit: int, cursor: str | None
) -> dict[str, Any]:
    """A page of objects in order of their names; the cursor is the first name of the page. Objects of one name
    (from several libraries) stay on one page, even beyond the limit."""
    fitting = sorted(_filtered(filter), key=lambda item: item.name)
    start = bisect.bisect_left(fitting, cursor, key=lambda item: item.name) if cursor is not None else 0
    end = min(start + limit, len(fitting))
    while 0 < end < len(fitting) and fitting[end].name == fitting[end - 1].name:
        end += 1
    return {
        "objects": describe(fitting[start:end], ("name", "type", "location") if fields is None else fields),
        "total": len(fitting),
        "next_cursor": fitting[end].name if end < len(fitting) else None,
    }


def get(turn: Turn, *, name: str, fields: list[str] | None) -> dict[str, Any]:
    """The fields of one object, all of them when `fields` is None."""
    return _one(lookup.scene_object(name), tuple(FIELDS) if fields is None else fields)


def create(turn: Turn, *, kind: str, name: str | None, **options: Any) -> dict[str, Any]:
    """Make an object and link it to the scene; the selection stays as it is. A camera becomes the scene's
    camera if that has none, as with Blender's operator. The other parameters are those of the protocol."""
    creation.require_fitting(kind, options)
    name = name or creation.default_name(kind)
    lookup.require_name_fits(name, "name")
    collection = _target_collection(options["collection"])
    material = lookup.block("materials", options["material"]) if options["material"] else None
    parent, inverse = _new_parent(options["parent"])
    location = Vector(options["location"] or (0, 0, 0))
    rotation = Euler(options["rotation"] or (0, 0, 0))
    if options["look_at"] is not None:
        axes = placing.forward_axes(_object_type(kind))
        rotation = placing.aimed(Matrix.Identity(4), location, Vector(options["look_at"]), axes)

    item = bpy.data.objects.new(name, creation.new_data(kind, name, options))
    collection.objects.link(item)
    item.location = location
    placing.set_rotation(item, rotation)
    item.scale = options["scale"] or (1, 1, 1)
    if options["color"] is not None:
        _set_color(item, options["color"])
    if parent is not None:
        item.parent, item.matrix_parent_inverse = parent, inverse
    if material is not None:
        item.data.materials.append(material)
    if kind == "camera" and bpy.context.scene.camera is None:
        bpy.context.scene.camera = item
    return _one(item, _AT_ONCE)


def set_object(turn: Turn, *, name: str, parent: str | None = _KEEP, **options: Any) -> dict[str, Any]:
    """Change what is given of an object. With a new parent, or none, it stays where it is in world space;
    `location`, `rotation` and `scale` apply after that. The other parameters are those of the protocol."""
    item = lookup.scene_object(name)
    lookup.require_editable(item, "name")
    _require_settable(item, options)
    collection = lookup.scene_collection(options["collection"]) if options["collection"] else None
    if collection is not None:
        lookup.require_editable(collection, "collection")
    material = lookup.material_for(options["material"], item, "material") if options["material"] else None
    _require_reachable(item, collection, options)
    if parent is not _KEEP or options["look_at"] is not None:
        bpy.context.view_layer.update()
    new_parent, inverse = _new_parent(None if parent is _KEEP else parent, child=item)
    space = placing.parent_space(item) if parent is _KEEP else Matrix.Identity(4)
    rotation = _new_rotation(item, space, parent is not _KEEP, options)

    if parent is not _KEEP:
        _set_parent(item, new_parent, inverse)
    _place(item, options["location"], rotation, options["scale"])
    if collection is not None:
        _move_to_collection(item, collection)
    if material is not None:
        lookup.set_first_material(item, material)
    _set_looks(item, options)
    if options["rename"] is not None:
        item.name = options["rename"]
    return _one(item, _AT_ONCE)


def delete(turn: Turn, *, names: list[str]) -> dict[str, Any]:
    """Delete the objects from the file, from its other scenes too. Their data stays until the file is saved, as
    when the user deletes."""
    items = [lookup.scene_object(name) for name in dict.fromkeys(names)]
    for item in items:
        if item.is_library_indirect:
            raise invalid("names", f"{item.name!r} comes with a linked collection and cannot be deleted alone")
        if item.mode != "OBJECT":
            raise CommandError("command_failed", f"{item.name!r} is in mode {item.mode}; leave it first")
    deleted = [item.name for item in items]
    bpy.data.batch_remove(items)
    return {"deleted": deleted}


def _one(item: bpy.types.Object, fields: tuple[str, ...] | list[str]) -> dict[str, Any]:
    return {"object": describe([item], fields)[0]}


def _filtered(wanted: dict[str, Any]) -> list[bpy.types.Object]:
    found = list(bpy.context.scene.objects)
    if (pattern := wanted.get("name")) is not None:
        found = [item for item in found if fnmatch.fnmatchcase(item.name, pattern)]
    if (types := wanted.get("types")) is not None:
        known = bpy.types.Object.bl_rna.properties["type"].enum_items.keys()
        if unknown := [name for name in types if name not in known]:
            raise invalid("filter.types", f"no type {unknown[0]!r}; known: {', '.join(known)}")
        found = [item for item in found if item.type in types]
    if (collection := wanted.get("collection")) is not None:
        inside = set(lookup.scene_collection(collection).all_objects)
        found = [item for item in found if item in inside]
    if (selected := wanted.get("selected")) is not None:
        found = [item for item in found if item.select_get() == selected]
    if (visible := wanted.get("visible")) is not None:
        found = [item for item in found if item.visible_get() == visible]
    return found


def _target_collection(name: str | None) -> bpy.types.Collection:
    if name is not None:
        collection = lookup.scene_collection(name)
        lookup.require_editable(collection, "collection")
        return collection
    # The active collection may be a linked one, which nothing can be added to.
    active = bpy.context.collection
    return active if active.is_editable else bpy.context.scene.collection


def _object_type(kind: str) -> str:
    return "CAMERA" if kind == "camera" else "LIGHT" if kind in creation.LIGHTS else "MESH"


def _new_parent(
    name: str | None, child: bpy.types.Object | None = None
) -> tuple[bpy.types.Object | None, Matrix | None]:
    """The parent and the inverse that keeps its child in place."""
    if name is None:
        return None, None
    parent = lookup.scene_object(name)
    above: bpy.types.Object | None = parent
    while above is not None:
        if above == child:
            raise invalid("parent", f"{name!r} is the object itself or below it")
        above = above.parent
    bpy.context.view_layer.update()
    return parent, placing.parent_inverse(parent, "parent")


def _new_rotation(item: bpy.types.Object, space: Matrix, reparented: bool, options: dict[str, Any]) -> Any:
    """The rotation in `space`, the space that the location will be relative to; None to leave it."""
    if options["look_at"] is None:
        return None if options["rotation"] is None else Euler(options["rotation"])
    location = options["location"] or (item.matrix_world.translation if reparented else item.location)
    axes = placing.forward_axes(item.type, item)
    return placing.aimed(space, Vector(location), Vector(options["look_at"]), axes)


def _require_settable(item: bpy.types.Object, options: dict[str, Any]) -> None:
    if options["rotation"] is not None and options["look_at"] is not None:
        raise invalid("look_at", "it decides the rotation, so give only one of the two")
    if options["energy"] is not None and item.type != "LIGHT":
        raise invalid("energy", f"{item.name!r} is of type {item.type}, only lights have it")
    if item.type == "LIGHT" and (options["energy"] is not None or options["color"] is not None):
        lookup.require_editable(item.data, "name")
    if (rename := options["rename"]) is not None:
        lookup.require_name_fits(rename, "rename")
        if bpy.data.objects.get((rename, None)) not in (None, item):
            raise invalid("rename", f"another object is named {rename!r}")
    active = bpy.context.view_layer.objects.active
    if options["active"] and active not in (None, item) and active.mode != "OBJECT":
        raise CommandError("command_failed", f"active: {active.name!r} is in mode {active.mode}; leave it first")


def _require_reachable(
    item: bpy.types.Object, collection: bpy.types.Collection | None, options: dict[str, Any]
) -> None:
    """Selection and the like belong to the view layer, which need not have all of the scene."""
    wanted = [name for name in ("visible", "selected") if options[name] is not None]
    if options["active"]:
        wanted.append("active")
    if not wanted:
        return
    view_layer = bpy.context.view_layer
    if collection is None:
        reachable = any(other == item for other in view_layer.objects)
    else:
        reachable = _has_collection(view_layer.layer_collection, collection)
    if not reachable:
        problem = f"{item.name!r} is not in the view layer {view_layer.name!r}: its collection is excluded there"
        raise invalid(wanted[0], problem)


def _has_collection(layer: bpy.types.LayerCollection, collection: bpy.types.Collection) -> bool:
    if layer.collection == collection and not layer.exclude:
        return True
    return any(_has_collection(child, collection) for child in layer.children)


def _set_parent(item: bpy.types.Object, parent: bpy.types.Object | None, inverse: Matrix | None) -> None:
    world = item.matrix_world.copy()
    item.parent = parent
    item.parent_type = "OBJECT"
    item.matrix_parent_inverse = inverse or Matrix.Identity(4)
    item.matrix_basis = world


def _place(item: bpy.types.Object, location: Any, rotation: Any, scale: Any) -> None:
    if location is not None:
        item.location = location
    if rotation is not None:
        placing.set_rotation(item, rotation)
    if scale is not None:
        item.scale = scale


def _move_to_collection(item: bpy.types.Object, collection: bpy.types.Collection) -> None:
    others = [other for other in item.users_collection if other != collection]
    if item.name not in collection.objects or collection.objects[item.name] != item:
        collection.objects.link(item)
    for other in others:
        other.objects.unlink(item)


def _set_color(item: bpy.types.Object, color: list[float]) -> None:
    if item.type == "LIGHT":
        item.data.color = color[:3]
    else:
        item.color = color


def _set_looks(item: bpy.types.Object, options: dict[str, Any]) -> None:
    if options["color"] is not None:
        _set_color(item, options["color"])
    if options["energy"] is not None:
        item.data.energy = options["energy"]
    if options["renderable"] is not None:
        item.hide_render = not options["renderable"]
    if options["visible"] is not None:
        if options["visible"]:
            item.hide_viewport = False
        item.hide_set(not options["visible"])
    if options["selected"] is not None:
        item.select_set(options["selected"])
    if options["active"]:
        bpy.context.view_layer.objects.active = item
