# SPDX-License-Identifier: GPL-3.0-or-later
"""The popular add-on's picture of the viewport, which goes into a file, and what is at a place in such a picture."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from typing import Any

import bpy
from mathutils import Matrix, Vector

from ..errors import CommandError, invalid
from ..paths import allowed_path
from ..turn import Turn
from . import view
from .compat_scene import detail
from .describe import finite

NEAR = 16
"""How close to the middle of something without a surface a click must be, in pixels of the picture."""

_WITHOUT_SURFACE = ("CAMERA", "EMPTY", "LIGHT", "LIGHT_PROBE", "SPEAKER")


def screenshot(turn: Turn, *, max_size: float, filepath: str, format: str) -> Generator[None, None, dict[str, Any]]:
    """Write what the first 3D viewport shows into a PNG file. Raises as `view.capture` does."""
    target = writable_path(turn, filepath, format, ("png",))
    picture = yield from view.screenshot(turn, int(max_size))
    write(target, picture.png)
    origin = {"file": bpy.data.filepath, "scene": bpy.context.scene.name}
    size = {"width": picture.width, "height": picture.height}
    answer = {"success": True, **size, "filepath": filepath, **origin, "scene_count": len(bpy.data.scenes)}
    answer["method"] = "offscreen" if picture.source == "viewport" else f"render ({picture.source})"
    if picture.view is not None:
        matrices = {"view_matrix": picture.view.matrix, "window_matrix": picture.view.projection}
        answer["view"] = origin | {key: [list(row) for row in value] for key, value in matrices.items()} | size
    return answer


def writable_path(turn: Turn, path: str, format: str, formats: tuple[str, ...]) -> str:
    """Where a file of this format goes, its folder made if it is missing. The name must end in the format's: what else
    lies in the allowed folders, such as the user's .blend file, is not overwritten.

    Raises `path_not_allowed` and `invalid_params`.
    """
    kind = format.lower()
    if kind not in formats:
        raise invalid("format", f"{format[:40]!r} is not written here; known: {', '.join(formats)}")
    if not path:
        raise invalid("filepath", f"say where to write the file, in a path that ends in .{kind}")
    target = allowed_path(path, turn.preferences)
    if not target.lower().endswith(f".{kind}"):
        raise invalid("filepath", f"{path!r} does not end in .{kind}, and only such files are written here")
    if os.path.isdir(target):
        raise invalid("filepath", f"{path!r} is a folder")
    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)
    except OSError as error:
        raise _not_written(target, error) from None
    return target


def write(target: str, data: bytes) -> None:
    """Write a file. Raises `command_failed`."""
    try:
        with open(target, "wb") as file:
            file.write(data)
    except OSError as error:
        raise _not_written(target, error) from None


def _not_written(target: str, error: OSError) -> CommandError:
    return CommandError("command_failed", f"{target!r} cannot be written: {error.strerror}")


def pick(
    turn: Turn,
    *,
    view_matrix: list[list[float]],
    window_matrix: list[list[float]],
    width: float,
    height: float,
    x: float,
    y: float,
    file: str | None,
    scene: str | None,
) -> dict[str, Any]:
    """What is at a place in a picture that was taken with these matrices; `x` and `y` from 0 to 1, from its upper left.
    Nothing where another file or scene is open by now."""
    if file not in (None, bpy.data.filepath):
        return {"object": None, "mismatch": "file", "current": bpy.data.filepath}
    if scene not in (None, bpy.context.scene.name):
        return {"object": None, "mismatch": "scene", "current": bpy.context.scene.name}
    projection = Matrix(window_matrix) @ Matrix(view_matrix)
    place = Vector((2 * x - 1, 1 - 2 * y))
    item = _at(projection, place, Vector((width / 2, height / 2)))
    if item is None:
        return {"object": None}
    told = {"name": item.name, "type": item.type, "location": finite(item.matrix_world.translation)}
    told["detail"] = detail(item.type, [collection.name for collection in item.users_collection])
    return {"object": told}


def _at(projection: Matrix, place: Vector, half: Vector) -> bpy.types.Object | None:
    """The object at a place, -1 to 1 from the lower left, in a picture of twice the size `half`: one without a surface
    whose middle is near and not hidden, or else the one that a ray hits."""
    depsgraph = bpy.context.evaluated_depsgraph_get()
    try:
        back = projection.inverted()
        start, end = (_through(back, Vector((*place, depth))) for depth in (-1, 1))
    except (ValueError, ZeroDivisionError):
        raise invalid("window_matrix", "the two matrices are of no view: nothing can be projected back") from None
    hit, where, _, _, found, _ = bpy.context.scene.ray_cast(depsgraph, start, (end - start).normalized())
    reach = (where - start).length if hit else float("inf")
    best: tuple[float, bpy.types.Object | None] = (NEAR, found.original if hit and found is not None else None)
    for item, seen in _middles(projection):
        distance = ((seen - place) * half).length
        if distance <= best[0] and (item.matrix_world.translation - start).length < reach:
            best = distance, item
    return best[1]


def _through(matrix: Matrix, point: Vector) -> Vector:
    moved = matrix @ point.to_4d()
    return moved.xyz / moved.w


def _middles(projection: Matrix) -> Iterator[tuple[bpy.types.Object, Vector]]:
    """What is drawn without a surface, and where in the picture."""
    for item in bpy.context.scene.objects:
        if item.type in _WITHOUT_SURFACE and item.visible_get():
            seen = projection @ item.matrix_world.translation.to_4d()
            if seen.w > 0:
                yield item, seen.xy / seen.w
