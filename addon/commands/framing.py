# SPDX-License-Identifier: GPL-3.0-or-later
"""Views that frame things from a side: where to look from so that all of them are seen, and the matrices for it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import bpy
from mathutils import Matrix, Vector

from ..errors import invalid
from . import lookup

SIDES = {
    "front": ((0, -1, 0), (0, 0, 1)),
    "back": ((0, 1, 0), (0, 0, 1)),
    "left": ((-1, 0, 0), (0, 0, 1)),
    "right": ((1, 0, 0), (0, 0, 1)),
    "top": ((0, 0, 1), (0, 1, 0)),
    "bottom": ((0, 0, -1), (0, -1, 0)),
    "three_quarter": ((0.6, -0.65, 0.45), (0, 0, 1)),
}
"""Where each looks from, and what is above in its picture; as Blender's own views have it."""

MARGIN = 1.1
"""How much wider the picture is than what it frames."""
LENS = 18 / 50
"""The tangent of half the angle that the longer side of a perspective sees: that of Blender's default camera."""
LEAST = 0.001
"""Half the size of what is framed at least, Blender units, so that a point can be seen too."""
BEHIND = 100.0
"""How far the view goes on behind what is framed, in sizes of it."""

_NO_SURFACE = ("ARMATURE", "CAMERA", "EMPTY", "LATTICE", "LIGHT", "LIGHT_PROBE", "SPEAKER")
_CUBE = tuple(itertools.product((-1, 1), repeat=3))


class View(NamedTuple):
    """Where a picture is seen from: world to view, view to clip space, and whether that is a perspective."""

    matrix: Matrix
    projection: Matrix
    is_perspective: bool


def from_side(side: str, corners: Iterable[Vector], width: int, height: int) -> View:
    """The view from a side in which all the corners are seen, in a picture of this size."""
    ahead, above = (Vector(axis) for axis in SIDES[side])
    back = ahead.normalized()
    right = above.cross(back).normalized()
    axes = Matrix((right, back.cross(right), back))
    seen = [axes @ corner for corner in corners]
    low = [min(corner[axis] for corner in seen) for axis in range(3)]
    high = [max(corner[axis] for corner in seen) for axis in range(3)]
    size = max(LEAST, *((most - least) / 2 for least, most in zip(low, high, strict=True)))
    longer = max(width, height)
    if side == "three_quarter":
        reach = (LENS * width / longer, LENS * height / longer)
        eye = _eye(seen, (reach[0] / MARGIN, reach[1] / MARGIN))
        eye.z = max(eye.z, high[2] + size)
        near = (eye.z - high[2]) * 0.9
        projection = _perspective(reach, near, eye.z - low[2] + BEHIND * size)
    else:
        halves = [max((high[axis] - low[axis]) / 2, LEAST) * MARGIN for axis in (0, 1)]
        scale = max(halves[0] / width, halves[1] / height)
        eye = Vector(((low[0] + high[0]) / 2, (low[1] + high[1]) / 2, high[2] + size))
        projection = _parallel((scale * width, scale * height), size * 0.5, eye.z - low[2] + BEHIND * size)
    return View(Matrix.Translation(-eye) @ axes.to_4x4(), projection, side == "three_quarter")


def corners(
    depsgraph: bpy.types.Depsgraph, shown: Callable[[Any], bool], names: Sequence[str] | None = None
) -> list[Vector]:
    """The corners of the boxes around what is in the picture, in world space: around all that has a surface, or
    around the objects of these names and what they make instances of. `shown` says of an instance of the depsgraph
    whether it is in the picture.

    Raises `not_found`, and `invalid_params` where a named object is not in the picture. The corners of a cube of 2
    units where nothing is.
    """
    wanted = None if names is None else [lookup.scene_object(name) for name in names]
    if wanted == []:
        raise invalid("objects", "name at least one; leave it out to frame all that is visible")
    found: list[Vector] = []
    missing = dict.fromkeys(wanted or ())
    for instance in filter(shown, depsgraph.object_instances):
        if wanted is not None:
            named = {instance.object.original, (instance.parent or instance.object).original}.intersection(wanted)
            for item in named:
                missing.pop(item, None)
        if instance.object.type not in _NO_SURFACE if wanted is None else named:
            found += _box(instance)
    for item in missing:
        raise invalid("objects", f"{item.name!r} is hidden, or nothing of it is drawn; show it, or leave it out")
    return found or [Vector(corner) for corner in _CUBE]


def _box(instance: bpy.types.DepsgraphObjectInstance) -> list[Vector]:
    """What has no surface is framed as a cube of a unit around its origin."""
    place = instance.matrix_world
    if instance.object.type in _NO_SURFACE:
        box = [place.translation + Vector(corner) / 2 for corner in _CUBE]
    else:
        box = [place @ Vector(corner) for corner in instance.object.bound_box]
    return [corner for corner in box if all(map(math.isfinite, corner))]


def _eye(seen: Sequence[Vector], reach: tuple[float, float]) -> Vector:
    """The place nearest to what is seen from which all of it lies within the tangents `reach` of the angles beside and
    above the line of sight, which is -Z."""
    centres, distances = [], []
    for axis, tangent in enumerate(reach):
        most = max(corner[axis] + tangent * corner.z for corner in seen)
        least = max(-corner[axis] + tangent * corner.z for corner in seen)
        centres.append((most - least) / 2)
        distances.append((most + least) / (2 * tangent))
    return Vector((*centres, max(distances)))


def _perspective(reach: tuple[float, float], near: float, far: float) -> Matrix:
    depth = far - near
    return Matrix(
        (
            (1 / reach[0], 0, 0, 0),
            (0, 1 / reach[1], 0, 0),
            (0, 0, -(far + near) / depth, -2 * far * near / depth),
            (0, 0, -1, 0),
        )
    )


def _parallel(halves: tuple[float, float], near: float, far: float) -> Matrix:
    depth = far - near
    return Matrix(
        (
            (1 / halves[0], 0, 0, 0),
            (0, 1 / halves[1], 0, 0),
            (0, 0, -2 / depth, -(far + near) / depth),
            (0, 0, 0, 1),
        )
    )
