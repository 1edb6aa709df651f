# SPDX-License-Identifier: GPL-3.0-or-later
"""object.* and scene.get, through the table, in a real Blender."""

from __future__ import annotations

import math
from typing import Any

import bpy
import pytest
from conftest import Call, close
from mathutils import Euler, Matrix, Vector

from addon.commands.creation import LIGHTS
from addon.commands.describe import EVALUATED, FIELDS
from addon.commands.primitives import PRIMITIVES

KINDS = [*PRIMITIVES, "mesh", "text", "empty", "camera", *LIGHTS]
OPERATORS = {name: getattr(bpy.ops.mesh, f"primitive_{name}_add") for name in PRIMITIVES}


def linked_object(tmp_path: Any, name: str, collection: bool = False) -> bpy.types.Object:
    """An object linked from another file, in the open scene."""
    source = bpy.data.objects.new(name, bpy.data.meshes.new(name))
    blocks: set[bpy.types.ID] = {source}
    if collection:
        group = bpy.data.collections.new("Group")
        group.objects.link(source)
        blocks = {group}
    path = str(tmp_path / "library.blend")
    bpy.data.libraries.write(path, blocks)
    bpy.data.objects.remove(source)
    with bpy.data.libraries.load(path, link=True) as (_, wanted):
        if collection:
            bpy.data.collections.remove(group)
            wanted.collections = ["Group"]
        else:
            wanted.objects = [name]
    if collection:
        bpy.context.scene.collection.children.link(wanted.collections[0])
        return wanted.collections[0].objects[0]
    bpy.context.scene.collection.objects.link(wanted.objects[0])
    return wanted.objects[0]


def surface(item: bpy.types.Object) -> list[float]:
    """The area of the faces, and how many of them look away from the origin."""
    faces = item.data.polygons
    return [sum(face.area for face in faces), sum(face.normal.dot(face.center) > 1e-6 for face in faces)]


@pytest.mark.parametrize("kind", PRIMITIVES)
def test_primitives_are_those_of_blender(call: Call, kind: str) -> None:
    ours = bpy.data.objects[call("object.create", kind=kind)["object"]["name"]]
    OPERATORS[kind]()
    theirs = bpy.context.object
    bpy.context.view_layer.update()
    assert ours.name.split(".")[0] == theirs.name.split(".")[0]
    assert list(ours.dimensions) == close(list(theirs.dimensions))
    for part in ("vertices", "edges", "polygons", "uv_layers"):
        assert len(getattr(ours.data, part)) == len(getattr(theirs.data, part)), part
    # The same surface, looking outwards where theirs does, with a UV map that is filled.
    assert surface(ours) == close(surface(theirs))
    if ours.data.polygons:
        assert len({tuple(corner.uv) for corner in ours.data.uv_layers[0].data}) > 3
    assert ours.data.validate() is False


def test_torus_faces_look_outwards(call: Call) -> None:
    torus = bpy.data.objects[call("object.create", kind="torus")["object"]["name"]]
    for face in torus.data.polygons:
        ring = Vector((face.center.x, face.center.y, 0)).normalized()
        assert face.normal.dot(face.center - ring) > 0


@pytest.mark.parametrize("kind", KINDS)
def test_create_every_kind(call: Call, kind: str) -> None:
    options: dict[str, Any] = {"vertices": [[0, 0, 0]]} if kind == "mesh" else {}
    made = call(
        "object.create",
        kind=kind,
        name="It",
        location=[1, 2, 3],
        rotation=[0.1, 0.2, 0.3],
        scale=[1, 2, 3],
        color=[0.1, 0.2, 0.3, 0.4],
        **options,
    )["object"]
    assert made.keys() == FIELDS.keys() - EVALUATED
    assert (made["name"], made["location"], made["scale"]) == ("It", [1, 2, 3], [1, 2, 3])
    assert made["rotation"] == close([0.1, 0.2, 0.3])
    assert made["collections"] == ["Scene Collection"] and not made["selected"]
    item = bpy.data.objects["It"]
    assert item.data is None if kind == "empty" else item.data.name == "It"
    if kind in LIGHTS:
        assert (item.data.type, list(item.data.color)) == (LIGHTS[kind], close([0.1, 0.2, 0.3]))
    else:
        assert made["color"] == close([0.1, 0.2, 0.3, 0.4])


def test_create_options(call: Call) -> None:
    bpy.data.materials.new("Red")
    bpy.context.scene.collection.children.link(bpy.data.collections.new("Set"))
    cube = call("object.create", kind="cube", size=3, smooth=True, material="Red", collection="Set")["object"]
    assert (cube["materials"], cube["collections"]) == (["Red"], ["Set"])
    assert call("object.get", name="Cube")["object"]["dimensions"] == close([3, 3, 3])
    assert all(face.use_smooth for face in bpy.data.meshes["Cube"].polygons)
    call("object.create", kind="text", text="", size=2)
    assert (bpy.data.curves["Text"].body, bpy.data.curves["Text"].size) == ("", 2)
    call("object.create", kind="camera", lens=85)
    assert bpy.data.cameras["Camera"].lens == 85 and bpy.context.scene.camera.name == "Camera"
    assert call("object.create", kind="camera")["object"]["name"] == "Camera.001"
    assert bpy.context.scene.camera.name == "Camera"
    call("object.create", kind="area_light", size=4, energy=7)
    assert (bpy.data.lights["Area"].size, bpy.data.lights["Area"].energy) == (4, 7)
    quad = {"vertices": [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], "faces": [[0, 1, 2, 3]]}
    mesh = call("object.create", kind="mesh", **quad)["object"]
    assert mesh["counts"] == {"vertices": 4, "edges": 4, "faces": 1}


CREATE_REFUSED: list[tuple[str, str, dict[str, Any]]] = [
    ("invalid_params", "size: a camera has none", {"kind": "camera", "size": 1}),
    ("invalid_params", "energy: a cube has none", {"kind": "cube", "energy": 0}),
    ("invalid_params", "lens: a empty has none", {"kind": "empty", "lens": 50}),
    ("invalid_params", "smooth: a text has none", {"kind": "text", "smooth": True}),
    ("invalid_params", "text: a cube", {"kind": "cube", "text": ""}),
    ("invalid_params", "material: a point_light", {"kind": "point_light", "material": "M"}),
    ("invalid_params", "vertices: a plane", {"kind": "plane", "vertices": []}),
    ("invalid_params", "only one of the two", {"kind": "cube", "rotation": [0, 0, 0], "look_at": [1, 0, 0]}),
    ("invalid_params", "there already", {"kind": "cube", "location": [1, 1, 1], "look_at": [1, 1, 1]}),
    ("invalid_params", "vertices: a mesh needs", {"kind": "mesh"}),
    ("invalid_params", "faces[0]: 2 vertices", {"kind": "mesh", "vertices": [[0, 0, 0]] * 3, "faces": [[0, 1]]}),
    (
        "invalid_params",
        "faces[1][2]: no vertex 3",
        {"kind": "mesh", "vertices": [[0, 0, 0]] * 3, "faces": [[0, 1, 2], [0, 1, 3]]},
    ),
    ("invalid_params", "a vertex twice", {"kind": "mesh", "vertices": [[0, 0, 0]] * 3, "faces": [[0, 1, 1]]}),
    ("invalid_params", "name: 256 bytes", {"kind": "cube", "name": "é" * 128}),
    ("not_found", "'None'", {"kind": "cube", "parent": "None"}),
    ("not_found", "'None'", {"kind": "cube", "collection": "None"}),
    ("not_found", "'None'", {"kind": "cube", "material": "None"}),
]


@pytest.mark.parametrize(("kind", "text", "params"), CREATE_REFUSED, ids=lambda value: str(value)[:30])
def test_create_refused_makes_nothing(refuses: Call, kind: str, text: str, params: dict[str, Any]) -> None:
    before = [len(blocks) for blocks in (bpy.data.objects, bpy.data.meshes, bpy.data.cameras, bpy.data.curves)]
    refuses(kind, text, "object.create", **params)
    after = [len(blocks) for blocks in (bpy.data.objects, bpy.data.meshes, bpy.data.cameras, bpy.data.curves)]
    assert before == after


def world(name: str) -> Matrix:
    bpy.context.view_layer.update()
    return bpy.data.objects[name].matrix_world.copy()


def flat(matrix: Matrix) -> list[float]:
    return [value for row in matrix for value in row]


def parents(call: Call) -> list[str]:
    """Parents of each sort: moved and turned, scaled unevenly, mirrored, and a child of those."""
    call("object.create", kind="empty", name="Turned", location=[1, 2, 3], rotation=[0.5, 1, 2])
    call("object.create", kind="empty", name="Scaled", location=[1, 2, 3], rotation=[0.5, 1, 2], scale=[1, 2, 0.5])
    call("object.create", kind="empty", name="Mirrored", rotation=[1, 0, 0], scale=[-1, 1, 1])
    call("object.create", kind="empty", name="Below", parent="Scaled", location=[0, 5, 0], rotation=[0, 0, 1])
    return ["Turned", "Scaled", "Mirrored", "Below"]


def test_create_below_a_parent_keeps_world_place(call: Call) -> None:
    for name in parents(call):
        child = call("object.create", kind="cube", parent=name, location=[4, 5, 6], rotation=[1, 2, 3])["object"]
        assert child["parent"] == name
        expected = Matrix.LocRotScale(Vector((4, 5, 6)), Euler((1, 2, 3)), None)
        assert flat(world(child["name"])) == close(flat(expected))
        bpy.data.objects.remove(bpy.data.objects[child["name"]])


def test_set_parent_keeps_world_place(call: Call) -> None:
    call("object.create", kind="cube", location=[4, 5, 6], rotation=[1, 2, 3], scale=[1, 1, 2])
    before = world("Cube")
    # From each parent to the next without looking in between, then to none.
    for name in [*parents(call), None]:
        assert call("object.set", name="Cube", parent=name)["object"]["parent"] == name
        assert flat(world("Cube")) == close(flat(before)), name
    call("object.set", name="Cube", parent="Turned", location=[7, 8, 9])
    assert list(world("Cube").translation) == close([7, 8, 9])
    # Not given is not null.
    assert call("object.set", name="Cube", scale=[1, 1, 1])["object"]["parent"] == "Turned"


def test_set_parent_from_bone_to_none(call: Call) -> None:
    armature = bpy.data.objects.new("Rig", bpy.data.armatures.new("Rig"))
    bpy.context.scene.collection.objects.link(armature)
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    bone = armature.data.edit_bones.new("Bone")
    bone.tail = (1, 1, 1)
    bpy.ops.object.mode_set(mode="OBJECT")
    call("object.create", kind="cube")
    cube = bpy.data.objects["Cube"]
    cube.parent, cube.parent_type, cube.parent_bone = armature, "BONE", "Bone"
    before = world("Cube")
    assert list(before.translation) == close([1, 1, 1])
    call("object.set", name="Cube", look_at=[10, 0, 0])
    assert (world("Cube").to_3x3() @ Vector((0, 1, 0))).dot(Vector((9, -1, -1)).normalized()) == close(1)
    before = world("Cube")
    call("object.set", name="Cube", parent=None)
    assert flat(world("Cube")) == close(flat(before)) and cube.parent_type == "OBJECT"


LOOKERS = [("camera", (0, 0, -1)), ("spot_light", (0, 0, -1)), ("cube", (0, 1, 0)), ("empty", (0, 1, 0))]
TARGETS = [(0, 0, 0), (3, -4, 1), (1, 2, 10), (1, 2, -10), (-5, 2, 3)]


@pytest.mark.parametrize(("kind", "ahead"), LOOKERS)
def test_look_at(call: Call, kind: str, ahead: tuple[float, float, float]) -> None:
    def check(target: Any) -> None:
        matrix = world("Looker")
        direction = (Vector(target) - matrix.translation).normalized()
        assert list((matrix.to_3x3() @ Vector(ahead)).normalized()) == close(list(direction))

    for target in TARGETS:
        call("object.create", kind=kind, name="Looker", location=[1, 2, 3], look_at=list(target))
        check(target)
        if kind == "camera" and (target[0], target[1]) != (1, 2):
            # Upright: the picture's horizontal axis is level.
            assert world("Looker").col[0].z == close(0)
        call("object.set", name="Looker", location=[-1, 0.5, 1], look_at=list(target))
        check(target)
        bpy.data.objects.remove(bpy.data.objects["Looker"])
    for name in parents(call):
        call("object.create", kind=kind, name="Looker", location=[1, 2, 3], parent=name)
        for target in TARGETS:
            call("object.set", name="Looker", look_at=list(target))
            check(target)
        call("object.set", name="Looker", parent=None, look_at=[9, 9, 9])
        check((9, 9, 9))
        bpy.data.objects.remove(bpy.data.objects["Looker"])


@pytest.mark.parametrize("mode", ["XYZ", "ZYX", "QUATERNION", "AXIS_ANGLE"])
def test_rotation_modes(call: Call, mode: str) -> None:
    call("object.create", kind="cube")
    bpy.data.objects["Cube"].rotation_mode = mode
    assert call("object.set", name="Cube", rotation=[0.1, 0.2, 0.3])["object"]["rotation"] == close([0.1, 0.2, 0.3])
    assert list(world("Cube").to_euler()) == close([0.1, 0.2, 0.3])
    if mode == "XYZ":
        assert call("object.set", name="Cube", rotation=[7, 0, 0])["object"]["rotation"] == close([7, 0, 0])


def test_set_everything(call: Call) -> None:
    call("object.create", kind="cube")
    call("object.create", kind="sun_light")
    bpy.data.materials.new("Red")
    for name in ("A", "B"):
        bpy.context.scene.collection.children.link(bpy.data.collections.new(name))
    call("object.set", name="Cube", collection="A")
    found = call(
        "object.set",
        name="Cube",
        rename="Box",
        location=[1, 2, 3],
        scale=[2, 2, 2],
        color=[1, 0, 0, 1],
        collection="B",
        material="Red",
        visible=True,
        renderable=False,
        selected=True,
        active=True,
    )["object"]
    assert found["name"] == "Box" and found["collections"] == ["B"] and found["materials"] == ["Red"]
    assert found["selected"] and found["visible"] and found["color"] == [1, 0, 0, 1]
    assert bpy.data.objects["Box"].hide_render and bpy.context.view_layer.objects.active.name == "Box"
    assert not call("object.set", name="Box", visible=False)["object"]["visible"]
    bpy.data.objects["Box"].hide_viewport = True
    assert call("object.set", name="Box", visible=True)["object"]["visible"]
    call("object.set", name="Sun", energy=5, color=[0, 1, 0, 1])
    assert (bpy.data.lights["Sun"].energy, bpy.data.lights["Sun"].color[:]) == (5, (0, 1, 0))
    # Nothing given, nothing changed.
    assert call("object.set", name="Box")["object"] == call("object.set", name="Box", rename="Box")["object"]


SET_REFUSED: list[tuple[str, str, dict[str, Any]]] = [
    ("not_found", "similar: Cube", {"name": "Cub"}),
    ("not_found", "'cube'", {"name": "cube"}),
    ("not_found", "'X'", {"name": "Cube", "parent": "X"}),
    ("not_found", "'X'", {"name": "Cube", "collection": "X"}),
    ("not_found", "'X'", {"name": "Cube", "material": "X"}),
    ("invalid_params", "only lights", {"name": "Cube", "energy": 1}),
    ("invalid_params", "named 'Sun'", {"name": "Cube", "rename": "Sun"}),
    ("invalid_params", "rename: 256 bytes", {"name": "Cube", "rename": "é" * 128}),
    ("invalid_params", "or below it", {"name": "Cube", "parent": "Cube"}),
    ("invalid_params", "or below it", {"name": "Cube", "parent": "Child"}),
    ("invalid_params", "scale of 0", {"name": "Cube", "parent": "Zero"}),
    ("invalid_params", "LIGHT, which has no materials", {"name": "Sun", "material": "Red"}),
    ("invalid_params", "only one", {"name": "Cube", "rotation": [0, 0, 0], "look_at": [0, 0, 0]}),
    ("invalid_params", "there already", {"name": "Cube", "look_at": [0, 0, 0]}),
    ("invalid_params", "there already", {"name": "Cube", "look_at": [5, 5, 5], "location": [5, 5, 5]}),
    ("invalid_params", "view layer", {"name": "Cube", "collection": "Excluded", "selected": True}),
    ("invalid_params", "view layer", {"name": "Hidden", "active": True}),
]


@pytest.mark.parametrize(("kind", "text", "params"), SET_REFUSED, ids=lambda value: str(value)[:30])
def test_set_refused_changes_nothing(call: Call, refuses: Call, kind: str, text: str, params: dict[str, Any]) -> None:
    call("object.create", kind="cube")
    call("object.create", kind="sun_light")
    call("object.create", kind="empty", name="Child", parent="Cube")
    call("object.create", kind="empty", name="Zero", scale=[0, 1, 1])
    bpy.data.materials.new("Red")
    excluded = bpy.data.collections.new("Excluded")
    bpy.context.scene.collection.children.link(excluded)
    call("object.create", kind="empty", name="Hidden", collection="Excluded")
    bpy.context.view_layer.layer_collection.children["Excluded"].exclude = True

    before = call("object.list", fields=[*FIELDS])
    # Also with changes that are right by themselves.
    refuses(kind, text, "object.set", **{"scale": [9, 9, 9], "color": [0, 0, 0, 1], **params})
    assert call("object.list", fields=[*FIELDS]) == before


def test_modes_are_respected(call: Call, refuses: Call) -> None:
    call("object.create", kind="cube")
    bpy.context.view_layer.objects.active = bpy.data.objects["Cube"]
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_all(action="SELECT")
    bpy.ops.mesh.subdivide()
    counts = call("object.get", name="Cube", fields=["counts"])["object"]["counts"]
    assert counts == {"vertices": 26, "edges": 48, "faces": 24}
    # Creating and changing go on as in Object Mode.
    assert call("object.create", kind="cube", name="Other")["object"]["counts"]["vertices"] == 8
    call("object.set", name="Cube", location=[1, 0, 0])
    refuses("command_failed", "mode EDIT", "object.set", name="Other", active=True)
    refuses("command_failed", "mode EDIT", "object.delete", names=["Other", "Cube"])
    assert bpy.context.mode == "EDIT_MESH" and "Other" in bpy.data.objects
    bpy.ops.object.mode_set(mode="OBJECT")


def test_linked_objects(call: Call, refuses: Call, tmp_path: Any) -> None:
    linked_object(tmp_path, "Shared")
    assert call("object.get", name="Shared", fields=["name"])["object"] == {"name": "Shared"}
    refuses("invalid_params", "linked from", "object.set", name="Shared", location=[0, 0, 0])
    # Local wins.
    call("object.create", kind="cube", name="Shared", location=[1, 1, 1])
    assert len(bpy.context.scene.objects) == 2
    assert call("object.get", name="Shared", fields=["location"])["object"] == {"location": [1, 1, 1]}
    page = call("object.list", limit=1)
    assert [item["name"] for item in page["objects"]] == ["Shared", "Shared"] and page["next_cursor"] is None
    assert call("object.delete", names=["Shared"]) == {"deleted": ["Shared"]}
    assert call("object.delete", names=["Shared"]) == {"deleted": ["Shared"]}
    assert not bpy.context.scene.objects


def test_linked_collections(call: Call, refuses: Call, tmp_path: Any) -> None:
    linked_object(tmp_path, "Shared", collection=True)
    call("object.create", kind="cube")
    refuses("invalid_params", "linked collection", "object.delete", names=["Cube", "Shared"])
    refuses("invalid_params", "linked from", "object.create", kind="cube", collection="Group")
    refuses("invalid_params", "linked from", "object.set", name="Cube", collection="Group")
    layer = bpy.context.view_layer
    layer.active_layer_collection = layer.layer_collection.children["Group"]
    assert call("object.create", kind="empty")["object"]["collections"] == ["Scene Collection"]


def test_delete_is_all_or_none(call: Call, refuses: Call) -> None:
    for _ in range(3):
        call("object.create", kind="cube")
    refuses("not_found", "'None'", "object.delete", names=["Cube", "None"])
    assert len(bpy.data.objects) == 3
    assert call("object.delete", names=["Cube", "Cube.002", "Cube"]) == {"deleted": ["Cube", "Cube.002"]}
    assert bpy.data.objects.keys() == ["Cube.001"]
    assert call("object.delete", names=[]) == {"deleted": []}


def test_objects_outside_the_scene_are_not_found(call: Call, refuses: Call) -> None:
    bpy.data.objects.new("Loose", None)
    other = bpy.data.scenes.new("Other")
    other.collection.objects.link(bpy.data.objects.new("Elsewhere", None))
    for name in ("Loose", "Elsewhere"):
        refuses("not_found", name, "object.get", name=name)
    assert call("object.list")["total"] == 0


def test_get_fields(call: Call) -> None:
    call("object.create", kind="cube", size=2, location=[1, 0, 0], rotation=[0, 0, math.pi / 4], scale=[1, 1, 2])
    bpy.data.objects["Cube"].modifiers.new("Bevel", "BEVEL")
    bpy.data.objects["Cube"].data.materials.append(None)
    found = call("object.get", name="Cube")["object"]
    assert list(found) == list(FIELDS)
    root = math.sqrt(2)
    assert found["bounds"] == close([[1 - root, -root, -2], [1 + root, root, 2]])
    assert found["dimensions"] == close([2, 2, 4])
    assert found["matrix"][0] == close([root / 2, -root / 2, 0, 1])
    assert found["modifiers"] == [{"name": "Bevel", "type": "BEVEL"}] and found["materials"] == [None]
    assert found["data"] == "Cube" and found["visible"] and not found["selected"]
    assert list(call("object.get", name="Cube", fields=["scale", "name"])["object"]) == ["scale", "name"]
    call("object.create", kind="empty")
    assert call("object.get", name="Empty", fields=["bounds", "counts"])["object"] == {"bounds": None, "counts": None}


def test_edge_002_numbers_that_are_not_finite_are_null(call: Call) -> None:
    """EDGE-002: what Blender itself holds may be no number; it does not leave as invalid JSON."""
    call("object.create", kind="cube")
    bpy.data.objects["Cube"].location = (math.nan, 0, 1)
    found = call("object.get", name="Cube")["object"]
    assert found["location"] == [None, 0, 1]


def test_list_pages(call: Call) -> None:
    for name in ("b", "B", "a.10", "a.9", "é", "c"):
        call("object.create", kind="empty", name=name)
    names = []
    cursor = None
    while True:
        page = call("object.list", limit=4, cursor=cursor, fields=["name"])
        names += [item["name"] for item in page["objects"]]
        assert page["total"] == 6
        cursor = page["next_cursor"]
        if cursor is None:
            break
        # What comes and goes between pages neither repeats nor hides the others.
        bpy.data.objects["a.10"].name = "A"
    assert names == ["B", "a.10", "a.9", "b", "c", "é"]
    assert call("object.list", cursor="zzz")["objects"][0]["name"] == "é"
    assert list(call("object.list")["objects"][0]) == ["name", "type", "location"]


def test_list_filters(call: Call, refuses: Call) -> None:
    tree = bpy.data.collections.new("Tree")
    branch = bpy.data.collections.new("Branch")
    bpy.context.scene.collection.children.link(tree)
    tree.children.link(branch)
    call("object.create", kind="cube")
    call("object.create", kind="camera", collection="Tree")
    call("object.create", kind="cube", name="Cube[1]", collection="Branch")
    call("object.set", name="Cube", selected=True)
    call("object.set", name="Camera", visible=False)
    rows: list[tuple[dict[str, Any], list[str]]] = [
        ({}, ["Camera", "Cube", "Cube[1]"]),
        (
            {"name": None, "types": None, "collection": None, "selected": None, "visible": None},
            ["Camera", "Cube", "Cube[1]"],
        ),
        ({"name": "Cube*"}, ["Cube", "Cube[1]"]),
        ({"name": "cube*"}, []),
        ({"name": "C?[bm]e"}, ["Cube"]),
        ({"name": "C?[bm]*"}, ["Camera", "Cube", "Cube[1]"]),
        ({"name": "Cube[[]1]"}, ["Cube[1]"]),
        ({"types": ["CAMERA", "LIGHT"]}, ["Camera"]),
        ({"types": []}, []),
        ({"collection": "Tree"}, ["Camera", "Cube[1]"]),
        ({"collection": "Branch", "types": ["MESH"]}, ["Cube[1]"]),
        ({"selected": True}, ["Cube"]),
        ({"visible": False}, ["Camera"]),
        ({"visible": True, "selected": False}, ["Cube[1]"]),
    ]
    for wanted, expected in rows:
        assert [item["name"] for item in call("object.list", filter=wanted)["objects"]] == expected, wanted
    refuses("invalid_params", "no type 'CUBE'", "object.list", filter={"types": ["CUBE"]})
    refuses("not_found", "similar: Tree", "object.list", filter={"collection": "Tre"})
    found = call("object.list", fields=["name", "collections"])["objects"]
    assert [item["collections"] for item in found] == [["Tree"], ["Scene Collection"], ["Branch"]]


def test_scene_get(call: Call) -> None:
    found = call("scene.get")
    assert (found["name"], found["file"], found["objects"], found["active_object"]) == ("Scene", "", {}, None)
    for _ in range(3):
        call("object.create", kind="cube")
    call("object.create", kind="camera")
    call("object.set", name="Cube", selected=True, active=True)
    a, b, shared = (bpy.data.collections.new(name) for name in ("A", "B", "Shared"))
    for collection in (a, b):
        bpy.context.scene.collection.children.link(collection)
        collection.children.link(shared)
    bpy.context.scene.render.fps_base = 1.001
    found = call("scene.get")
    assert found["objects"] == {"MESH": 3, "CAMERA": 1}
    assert found["collections"] == ["A", "Shared", "B"]
    assert (found["active_object"], found["selected"], found["camera"]) == ("Cube", ["Cube"], "Camera")
    assert found["frames"] == {"current": 1, "start": 1, "end": 250, "fps": close(24 / 1.001)}
    assert found["render"] == {
        "engine": bpy.context.scene.render.engine,
        "width": 1920,
        "height": 1080,
        "percentage": 100,
    }
    assert (found["mode"], found["unit_system"], found["unit_scale"]) == ("OBJECT", "METRIC", 1)


def test_scene_get_is_bounded(call: Call) -> None:
    for index in range(150):
        item = bpy.data.objects.new(f"O{index}", None)
        bpy.context.scene.collection.objects.link(item)
        item.select_set(True)
    root = bpy.context.scene.collection
    for index in range(1_100):
        root.children.link(bpy.data.collections.new(f"C{index}"))
    found = call("scene.get")
    assert (len(found["selected"]), len(found["collections"]), found["objects"]) == (100, 1_000, {"EMPTY": 150})
