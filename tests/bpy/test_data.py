# SPDX-License-Identifier: GPL-3.0-or-later
"""data.get and data.set in a real Blender. EDGE-002 and EDGE-003 for bulk arrays; PATHS for path properties."""

from __future__ import annotations

import math
from typing import Any

import bpy
import numpy
import pytest
from conftest import Call, close

from addon.commands.rna_path import Name, parse
from addon.errors import CommandError
from addon.turn import TurnPreferences

CUBE = {"collection": "objects", "name": "Cube"}
SCENE = {"collection": "scenes", "name": "Scene"}


@pytest.fixture(autouse=True)
def cube(empty_file: None, call: Call) -> bpy.types.Object:
    call("object.create", kind="cube")
    item = bpy.data.objects["Cube"]
    item.modifiers.new('Be"v[el', "BEVEL")
    item["number"] = 1.5
    item["whole"] = 1
    item["text"] = "a"
    item["list"] = [1.0, 2.0]
    item["group"] = {"a": {"b": [1, 2]}}
    item["who"] = item
    return item


def test_parse() -> None:
    rows: list[tuple[str, list[Any]]] = [
        ("location", [Name("location")]),
        ("location[0]", [Name("location"), 0]),
        ('modifiers["Be\\"vel"].width', [Name("modifiers"), 'Be"vel', Name("width")]),
        ('["a.b[0]"]', ["a.b[0]"]),
        ('["a"]["b"][12]', ["a", "b", 12]),
        ('["\\n\\\\"]', ["\n\\"]),
        ('[""]', [""]),
        ("a.b[0][1].c", [Name("a"), Name("b"), 0, 1, Name("c")]),
    ]
    for path, expected in rows:
        assert parse(path) == expected, path


BAD_PATHS = [
    "",
    ".",
    ".location",
    "location.",
    "location..x",
    "location x",
    " location",
    "location[]",
    "location[-1]",
    "location[0",
    "location[0]x",
    "location[1e3]",
    "location[0x1]",
    "a['b']",
    'a["b',
    'a["b"',
    "a[b]",
    "a()",
    "a[0:1]",
    "a,b",
    "a=1",
    "1a",
    "é",
    "location\n",
    "a[9999999999]",
    "__import__('os')",
    "a.b()",
    'a["\\"]',
]


@pytest.mark.parametrize("path", BAD_PATHS)
def test_bad_paths(refuses: Call, path: str) -> None:
    refuses("invalid_params", "path:", "data.get", block=CUBE, path=path)


GETS: list[tuple[str, Any, str, bool]] = [
    ("location", [0, 0, 0], "FLOAT", False),
    ("location[2]", 0, "FLOAT", False),
    ("matrix_world", [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], "FLOAT", False),
    ("matrix_world[1]", [0, 1, 0, 0], "FLOAT", False),
    ("matrix_world[1][1]", 1, "FLOAT", False),
    ("name", "Cube", "STRING", False),
    ("type", "MESH", "ENUM", True),
    ("hide_render", False, "BOOLEAN", False),
    ("lock_location", [False, False, False], "BOOLEAN", False),
    ("pass_index", 0, "INT", False),
    ("data", {"type": "Mesh", "name": "Cube"}, "POINTER", False),
    ("data.polygons[0].vertices[1]", 1, "INT", False),
    ("parent", None, "POINTER", False),
    ("dimensions", [2, 2, 2], "FLOAT", False),
    ('modifiers["Be\\"v[el"].segments', 1, "INT", False),
    ("modifiers[0].name", 'Be"v[el', "STRING", False),
    ('["number"]', 1.5, "CUSTOM", False),
    ('["list"]', [1, 2], "CUSTOM", False),
    ('["list"][1]', 2, "CUSTOM", False),
    ('["group"]["a"]["b"]', [1, 2], "CUSTOM", False),
    ('["group"]', {"a": {"b": [1, 2]}}, "CUSTOM", False),
    ('["who"]', {"type": "Object", "name": "Cube"}, "CUSTOM", False),
    ('["who"].name', "Cube", "STRING", False),
]


@pytest.mark.parametrize(("path", "value", "kind", "readonly"), GETS)
def test_get(call: Call, path: str, value: Any, kind: str, readonly: bool) -> None:
    found = call("data.get", block=CUBE, path=path)
    assert (found["value"], found["type"], found["readonly"]) == (value, kind, readonly)
    assert isinstance(found["description"], str)


def test_get_structs_and_collections(call: Call) -> None:
    found = call("data.get", block=CUBE, path="modifiers[0]")
    assert found["value"]["type"] == "BevelModifier" and found["type"] == "POINTER" and found["readonly"]
    found = call("data.get", block=CUBE, path="modifiers")
    assert found["value"][0]["type"] == "BevelModifier" and found["type"] == "COLLECTION" and found["readonly"]
    found = call("data.get", block=SCENE, path='view_layers["ViewLayer"].objects.active')
    assert found == {"value": None, "type": "POINTER", "readonly": False, "description": found["description"]}
    assert call("data.get", block=SCENE, path="render.fps")["description"]


GET_REFUSED: list[tuple[str, str, dict[str, str], str]] = [
    ("invalid_params", "no collection 'object'", {"collection": "object", "name": "Cube"}, "name"),
    ("invalid_params", "no collection 'filepath'", {"collection": "filepath", "name": "Cube"}, "name"),
    ("invalid_params", "no collection '__class__'", {"collection": "__class__", "name": "x"}, "name"),
    ("not_found", "similar: Cube", {"collection": "objects", "name": "Cubes"}, "name"),
    ("invalid_params", "a Object has no property 'locatio'; similar: location", CUBE, "locatio"),
    ("invalid_params", "step 2: a Mesh has no property", CUBE, "data.nothing"),
    ("invalid_params", "no property 'select_set'", CUBE, "select_set"),
    ("invalid_params", "no property '__class__'", CUBE, "__class__"),
    ("invalid_params", "no property 'as_pointer'", CUBE, "data.as_pointer"),
    ("invalid_params", "[3] of 3 items", CUBE, "location[3]"),
    ("invalid_params", "[4] of 4 items", CUBE, "matrix_world[0][4]"),
    ("invalid_params", "'x' of what has no properties", CUBE, "location.x"),
    ("invalid_params", "[1] of 1 items", CUBE, "modifiers[1]"),
    ("invalid_params", "no item 'Be\"v[e'; similar: Be\"v[el", CUBE, 'modifiers["Be\\"v[e"]'),
    ("invalid_params", "'parent' is empty", CUBE, "parent.name"),
    ("invalid_params", "[0] of what is no array", CUBE, "name[0]"),
    ("invalid_params", "[0] of what is no array", CUBE, "data[0]"),
    ("invalid_params", "has no custom properties", CUBE, 'name["a"]'),
    ("invalid_params", "has no custom properties", CUBE, 'data.vertices[0]["a"]'),
    ("not_found", "no custom property 'nothing'", CUBE, '["nothing"]'),
    ("invalid_params", "no custom property 'nothing'", CUBE, '["nothing"]["a"]'),
]


@pytest.mark.parametrize(("kind", "text", "block", "path"), GET_REFUSED)
def test_get_refused(refuses: Call, kind: str, text: str, block: dict[str, str], path: str) -> None:
    refuses(kind, text, "data.get", block=block, path=path)


def test_edge_002_get_of_a_number_that_is_none(call: Call, refuses: Call, cube: bpy.types.Object) -> None:
    cube.location.y = math.nan
    refuses("bad_result", "value[1]: nan", "data.get", block=CUBE, path="location")
    cube["list"] = [0.0, math.inf]
    refuses("bad_result", "value[1]: inf", "data.get", block=CUBE, path='["list"]')


SETS: list[tuple[str, Any, Any]] = [
    ("location", [1, 2.5, 3], [1, 2.5, 3]),
    ("location[1]", 7, 7),
    ("matrix_world", [[1, 0, 0, 5], [0, 1, 0, 6], [0, 0, 1, 7], [0, 0, 0, 1]], None),
    ("matrix_world[0]", [1, 0, 0, 8], [1, 0, 0, 8]),
    ("matrix_world[2][3]", 9, 9),
    ("scale", {"$blob": [0, 12], "dtype": "<f4", "shape": [3]}, [1, 2, 3]),
    ("name", "Würfel", "Würfel"),
    ("hide_render", True, True),
    ("lock_location[1]", True, True),
    ("lock_scale", [True, False, True], [True, False, True]),
    ("pass_index", 32767, 32767),
    ("rotation_mode", "QUATERNION", "QUATERNION"),
    ("parent", {"collection": "objects", "name": "Other"}, {"type": "Object", "name": "Other"}),
    ("parent", None, None),
    ("modifiers[0].width", 0.25, 0.25),
    ("modifiers[0].limit_method", "ANGLE", "ANGLE"),
    ("data.polygons[0].use_smooth", True, True),
    ("data.vertices[0].co[2]", 3, 3),
    ('["number"]', 3, 3.0),
    ('["whole"]', 4, 4),
    ('["text"]', "é", "é"),
    ('["list"][0]', 9.5, 9.5),
    ('["list"]', [1, 2, 3], [1, 2, 3]),
    ('["group"]["a"]["b"][1]', 5, 5),
    ('["group"]["new"]', {"x": "y"}, {"x": "y"}),
    ('["new"]', True, True),
    ('["new"]', ["a", "b"], ["a", "b"]),
    ('["new"]', {"collection": "objects", "name": "Other"}, {"type": "Object", "name": "Other"}),
    ('["new"]', {"$blob": [0, 4]}, {"$blob": b"\0\0\x80?"}),
    ('["new"]', {"$blob": [0, 12], "dtype": "<f4"}, [1, 2, 3]),
    ("color", [0.5, 0.5, 0.5, 2], [0.5, 0.5, 0.5, 2]),
]


@pytest.mark.parametrize(("path", "value", "expected"), SETS)
def test_set(call: Call, path: str, value: Any, expected: Any) -> None:
    call("object.create", kind="empty", name="Other")
    blob = numpy.array([1, 2, 3], "<f4").tobytes()
    found = call("data.set", block=CUBE, path=path, value=value, blob=blob)
    again = call("data.get", block={**CUBE, "name": "Würfel" if path == "name" else "Cube"}, path=path)
    assert found == again and found["value"] == (value if path == "matrix_world" else expected)


def test_set_scene_properties(call: Call) -> None:
    for path, value in (
        ("render.engine", "CYCLES"),
        ("render.resolution_x", 640),
        ("frame_current", 12),
        ("view_layers[0].name", "Layer"),
        ("view_settings.view_transform", "Standard"),
        ("view_layers[0].objects.active", {"collection": "objects", "name": "Cube"}),
        ("view_settings.exposure", 0.1),
        ("tool_settings.snap_elements", ["VERTEX", "EDGE"]),
    ):
        found = call("data.set", block=SCENE, path=path, value=value)["value"]
        if path.endswith("active"):
            assert found == {"type": "Object", "name": "Cube"}
        elif isinstance(value, list):
            assert sorted(found) == sorted(value)
        else:
            assert found == (close(value) if isinstance(value, float) else value)


SET_REFUSED: list[tuple[str, str, Any]] = [
    ("it is read-only", "type", "EMPTY"),
    ("it is read-only", "bound_box[0][0]", 1),
    ("it is a collection", "modifiers", []),
    ("it is an item", "modifiers[0]", None),
    ("it is read-only", "display", None),
    ("expected an array of 3", "location", [1, 2]),
    ("expected an array of 3", "location", 1),
    ("expected an array of 3, got 'abc'", "location", "abc"),
    ("expected an array of 3", "location", {"$blob": [0, 8], "dtype": "<f4"}),
    ("expected an array of 3", "location", {"$blob": [0, 12]}),
    ("value[2]: expected a number, got '3'", "location", [1, 2, "3"]),
    ("value[0]: expected a number, got True", "location", [True, 2, 3]),
    ("value[0]: expected a number, got None", "location", [None, 2, 3]),
    ("expected an array of 4 x 4", "matrix_world", [0] * 16),
    ("value[1]: expected an array of 4", "matrix_world", [[0] * 4, [0] * 3, [0] * 4, [0] * 4]),
    ("expected an array of 4", "matrix_world[1]", 1),
    ("expected a number", "location[1]", [1]),
    ("expected true or false, got 1", "hide_render", 1),
    ("expected a whole number, got 1.5", "pass_index", 1.5),
    ("expected a whole number, got True", "pass_index", True),
    ("32768 is not within 0 and 32767", "pass_index", 32768),
    ("-1 is not within", "modifiers[0].width", -1),
    ("1e+39 is not within", "location[0]", 1e39),
    ("expected a text", "name", 1),
    ("the limit is", "name", "a" * 300),
    ("CONSTANT", "rotation_mode", "CONSTANT"),
    ("expected one of QUATERNION", "rotation_mode", 1),
    ("expected null or", "parent", "Cube"),
    ("expected null or", "parent", {"collection": "objects"}),
    ("expected null or", "parent", {"collection": "objects", "name": 1}),
    ("Mesh", "data", {"collection": "cameras", "name": "Camera"}),
    ("expected a ID", "data", None),
    ("cannot be null", '["number"]', None),
    ("does not take it", '["new"]', [1, "a"]),
    ("does not take it", '["new"]', 2**40),
    ("does not take it", '["' + "k" * 64 + '"]', 1),
    ("beyond the end", "location", {"$blob": [0, 100], "dtype": "<f4"}),
    ("no custom property 'no'", '["no"]["a"]', 1),
]


@pytest.mark.parametrize(("text", "path", "value"), SET_REFUSED, ids=lambda value: str(value)[:40])
def test_set_refused_changes_nothing(call: Call, refuses: Call, text: str, path: str, value: Any) -> None:
    call("object.create", kind="camera")
    before = call("object.get", name="Cube"), list(bpy.data.objects["Cube"].keys())
    error = refuses("invalid_params", text, "data.set", block=CUBE, path=path, value=value, blob=bytes(12))
    assert not error.started
    assert (call("object.get", name="Cube"), list(bpy.data.objects["Cube"].keys())) == before


def test_unknown_blocks_are_not_found(refuses: Call) -> None:
    missing = {"collection": "objects", "name": "None"}
    refuses("not_found", "'None'", "data.set", block=CUBE, path="parent", value=missing)
    refuses("not_found", "'None'", "data.set", block=CUBE, path='["a"]', value=missing)


def test_32_bit_limits_are_met_by_the_number_a_person_writes(call: Call) -> None:
    """A hard minimum of 0.1 is 0.100000001 as a 32-bit float."""
    bpy.data.cameras.new("C")
    definition = bpy.types.Camera.bl_rna.properties["lens"]
    block = {"collection": "cameras", "name": "C"}
    assert call("data.set", block=block, path="lens", value=definition.hard_min)["value"] == close(definition.hard_min)
    light = bpy.types.Camera.bl_rna.properties["clip_start"]
    short = float(f"{light.hard_min:.6g}")
    assert call("data.set", block=block, path="clip_start", value=short)["value"] == close(short)


def test_code_does_not_come_in_by_data(call: Call, refuses: Call, cube: bpy.types.Object) -> None:
    driver = cube.driver_add("location", 0).driver
    driver.type = "SCRIPTED"
    for path, value in (("expression", "__import__('os')"), ("type", "SCRIPTED")):
        refuses(
            "unsupported",
            "script.run",
            "data.set",
            block=CUBE,
            path=f"animation_data.drivers[0].driver.{path}",
            value=value,
        )


def test_custom_properties_reach_drivers(call: Call, cube: bpy.types.Object) -> None:
    driver = cube.driver_add("location", 0).driver
    driver.type = "AVERAGE"
    target = driver.variables.new().targets[0]
    target.id, target.data_path = cube, '["number"]'
    bpy.context.view_layer.update()
    call("data.set", block=CUBE, path='["number"]', value=12.5)
    bpy.context.view_layer.update()
    assert cube.location.x == 12.5


def test_image_pixels(call: Call, refuses: Call) -> None:
    bpy.data.images.new("Image", 32, 16, float_buffer=True)
    block = {"collection": "images", "name": "Image"}
    pixels = numpy.linspace(0, 1, 32 * 16 * 4, dtype="<f4")
    reference = {"$blob": [0, pixels.nbytes], "dtype": "<f4", "shape": [16, 32, 4]}
    found = call("data.set", block=block, path="pixels", value=reference, blob=pixels.tobytes())
    assert (found["value"], found["type"]) == (None, "FLOAT")
    found = call("data.get", block=block, path="pixels")["value"]
    assert (found["dtype"], found["shape"], bytes(found["$blob"])) == ("<f4", [2048], pixels.tobytes())
    assert call("data.get", block=block, path="pixels[2047]")["value"] == 1
    assert call("data.set", block=block, path="pixels[5]", value=0.5)["value"] == 0.5
    call("data.set", block=block, path="pixels", value=[0.25] * 2048)
    assert bpy.data.images["Image"].pixels[2047] == 0.25
    # Whole numbers are numbers.
    call("data.set", block=block, path="pixels", blob=bytes(2048), value={"$blob": [0, 2048], "dtype": "|u1"})
    assert bpy.data.images["Image"].pixels[0] == 0


BAD_PIXELS: list[tuple[str, Any]] = [
    ("expected 2048 numbers", numpy.zeros(2047, "<f4")),
    ("got 2048 of bool", numpy.zeros(2048, "|b1")),
    ("not all within", numpy.full(2048, math.nan, "<f4")),
    ("not all within", numpy.append(numpy.zeros(2047, "<f4"), numpy.float32("-inf"))),
    ("not all within", numpy.full(2048, 1e39, "<f8")),
]


@pytest.mark.parametrize(("text", "array"), BAD_PIXELS, ids=lambda value: str(value)[:20])
def test_edge_003_bulk_numbers_are_finite(refuses: Call, text: str, array: numpy.ndarray) -> None:
    image = bpy.data.images.new("Image", 32, 16, float_buffer=True)
    value = {"$blob": [0, array.nbytes], "dtype": array.dtype.str}
    block = {"collection": "images", "name": "Image"}
    before = list(image.pixels)
    refuses("invalid_params", text, "data.set", block=block, path="pixels", value=value, blob=array.tobytes())
    refuses("invalid_params", "expected 2048", "data.set", block=block, path="pixels", value=[[1], [1, 2]])
    refuses("invalid_params", "expected 2048", "data.set", block=block, path="pixels", value="a")
    assert list(image.pixels) == before


def test_paths_in_properties(call: Call, tmp_path: Any) -> None:
    """PATHS: a property that holds a path takes only allowed ones."""
    preferences = TurnPreferences(allowed_folders=(str(tmp_path),))
    inside = str(tmp_path / "frames") + "/"
    for value in ("", inside):
        found = call("data.set", block=SCENE, path="render.filepath", value=value, preferences=preferences)
        assert found["value"] == value
    for value in ("/etc/passwd", "../x", "//../x"):
        with pytest.raises(CommandError) as caught:
            call("data.set", block=SCENE, path="render.filepath", value=value, preferences=preferences)
        assert caught.value.kind == "path_not_allowed"
    assert bpy.context.scene.render.filepath == inside
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    found = call("data.set", block=SCENE, path="render.filepath", value="//out/", preferences=preferences)
    assert found["value"] == "//out/"


def test_linked_data_is_read_only(call: Call, refuses: Call, tmp_path: Any) -> None:
    path = str(tmp_path / "library.blend")
    bpy.data.libraries.write(path, {bpy.data.worlds.new("Sky")})
    bpy.data.worlds.remove(bpy.data.worlds["Sky"])
    with bpy.data.libraries.load(path, link=True) as (_, wanted):
        wanted.worlds = ["Sky"]
    block = {"collection": "worlds", "name": "Sky"}
    assert call("data.get", block=block, path="color")["readonly"]
    refuses("invalid_params", "linked from another file", "data.set", block=block, path="color", value=[1, 1, 1])
    assert call("data.get", block=block, path="name")["value"] == "Sky"
    # Local wins.
    bpy.data.worlds.new("Sky").color = (0.5, 0.5, 0.5)
    assert call("data.set", block=block, path="color", value=[1, 0, 0])["value"] == [1, 0, 0]
