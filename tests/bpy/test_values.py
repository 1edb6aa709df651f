# SPDX-License-Identifier: GPL-3.0-or-later
"""Values to JSON and blob references to bytes, with real Blender values. EDGE-002 and EDGE-003 on the way out."""

from __future__ import annotations

import collections
import datetime
import enum
import json
import math
import os
import pathlib
import subprocess
import sys
from typing import Any

import bmesh
import bpy
import numpy
import pytest
from conftest import close
from mathutils import Color, Euler, Matrix, Quaternion, Vector

from addon.errors import CommandError
from addon.values import ITEMS, ValueFault, plain, resolve_blobs


class Shade(enum.Enum):
    DARK = "dark"


Pair = collections.namedtuple("Pair", "a b")

PLAIN: list[tuple[Any, Any]] = [
    (None, None),
    (True, True),
    (-(2**63), -(2**63)),
    (2**64 - 1, 2**64 - 1),
    (1.5, 1.5),
    ("é😀", "é😀"),
    ([1, (2, [3])], [1, [2, [3]]]),
    ({"a": {1: (), -2: {}}}, {"a": {"1": [], "-2": {}}}),
    (Pair(1, 2), [1, 2]),
    (collections.OrderedDict(a=1), {"a": 1}),
    (collections.deque([1, 2]), [1, 2]),
    (range(3), [0, 1, 2]),
    ({"b": 1, "a": 2}.keys(), ["a", "b"]),
    ({"b": 1}.values(), [1]),
    ({3, 1, 2}, [1, 2, 3]),
    (frozenset("ba"), ["a", "b"]),
    ({"a", 1}, ["a", 1]),
    (Shade.DARK, "dark"),
    (datetime.date(2026, 1, 2), "2026-01-02"),
    (datetime.datetime(2026, 1, 2, 3, tzinfo=datetime.UTC), "2026-01-02T03:00:00+00:00"),
    (pathlib.PurePosixPath("/a/b"), "/a/b"),
    (Vector((1, 2, 3)), [1, 2, 3]),
    (Color((0, 0.5, 1)), [0, 0.5, 1]),
    (Euler((1, 2, 3)), [1, 2, 3]),
    (Quaternion(), [1, 0, 0, 0]),
    (Matrix.Identity(2), [[1, 0], [0, 1]]),
    (b"ab", {"$blob": b"ab"}),
    (bytearray(b"ab"), {"$blob": b"ab"}),
    (memoryview(b"abcd")[::2], {"$blob": b"ac"}),
    ({"$blob": b"png", "media_type": "image/png"}, {"$blob": b"png", "media_type": "image/png"}),
    (numpy.float32(1.5), 1.5),
    (numpy.float64(1.5), 1.5),
    (numpy.int8(-3), -3),
    (numpy.bool_(True), True),
    (numpy.str_("a"), "a"),
    (numpy.array(2.5), 2.5),
    (numpy.array(["a", "b"]), ["a", "b"]),
]


@pytest.mark.parametrize(("value", "expected"), PLAIN, ids=lambda value: repr(value)[:40])
def test_plain(value: Any, expected: Any) -> None:
    found = plain(value)
    assert found == expected
    # None of our subclasses and mathutils types is left; what remains is exactly what JSON has.
    json.dumps(found, default=lambda item: "bytes" if isinstance(item, (bytes, bytearray, memoryview)) else 1 / 0)


ARRAYS = [
    (numpy.arange(6, dtype="f4").reshape(2, 3), "<f4", [2, 3]),
    (numpy.arange(6, dtype=">i2"), "<i2", [6]),
    (numpy.asfortranarray(numpy.arange(6, dtype="f8").reshape(2, 3)), "<f8", [2, 3]),
    (numpy.arange(12, dtype="u1")[::3], "|u1", [4]),
    (numpy.array([True, False]), "|b1", [2]),
    (numpy.zeros((0, 3), "f4"), "<f4", [0, 3]),
]


@pytest.mark.parametrize(("array", "dtype", "shape"), ARRAYS, ids=lambda value: str(value)[:20])
def test_numpy_arrays_are_blobs(array: numpy.ndarray, dtype: str, shape: list[int]) -> None:
    found = plain(array)
    assert (found["dtype"], found["shape"]) == (dtype, shape)
    data = bytes(found["$blob"])
    assert data == array.astype(dtype).tobytes()
    # And the way back.
    back = resolve_blobs({"$blob": [2, len(data)], "dtype": dtype, "shape": shape}, b"xx" + data)
    assert numpy.array_equal(back, array) and not back.flags.writeable


class Odd:
    pass


def nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


def cycle() -> Any:
    value: dict[str, Any] = {"a": [1]}
    value["a"].append(value)
    return value


FAULTS: list[tuple[Any, str, str]] = [
    (math.nan, "value", "nan"),
    ({"points": [0, 1, 2, math.inf]}, 'value["points"][3]', "inf"),
    (Vector((0, math.nan, 0)), "value[1]", "nan"),
    (Color((0, 0, math.inf)), "value[2]", "inf"),
    (Matrix(((1, 0), (0, math.nan))), "value[1][1]", "nan"),
    (numpy.float32("nan"), "value", "nan"),
    (2**64, "value", "64 bits"),
    (["\ud800"], "value[0]", "surrogate"),
    (print, "value", "builtin_function_or_method"),
    ([Odd()], "value[0]", "Odd"),
    ([Odd], "value[0]", "type"),
    (bpy.types.Object, "value", "meta"),
    ({1.5: 1}, "value", "1.5"),
    ({None: 1}, "value", "None"),
    ({True: 1}, "value", "True"),
    ({'a"b': print}, 'value["a\\"b"]', "builtin"),
    ({1: 1, "1": 2}, "value", "two keys"),
    ({"$blob": [0, 1]}, 'value["$blob"]', "bytes"),
    (nested(51), "value" + "[0]" * 50, "deeper than 50"),
    (cycle(), 'value["a"][1]', "itself"),
    ([[0] * ITEMS], f"value[0][{ITEMS - 1}]", "more than"),
    (1j, "value", "complex"),
    (numpy.zeros(2, "c8"), "value", "complex64"),
    (numpy.longdouble(1), "value", "no JSON form"),
    (numpy.zeros(2, [("a", "i4")]), "value", "no JSON form"),
]


@pytest.mark.parametrize(("value", "path", "reason"), FAULTS, ids=range(len(FAULTS)))
def test_edge_002_edge_003_faults(value: Any, path: str, reason: str) -> None:
    with pytest.raises(ValueFault) as caught:
        plain(value)
    assert caught.value.path.startswith(path) and reason in caught.value.reason, str(caught.value)


def test_sizes_that_just_fit() -> None:
    assert plain(nested(50)) == nested(50)
    assert len(plain([0] * ITEMS)) == ITEMS


def test_blender_values() -> None:
    mesh = bpy.data.meshes.new("Mesh")
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    item = bpy.data.objects.new("Ob'ject", mesh)
    item.modifiers.new('Be"vel', "BEVEL")
    item["group"] = {"numbers": [1, 2], "text": "a", "who": item}
    reference = {"type": "Object", "name": "Ob'ject"}
    rows: list[tuple[Any, Any]] = [
        (item, reference),
        (item.location, [0, 0, 0]),
        (item.lock_location, [False] * 3),
        (item.matrix_world, [list(row) for row in Matrix.Identity(4)]),
        (item["group"], {"numbers": [1, 2], "text": "a", "who": reference}),
        (item["group"]["numbers"], [1, 2]),
        (bpy.data.objects, [reference]),
        ({"found": [item]}, {"found": [reference]}),
        (mesh.polygons[0].vertices, [0, 1, 2]),
        (bpy.context.scene.render, {"type": "RenderSettings", "path": "bpy.data.scenes['Scene'].render"}),
        (bpy.app.version, list(bpy.app.version)),
        (bpy.data, {"type": "BlendData"}),
    ]
    for value, expected in rows:
        assert plain(value) == expected
    modifier = plain(item.modifiers[0])
    assert (modifier["type"], modifier["name"]) == ("BevelModifier", 'Be"vel')
    # The path is Python that finds it again.
    assert eval(modifier["path"], {"bpy": bpy}) == item.modifiers[0]
    assert plain(mesh.vertices)[1]["path"] == "bpy.data.meshes['Mesh'].vertices[1]"


def test_removed_data_blocks_are_a_fault() -> None:
    item = bpy.data.objects.new("Gone", None)
    bpy.data.objects.remove(item)
    with pytest.raises(ValueFault, match="no longer"):
        plain([1, item])


def test_bmesh_has_no_form() -> None:
    shape = bmesh.new()
    with pytest.raises(ValueFault, match="BMesh"):
        plain(shape)
    shape.free()


def test_numpy_is_not_imported_for_others() -> None:
    code = (
        "import sys, types, bpy; m = types.ModuleType('addon'); m.__path__ = [sys.argv[-1]]; sys.modules['addon'] = m\n"
        "before = 'numpy' in sys.modules\n"
        "from addon.values import plain, resolve_blobs, ValueFault\n"
        "plain([1, {'a': 2}]); resolve_blobs({'a': {'$blob': [0, 1]}}, b'x')\n"
        "try: plain([print])\nexcept ValueFault: pass\n"
        "assert before or 'numpy' not in sys.modules"
    )
    addon = sys.modules["addon"].__path__[0]
    if os.path.basename(sys.executable).startswith("blender") or bpy.app.binary_path:
        pytest.skip("only the bpy module can be started as a Python")
    subprocess.run([sys.executable, "-c", code, addon], check=True)


BLOB = b"0123456789"
RESOLVED: list[tuple[Any, Any]] = [
    (1, 1),
    ({"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}),
    ({"$blob": [2, 3]}, b"234"),
    ({"$blob": [10, 0]}, b""),
    ({"$blob": [0, 1], "media_type": "image/png"}, b"0"),
    ({"a": [{"$blob": [9, 1]}]}, {"a": [b"9"]}),
]


@pytest.mark.parametrize(("value", "expected"), RESOLVED, ids=repr)
def test_resolve_blobs(value: Any, expected: Any) -> None:
    assert resolve_blobs(value, BLOB) == expected


def test_resolve_arrays() -> None:
    data = numpy.arange(4, dtype="<f4").tobytes()
    assert resolve_blobs({"$blob": [0, 16], "dtype": "<f4"}, data).tolist() == [0, 1, 2, 3]
    assert resolve_blobs({"$blob": [0, 16], "dtype": "<f4", "shape": [2, 2]}, data).tolist() == [[0, 1], [2, 3]]
    assert resolve_blobs({"$blob": [4, 0], "dtype": "<i4", "shape": [0, 3]}, data).shape == (0, 3)
    shifted = resolve_blobs({"$blob": [1, 16], "dtype": "<f4"}, b"x" + data)
    assert shifted.tolist() == close([0, 1, 2, 3]) and shifted.flags.aligned and not shifted.flags.writeable


BAD_REFERENCES: list[tuple[dict[str, Any], str]] = [
    ({"$blob": [0, 11]}, "beyond the end of the blob of 10 bytes"),
    ({"$blob": [11, 0]}, "beyond"),
    ({"$blob": [2**62, 2**62]}, "beyond"),
    ({"$blob": [-1, 1]}, "expected"),
    ({"$blob": [0]}, "expected"),
    ({"$blob": [0, 1.0]}, "expected"),
    ({"$blob": [0, True]}, "expected"),
    ({"$blob": "0,1"}, "expected"),
    ({"$blob": None}, "expected"),
    ({"$blob": [0, 1], "other": 1}, "expected"),
    ({"$blob": [0, 1], "shape": [1]}, "needs a dtype"),
    ({"$blob": [0, 8], "dtype": "O"}, "dtype"),
    ({"$blob": [0, 8], "dtype": "<U2"}, "dtype"),
    ({"$blob": [0, 8], "dtype": "f8, i4"}, "dtype"),
    ({"$blob": [0, 8], "dtype": 4}, "dtype"),
    ({"$blob": [0, 5], "dtype": "<f4"}, "do not hold"),
    ({"$blob": [0, 8], "dtype": "<f4", "shape": [3]}, "do not hold 3 items"),
    ({"$blob": [0, 8], "dtype": "<f4", "shape": [-1]}, "shape"),
    ({"$blob": [0, 8], "dtype": "<f4", "shape": 2}, "shape"),
    ({"$blob": [0, 0], "dtype": "<f4", "shape": [0] * 33}, "shape"),
]


@pytest.mark.parametrize(("reference", "problem"), BAD_REFERENCES, ids=repr)
def test_bad_references(reference: dict[str, Any], problem: str) -> None:
    with pytest.raises(CommandError) as caught:
        resolve_blobs({"a": [reference]}, BLOB)
    assert caught.value.kind == "invalid_params" and problem in caught.value.message
