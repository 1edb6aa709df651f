# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of the scene as the popular add-on's clients compare it before and after what they do.

What that add-on tells about an animation is missing from Blender 5.0 on; here it is told there too.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from typing import Any

import bpy

from ..turn import Turn
from ..values import ValueFault, plain
from .compat_scene import rounded, rounded_one, used_materials
from .describe import bounds_of, describe

OBJECTS = 4_000
SELECTED = 1_000
LIGHTS = 20
MATERIALS = 200
PARTS = 8
"""Constraints, modifiers and tracks of one object."""
CHANNELS = 16
"""What is told at most, as clients expect it."""

DIGITS = 3


def snapshot(turn: Turn) -> dict[str, Any]:
    """The open scene: objects, camera, lights, and a digest of each material."""
    scene, view_layer = bpy.context.scene, bpy.context.view_layer
    view_layer.update()
    objects, truncated = _first(list(scene.objects), OBJECTS)
    selected = [item.name for item in view_layer.objects.selected]
    camera, lights = scene.camera, (item for item in scene.objects if item.type == "LIGHT")
    return {
        "name": scene.name,
        "object_count": len(scene.objects),
        "objects_listed": len(objects),
        "objects_truncated": truncated,
        "selected": sorted(selected)[:SELECTED] if len(selected) > SELECTED else selected,
        "selected_count": len(selected),
        "selected_truncated": len(selected) > SELECTED,
        "frame_current": scene.frame_current,
        "frame_start": scene.frame_start,
        "frame_end": scene.frame_end,
        "fps": rounded_one(scene.render.fps / scene.render.fps_base, DIGITS),
        "objects": [_object(item, told) for item, told in zip(objects, _told(objects), strict=True)],
        "active_camera": camera.name if camera else None,
        "camera": _camera(camera) if camera else None,
        "lights": [_light(item) for item in itertools.islice(lights, LIGHTS)],
        "materials_count": len(bpy.data.materials),
        "material_fps": {item.name: _digest(item) for item in itertools.islice(bpy.data.materials, MATERIALS)},
        "world_fp": _digest(scene.world) if scene.world else None,
        # It would make the user's file known again in other sessions. That is for telemetry, which there is none of.
        "project_id": None,
        "blender_version": bpy.app.version_string,
        "snapshot_source": "native",
    }


def _first(objects: list[bpy.types.Object], most: int) -> tuple[list[bpy.types.Object], bool]:
    """The objects, or the first by their names where they are too many: two snapshots then have the same ones."""
    if len(objects) <= most:
        return objects, False
    return sorted(objects, key=lambda item: item.name)[:most], True


def _told(objects: list[bpy.types.Object]) -> list[dict[str, Any]]:
    return describe(objects, ("name", "type", "location", "scale", "visible", "materials", "dimensions", "counts"))


def _object(item: bpy.types.Object, told: dict[str, Any]) -> dict[str, Any]:
    least, most = bounds_of(item)
    entry = {
        "name": told["name"],
        "type": told["type"],
        "location": rounded(told["location"], DIGITS),
        "rotation": rounded(item.rotation_euler, DIGITS),
        "scale": rounded(told["scale"], DIGITS),
        "visible": told["visible"],
        "materials": used_materials(told),
        "aabb_min": rounded(least, DIGITS),
        "aabb_max": rounded(most, DIGITS),
        "dimensions": rounded(told["dimensions"], DIGITS),
    }
    entry |= _relations(item)
    if animation := _animation(item.animation_data):
        entry["animation"] = animation
    if (counts := told["counts"]) is not None:
        entry["mesh"] = {"vertices": counts["vertices"], "polygons": counts["faces"]}
    return entry


def _relations(item: bpy.types.Object) -> dict[str, Any]:
    """What the object hangs on; nothing of it where it hangs on nothing."""
    found: dict[str, Any] = {}
    if item.parent is not None:
        found |= {"parent": item.parent.name, "parent_type": item.parent_type}
        found["local_location"] = rounded(item.matrix_local.translation, DIGITS)
    if item.constraints:
        found["constraints"] = [_constraint(constraint) for constraint in item.constraints[:PARTS]]
    if item.modifiers:
        found["modifiers"] = [modifier.type for modifier in item.modifiers[:PARTS]]
    return found


def _constraint(constraint: bpy.types.Constraint) -> dict[str, str]:
    target = getattr(constraint, "target", None)
    return {"type": constraint.type} | ({"target": target.name} if target is not None else {})


def _animation(data: bpy.types.AnimData | None) -> dict[str, Any]:
    """What animates an object; empty where nothing does."""
    if data is None:
        return {}
    found: dict[str, Any] = {}
    if data.action is not None:
        found = {"action": data.action.name} | _keyframes(data)
    if data.drivers:
        found["driver_count"] = len(data.drivers)
    if data.nla_tracks:
        found["nla_tracks"] = [track.name for track in data.nla_tracks[:PARTS]]
    return found


def _keyframes(data: bpy.types.AnimData) -> dict[str, Any]:
    """How many there are, in which channels, and from which frame to which."""
    curves = [curve for curve in _curves(data) if len(curve.keyframe_points)]
    found: dict[str, Any] = {"keyframe_count": sum(len(curve.keyframe_points) for curve in curves)}
    if curves:
        found["channels"] = [
            {
                "data_path": curve.data_path,
                "array_index": curve.array_index,
                "keyframes": len(curve.keyframe_points),
            }
            for curve in curves[:CHANNELS]
        ]
        first = min(curve.keyframe_points[0].co.x for curve in curves)
        last = max(curve.keyframe_points[-1].co.x for curve in curves)
        found["frame_range"] = rounded((first, last), DIGITS)
    return found


def _curves(data: bpy.types.AnimData) -> Iterator[bpy.types.FCurve]:
    """The curves of its action, from Blender 4.4 on those of its slot there."""
    if not hasattr(data, "action_slot"):
        yield from data.action.fcurves
    elif data.action_slot is not None:
        for layer in data.action.layers:
            for strip in layer.strips:
                bag = strip.channelbag(data.action_slot)
                yield from bag.fcurves if bag is not None else ()


def _camera(item: bpy.types.Object) -> dict[str, Any]:
    told = _placed(item) | {"rotation": rounded(item.rotation_euler, DIGITS)}
    if item.type == "CAMERA":
        told["lens"] = rounded_one(item.data.lens, DIGITS)
        told["sensor_width"] = rounded_one(item.data.sensor_width, DIGITS)
    return told


def _light(item: bpy.types.Object) -> dict[str, Any]:
    return _placed(item) | {"light_type": item.data.type, "energy": rounded_one(item.data.energy, DIGITS)}


def _placed(item: bpy.types.Object) -> dict[str, Any]:
    return {"name": item.name, "location": rounded(item.location, DIGITS)}


def _digest(owner: bpy.types.Material | bpy.types.World) -> str:
    """Eight digits that change when a node, a value or a link of a material or a world does."""
    tree = owner.node_tree
    # From 5.0 on they always use their nodes.
    if tree is None or (bpy.app.version < (5, 0) and not owner.use_nodes):
        parts = [str(rounded(getattr(owner, "diffuse_color", None) or owner.color, DIGITS))]
    else:
        parts = sorted(f"{node.bl_idname} {node.name} {list(map(_value, node.inputs))}" for node in tree.nodes)
        parts += sorted(map(_link, tree.links))
    return hashlib.blake2b("\n".join(parts).encode(errors="replace"), digest_size=4).hexdigest()


def _link(link: bpy.types.NodeLink) -> str:
    return f"{link.from_node.name} {link.from_socket.identifier} {link.to_node.name} {link.to_socket.identifier}"


def _value(socket: bpy.types.NodeSocket) -> Any:
    try:
        return plain(getattr(socket, "default_value", None))
    except ValueFault:
        return None
