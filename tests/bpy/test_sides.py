# SPDX-License-Identifier: GPL-3.0-or-later
"""view.capture from a side, headless, by what is in the pictures. With a window: tests/window/pictures_check.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bpy
import pytest
from conftest import Call
from mathutils import Vector
from test_pictures import CAPTURE, SMALL, capture, changed, cube, nothing_left, pixels  # noqa: F401 - two are fixtures.

SIDES = {
    "front": ((0, -1, 0), (1, 0, 0)),
    "back": ((0, 1, 0), (0, 0, 1)),
    "left": ((-1, 0, 0), (0, 1, 0)),
    "right": ((1, 0, 0), (1, 1, 0)),
    "top": ((0, 0, 1), (0, 1, 1)),
    "bottom": ((0, 0, -1), (1, 0, 1)),
}
"""What each side looks at, and the colour of that face of `painted`."""
RED, WHITE, BLACK = (1, 0, 0), (1, 1, 1), (0, 0, 0)


def paint(mesh: bpy.types.Mesh, colours: dict[tuple[int, int, int], tuple[int, int, int]]) -> None:
    """Give each face the colour of its normal."""
    for face in mesh.polygons:
        material = bpy.data.materials.new("Paint")
        material.diffuse_color = (*colours[tuple(round(value) for value in face.normal)], 1)
        mesh.materials.append(material)
        face.material_index = len(mesh.materials) - 1


@pytest.fixture
def painted() -> bpy.types.Object:
    """A cube with a colour on each side, as it is in any light; far away, and longest along X, shortest along Z."""
    changed()
    scene, item = bpy.context.scene, bpy.data.objects["Cube"]
    scene.display.shading.light, scene.view_settings.view_transform = "FLAT", "Standard"
    paint(item.data, dict(SIDES.values()))
    item.scale, item.location = (4, 2, 1), (100, 50, -20)
    return item


def another(item: bpy.types.Object, offset: tuple[float, float, float]) -> bpy.types.Object:
    """The same object once more, so far from it."""
    copy = item.copy()
    bpy.context.scene.collection.objects.link(copy)
    copy.location = item.location + Vector(offset)
    return copy


Box = tuple[int, int, int, int]


def seen(call: Call, **params: Any) -> dict[tuple[int, ...], Box]:
    """The pure colours in a picture but for its black background, and the box around each: left, low, right, high, in
    pixels, the last ones included."""
    found: dict[tuple[int, ...], Box] = {}
    width = params.get("width", SMALL["width"])
    for index, colour in enumerate(pixels(capture(call, **params)["image"]["$blob"])):
        key = tuple(round(value) for value in colour[:3])
        # Workbench smooths edges; what is pure is a face.
        if key != BLACK and all(abs(value - pure) < 0.02 for value, pure in zip(colour, key, strict=False)):
            x, y = index % width, index // width
            left, low, right, high = found.get(key, (x, y, x, y))
            found[key] = (min(left, x), min(low, y), max(right, x), max(high, y))
    return found


@pytest.mark.parametrize("size", [(64, 48), (30, 90)])
@pytest.mark.parametrize("side", SIDES)
def test_capture_from_a_side(call: Call, painted: bpy.types.Object, side: str, size: tuple[int, int]) -> None:
    """That side alone is in the picture: in its middle, as large as fits, and in its proportions."""
    width, height = size
    found = seen(call, **{"from": side}, width=width, height=height)
    assert list(found) == [SIDES[side][1]]
    left, low, right, high = found[SIDES[side][1]]
    assert abs(left + right - width + 1) <= 1 and abs(low + high - height + 1) <= 1
    wide, tall = right - left + 1, high - low + 1
    across = {"left": 2, "right": 2}.get(side, 4)
    up = {"top": 2, "bottom": 2}.get(side, 1)
    assert abs(wide - tall * across / up) <= across / up + 1
    assert 0.8 < max(wide / width, tall / height) < 1


UP_AND_RIGHT = {
    "front": (9, 0, 9),
    "back": (-9, 0, 9),
    "left": (0, -9, 9),
    "right": (0, 9, 9),
    "top": (9, 9, 0),
    "bottom": (9, -9, 0),
    "three_quarter": (0, 9, 9),
}


@pytest.mark.parametrize("side", UP_AND_RIGHT)
def test_capture_from_a_side_is_upright(call: Call, painted: bpy.types.Object, side: str) -> None:
    """As in Blender's own views: from the front, +Z is above and +X to the right."""
    white = another(painted, UP_AND_RIGHT[side])
    white.scale = (2, 2, 2)
    white.data = painted.data.copy()
    white.data.materials.clear()
    paint(white.data, dict.fromkeys(dict(SIDES.values()), WHITE))
    found = seen(call, **{"from": side})
    above = found.pop(WHITE)
    assert all(above[0] + above[2] > box[0] + box[2] for box in found.values())
    assert all(above[1] + above[3] > box[1] + box[3] for box in found.values())


@pytest.mark.parametrize("size", [(64, 48), (30, 90)])
def test_capture_three_quarter(call: Call, painted: bpy.types.Object, size: tuple[int, int]) -> None:
    found = seen(call, **{"from": "three_quarter"}, width=size[0], height=size[1])
    assert set(found) == {SIDES[side][1] for side in ("front", "right", "top")}
    low = [min(box[axis] for box in found.values()) for axis in (0, 1)]
    high = [max(box[axis + 2] for box in found.values()) for axis in (0, 1)]
    assert min(low) > 0 and all(high[axis] < size[axis] - 1 for axis in (0, 1)), "nothing is cut"
    assert max((high[axis] - low[axis] + 1) / size[axis] for axis in (0, 1)) > 0.75


def test_capture_of_some_objects(call: Call, refuses: Callable, painted: bpy.types.Object) -> None:
    """They fill the picture, whatever else there is; what is not to be seen is refused by its name."""
    other = another(painted, (20, 0, 0))
    both, one = seen(call, **{"from": "front"})[RED], seen(call, **{"from": "front"}, objects=[other.name])[RED]
    assert both[2] - both[0] > 50 and both[3] - both[1] < 6 and one[2] - one[0] > 50 and one[3] - one[1] > 10
    camera = bpy.context.scene.camera
    camera.location = painted.location + Vector((12, 0, 0))
    less = seen(call, **{"from": "front"}, objects=[camera.name, painted.name])[RED]
    assert less[0] < 5 and 20 < less[2] < 35, "a camera has a place, which is on the right"
    other.hide_set(True)
    rows = [
        ("invalid_params", "is hidden", {"from": "front", "objects": [other.name]}),
        ("not_found", "no object 'Nobody'", {"from": "front", "objects": ["Nobody"]}),
        ("invalid_params", "at least one", {"from": "front", "objects": []}),
        ("invalid_params", "three_quarter", {"from": "camera", "objects": [painted.name]}),
    ]
    for kind, text, params in rows:
        refuses(kind, text, "view.capture", **CAPTURE | params)


def test_capture_of_instances(call: Call, painted: bpy.types.Object) -> None:
    """What an object makes instances of is a part of it."""
    source = bpy.data.collections.new("Source")
    source.objects.link(painted)
    source.instance_offset = painted.location
    bpy.context.scene.collection.objects.unlink(painted)
    maker = bpy.data.objects.new("Maker", None)
    maker.instance_type, maker.instance_collection, maker.location = "COLLECTION", source, (-300, 0, 0)
    bpy.context.scene.collection.objects.link(maker)
    assert RED in seen(call, **{"from": "front"}, objects=["Maker"]) and RED in seen(call, **{"from": "front"})
