# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotations, and the space that an object's location is relative to."""

from __future__ import annotations

import bpy
from mathutils import Euler, Matrix, Quaternion, Vector

from ..errors import CommandError, invalid

_AXES = {"X": Vector((1, 0, 0)), "Y": Vector((0, 1, 0)), "Z": Vector((0, 0, 1))}


def set_rotation(item: bpy.types.Object, rotation: Euler | Quaternion) -> None:
    """Rotate the object, in its own rotation mode."""
    turned = rotation if isinstance(rotation, Quaternion) else rotation.to_quaternion()
    if item.rotation_mode == "QUATERNION":
        item.rotation_quaternion = turned
    elif item.rotation_mode == "AXIS_ANGLE":
        axis, angle = turned.to_axis_angle()
        item.rotation_axis_angle = (angle, *axis)
    elif item.rotation_mode == "XYZ" and isinstance(rotation, Euler):
        # As it is: angles beyond half a turn stay.
        item.rotation_euler = rotation
    else:
        item.rotation_euler = turned.to_euler(item.rotation_mode)


def parent_space(item: bpy.types.Object) -> Matrix:
    """What takes the object's location to world space. The view layer must be up to date."""
    if item.parent is None:
        return Matrix.Identity(4)
    if item.parent_type == "OBJECT":
        return item.parent.matrix_world @ item.matrix_parent_inverse
    # Parented to a bone or to vertices: only Blender knows where they are.
    return item.matrix_world @ item.matrix_basis.inverted_safe()


def parent_inverse(parent: bpy.types.Object, where: str) -> Matrix:
    """What keeps a child where it is in world space. The view layer must be up to date."""
    try:
        return parent.matrix_world.inverted()
    except ValueError:
        raise invalid(where, f"{parent.name!r} has a scale of 0, so nothing can keep its place below it") from None


def forward_axes(item_type: str, item: bpy.types.Object | None = None) -> tuple[Vector, Vector]:
    """The axes of the object that look ahead and up. Cameras and lights look along -Z; others as their
    tracking axes say, +Y by default."""
    if item_type in ("CAMERA", "LIGHT"):
        return -_AXES["Z"], _AXES["Y"]
    if item is None:
        return _AXES["Y"], _AXES["Z"]
    sign, axis = item.track_axis.split("_")
    return _AXES[axis] if sign == "POS" else -_AXES[axis], _AXES[item.up_axis]


def aimed(space: Matrix, location: Vector, target: Vector, axes: tuple[Vector, Vector]) -> Quaternion:
    """The rotation, in `space`, with which what is at `location` there looks at `target` in world space, upright
    in world space as far as that goes. Right in scaled and sheared spaces too."""
    ahead, up = axes
    try:
        to_space = space.inverted()
    except ValueError:
        raise CommandError("command_failed", "look_at: the parent has a scale of 0") from None
    direction = to_space @ target - location
    if direction.length < 1e-6:
        raise invalid("look_at", "the object is there already, so there is no direction to look in")
    if abs(ahead.dot(up)) > 0.5:
        raise invalid("look_at", "the object's tracking axes are one and the same, so it has no way to look")
    frame = _frame(direction.normalized(), to_space.to_3x3())
    return (frame @ Matrix((ahead, up, ahead.cross(up)))).to_quaternion()


def _frame(direction: Vector, to_space: Matrix) -> Matrix:
    """Columns ahead, up and beside."""
    for axis in ("Z", "Y"):
        # Who looks straight up or down has world Y above.
        upright = to_space @ _AXES[axis]
        upright -= direction * upright.dot(direction)
        if upright.length > 1e-4 * (to_space @ _AXES[axis]).length:
            break
    upright.normalize()
    return Matrix((direction, upright, direction.cross(upright))).transposed()
