# SPDX-License-Identifier: GPL-3.0-or-later
"""docs.get and docs.search, in a real Blender: what its Python API has, as it tells about itself."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bpy
import pytest
from conftest import Call

from addon import moments
from addon.commands import docs_index, docs_python, docs_types
from addon.context import window_context

METHODS = (Path(__file__).parents[2] / "docs/methods.md").read_text("utf-8")

NAMES: list[tuple[str, str, str]] = [
    ("Object", "type", "bpy.types.Object"),
    ("bpy.types.Object", "type", "bpy.types.Object"),
    (" Object ", "type", "bpy.types.Object"),
    ("bpy.data", "type", "bpy.types.BlendData"),
    ("bpy.context.scene", "property", "bpy.types.Context.scene"),
    ("bpy_struct", "type", "bpy.types.bpy_struct"),
    ("Object.location", "property", "bpy.types.Object.location"),
    ("bpy.types.Object.location", "property", "bpy.types.Object.location"),
    ("Object.children", "property", "bpy.types.Object.children"),
    ("bpy.context.scene.render.engine", "property", "bpy.types.RenderSettings.engine"),
    ('bpy.data.objects["Cube.001"].location', "property", "bpy.types.Object.location"),
    ("Object.modifiers.show_viewport", "property", "bpy.types.Modifier.show_viewport"),
    ("bpy.context.scene.cycles.samples", "property", "CyclesRenderSettings.samples"),
    ("CyclesRenderSettings", "type", "CyclesRenderSettings"),
    ("Mesh.from_pydata", "function", "bpy.types.Mesh.from_pydata"),
    ("Object.ray_cast", "function", "bpy.types.Object.ray_cast"),
    ("bpy.data.objects.new('a', None)", "function", "bpy.types.BlendDataObjects.new"),
    ("Object.modifiers.new", "function", "bpy.types.ObjectModifiers.new"),
    ("Object.keyframe_insert", "function", "bpy.types.Object.keyframe_insert"),
    ("mesh.primitive_cube_add", "operator", "bpy.ops.mesh.primitive_cube_add"),
    ("bpy.ops.mesh.primitive_cube_add()", "operator", "bpy.ops.mesh.primitive_cube_add"),
    ("MESH_OT_primitive_cube_add", "operator", "bpy.ops.mesh.primitive_cube_add"),
    ("bpy.types.MESH_OT_primitive_cube_add", "operator", "bpy.ops.mesh.primitive_cube_add"),
    ("mesh.primitive_cube_add.align", "property", "bpy.ops.mesh.primitive_cube_add.align"),
    ("bpy.ops.mesh", "module", "bpy.ops.mesh"),
    ("bpy.ops", "module", "bpy.ops"),
    ("object", "module", "bpy.ops.object"),
    ("ShaderNodeBsdfPrincipled", "node", "bpy.types.ShaderNodeBsdfPrincipled"),
    ("Principled BSDF", "node", "bpy.types.ShaderNodeBsdfPrincipled"),
    ("principled  bsdf", "node", "bpy.types.ShaderNodeBsdfPrincipled"),
    ("bpy", "module", "bpy"),
    ("bpy.utils", "module", "bpy.utils"),
    ("bpy.utils.register_class", "function", "bpy.utils.register_class"),
    ("bpy.app.version", "property", "bpy.app.version"),
    ("mathutils", "module", "mathutils"),
    ("mathutils.Vector", "type", "mathutils.Vector"),
    ("mathutils.Vector.lerp", "function", "mathutils.Vector.lerp"),
    ("mathutils.Vector.x", "property", "mathutils.Vector.x"),
    ("bmesh.ops.bevel", "function", "bmesh.ops.bevel"),
    (
        "bpy_extras.view3d_utils.location_3d_to_region_2d",
        "function",
        "bpy_extras.view3d_utils.location_3d_to_region_2d",
    ),
]


@pytest.fixture(autouse=True)
def no_trace() -> Iterator[None]:
    """Whatever a test asks, nothing of the file has changed."""

    def state() -> tuple[Any, ...]:
        blocks = sorted((type(data).__name__, data.name, data.users) for data in bpy.data.user_map())
        scene = bpy.context.scene
        return blocks, scene.render.engine, scene.view_settings.view_transform, bpy.data.is_dirty

    with window_context():
        bpy.ops.ed.undo_push(message="nothing")
        bpy.ops.mesh.primitive_cube_add()
        bpy.ops.ed.undo_push(message="a cube")
    before = state()
    yield
    after = state()
    assert set(after[0]) ^ set(before[0]) == set() and after == before
    bpy.context.view_layer.update()
    with window_context():
        assert bpy.ops.ed.undo() == {"FINISHED"} and "Cube" not in bpy.data.objects, "no undo step came between"


def rows(answer: dict[str, Any], section: str) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in answer[section]}


def whole(call: Call, name: str) -> dict[str, Any]:
    """All pages as one."""
    answer = page = call("docs.get", name=name)
    while page["next_cursor"] is not None:
        page = call("docs.get", name=name, cursor=page["next_cursor"])
        for section, found in page.items():
            if isinstance(found, list):
                answer.setdefault(section, []).extend(found)
    return answer


@pytest.mark.parametrize(("name", "kind", "full"), NAMES, ids=[row[0] for row in NAMES])
def test_names(call: Call, name: str, kind: str, full: str) -> None:
    answer = call("docs.get", name=name)
    assert (answer["kind"], answer["name"]) == (kind, full)
    assert answer["usage"] and answer["description"] is not None


UNKNOWN = [
    ("Objct", "not_found", "closest: Object"),
    ("Object.locaton", "not_found", "closest: location"),
    ("mesh.primitive_cub_add", "not_found", "closest: mesh.primitive_cube_add"),
    ("MESH_OT_primitive_cub_add", "not_found", "closest: mesh.primitive_cube_add"),
    ("bpy.ops.mesch", "not_found", "closest: mesh"),
    ("mathutils.Vectr", "not_found", "closest: Vector"),
    ("Principled BDSF", "not_found", "closest: Principled BSDF"),
    ("Object.location.x", "not_found", "location, which has no members"),
    ("mesh.primitive_cube_add.colour", "not_found", "in primitive_cube_add"),
    ("os.system", "not_found", "no 'os.system'"),
    ("bpy.utils._os.system", "not_found", "no '_os' in bpy.utils"),
    ("__import__('os')", "not_found", "no"),
    ("Switch", "invalid_params", "CompositorNodeSwitch, GeometryNodeSwitch"),
    ("bpy.types", "invalid_params", "docs.search"),
]


@pytest.mark.parametrize(("name", "kind", "text"), UNKNOWN, ids=[row[0] for row in UNKNOWN])
def test_unknown_names_tell_the_closest(refuses: Callable, name: str, kind: str, text: str) -> None:
    assert len(refuses(kind, text, "docs.get", name=name, cursor=None).message) < 500


PROPERTIES: list[tuple[str, dict[str, Any]]] = [
    (
        "Object.location",
        {"type": "FLOAT", "subtype": "TRANSLATION", "unit": "LENGTH", "array_length": 3, "default": [0.0] * 3},
    ),
    ("Object.hide_render", {"type": "BOOLEAN", "default": False}),
    ("Object.type", {"type": "ENUM", "readonly": True}),
    ("Object.parent", {"type": "POINTER", "target": "Object"}),
    ("Object.modifiers", {"type": "COLLECTION", "target": "Modifier"}),
    ("SubsurfModifier.levels", {"type": "INT", "default": 1, "min": 0, "max": 11, "soft_max": 6}),
    ("RenderSettings.filepath", {"type": "STRING", "subtype": "FILE_PATH"}),
    ("Camera.lens", {"type": "FLOAT", "default": 50.0, "min": 1.0}),
    ("object.bake.type", {"type": "ENUM", "default": "COMBINED"}),
    ("object.bake.pass_filter", {"type": "ENUM", "is_set": True, "default": []}),
]


@pytest.mark.parametrize(("name", "expected"), PROPERTIES, ids=[row[0] for row in PROPERTIES])
def test_properties(call: Call, name: str, expected: dict[str, Any]) -> None:
    told = call("docs.get", name=name)["property"]
    assert {key: told.get(key) for key in expected} == expected


def test_an_enumeration_tells_all_its_values(call: Call) -> None:
    answer = whole(call, "ObjectModifiers.new")
    assert "SUBSURF" in rows(answer, "parameters")["type"]["values"]
    answer = (
        whole(call, "UILayout.icon") if "icon" in bpy.types.UILayout.bl_rna.properties else whole(call, "Brush.blend")
    )
    values = {row["identifier"]: row for row in answer["values"]}
    assert len(values) > 20 and all(set(row) == {"identifier", "name", "description"} for row in values.values())


def test_what_blender_fills_at_run_time_is_asked_of_the_scene(call: Call) -> None:
    """RNA lists one engine, and one view transform that nobody has."""
    answer = call("docs.get", name="RenderSettings.engine")
    assert {"CYCLES", "BLENDER_WORKBENCH"} <= set(answer["property"]["values"])
    assert answer["usage"].startswith("bpy.context.scene.render.engine = 'BLENDER_EEVEE")
    answer = call("docs.get", name="ColorManagedViewSettings.view_transform")
    assert {"Standard", "AgX"} <= set(answer["property"]["values"])
    assert "TypeError" in call("docs.get", name="EnumProperty.default")["note"]


def test_a_node_tells_its_sockets(call: Call) -> None:
    answer = whole(call, "ShaderNodeBsdfPrincipled")
    sockets = rows(answer, "sockets")
    assert sockets["Base Color"]["type"] == "NodeSocketColor" and len(sockets["Base Color"]["default"]) == 4
    assert sockets["Roughness"] == {
        "name": "Roughness",
        "identifier": "Roughness",
        "direction": "input",
        "type": "NodeSocketFloatFactor",
        "default": 0.5,
        "min": 0.0,
        "max": 1.0,
    }
    assert sockets["BSDF"] == {
        "name": "BSDF",
        "identifier": "BSDF",
        "direction": "output",
        "type": "NodeSocketShader",
    }
    assert answer["usage"] == 'node = material.node_tree.nodes.new("ShaderNodeBsdfPrincipled")'
    mix = [row for row in whole(call, "ShaderNodeMix")["sockets"] if row["name"] == "A"]
    assert [row["identifier"] for row in mix if row.get("available", True)] == ["A_Float"] and len(mix) > 2
    assert whole(call, "GeometryNodeMeshCube")["sockets"][0]["default"] == [1.0, 1.0, 1.0]


UNTOLD = [("ShaderNode", "cannot be made in a tree of its own"), ("CompositorNodeRLayers", "of the scene")]


@pytest.mark.parametrize(("name", "reason"), UNTOLD)
def test_a_node_that_cannot_be_made_alone_says_so(call: Call, name: str, reason: str) -> None:
    answer = whole(call, name)
    assert "sockets" not in answer and reason in answer["note"]
    assert answer["properties"]


def test_nodes_of_others_are_not_made(call: Call) -> None:
    class Foreign(bpy.types.Node):
        """A node of an add-on."""

        bl_idname = "SpindleForeignNode"
        bl_label = "Foreign"

        def init(self, _: bpy.types.Context) -> None:
            raise AssertionError("its code ran")

    bpy.utils.register_class(Foreign)
    try:
        answer = call("docs.get", name="Foreign")
        assert answer["name"] == "SpindleForeignNode" and "add-on" in answer["note"]
        found = call("docs.search", query="SpindleForeignNode")["results"]
        assert found[0]["name"] == "SpindleForeignNode", "the index knows of classes that came"
    finally:
        bpy.utils.unregister_class(Foreign)
    assert not call("docs.search", query="SpindleForeignNode")["results"], "and that they went"


def test_code_of_add_ons_does_not_run_for_an_enumeration(call: Call) -> None:
    def items(_: bpy.types.Scene, __: bpy.types.Context) -> list[tuple[str, str, str]]:
        raise AssertionError("its code ran")

    bpy.types.Scene.spindle_test = bpy.props.EnumProperty(name="Test", items=items)
    try:
        answer = call("docs.get", name="Scene.spindle_test")
        assert answer["property"]["values"] == [] and "TypeError" in answer["note"]
    finally:
        del bpy.types.Scene.spindle_test


def test_while_something_renders_no_node_is_made(call: Call) -> None:
    with moments.own_render():
        assert "renders" in call("docs.get", name="ShaderNodeMath")["note"]


def test_bases_come_after_what_is_a_types_own(call: Call) -> None:
    answer = whole(call, "PointLight")
    names = [row["name"] for row in answer["properties"]]
    assert answer["base"] == "Light" and names.index("shadow_soft_size") < names.index("color") < names.index("name")
    told = rows(answer, "properties")
    assert "defined_by" not in told["shadow_soft_size"]
    assert (told["color"]["defined_by"], told["name"]["defined_by"]) == ("Light", "ID")
    assert rows(answer, "functions")["keyframe_insert"]["defined_by"] == "bpy_struct"
    assert len(names) == len(set(names)) and "rna_type" not in names


def test_functions(call: Call) -> None:
    answer = call("docs.get", name="Object.ray_cast")
    assert list(rows(answer, "parameters")) == ["origin", "direction", "distance", "depsgraph"]
    assert [row["name"] for row in answer["parameters"] if row.get("required")] == ["origin", "direction"]
    assert list(rows(answer, "returns")) == ["result", "location", "normal", "index"]
    assert answer["usage"] == ('result, location, normal, index = bpy.data.objects["Name"].ray_cast(origin, direction)')
    assert call("docs.get", name="Mesh.from_pydata")["usage"].startswith(
        'bpy.data.meshes["Name"].from_pydata(vertices, edges, faces'
    )
    assert call("docs.get", name="mathutils.Vector.lerp")["usage"].startswith(
        "import mathutils; mathutils.Vector.lerp(other, factor"
    )


def test_an_operator_tells_its_properties(call: Call) -> None:
    answer = call("docs.get", name="mesh.primitive_cube_add")
    told = rows(answer, "properties")
    assert told["size"]["default"] == 2.0 and told["align"]["values"] == ["WORLD", "VIEW", "CURSOR"]
    assert answer["usage"].startswith("bpy.ops.mesh.primitive_cube_add(size=2.0, calc_uvs=True")


def test_pages(call: Call, refuses: Callable) -> None:
    """All pages together are all rows, once each, in order."""
    first = call("docs.get", name="Object")
    assert first["next_cursor"] is not None
    answer = whole(call, "Object")
    properties = [row["name"] for row in answer["properties"]]
    known = {item.identifier for item in bpy.types.Object.bl_rna.properties} - {"rna_type"}
    assert known <= set(properties) and len(properties) == len(set(properties))
    for cursor in ("-1", "x", "99999", "²", ""):
        refuses("invalid_params", "cursor", "docs.get", name="Object", cursor=cursor)


def everything() -> Iterator[str]:
    yield from docs_types.type_names()
    for module in dir(bpy.ops):
        yield from (f"bpy.ops.{module}.{name}" for name in dir(getattr(bpy.ops, module)))
    yield from (name for name in docs_python.MODULES if docs_python.module(name) is not None)


def paths(value: Any, place: str = "") -> Iterator[str]:
    """Where the members of a result are, as docs/methods.md writes it: `properties[].name`."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield place + key
            yield from paths(inner, f"{place}{key}.")
    elif isinstance(value, list):
        for inner in value:
            yield from paths(inner, f"{place[:-1]}[].")


def documented(method: str) -> set[str]:
    section = METHODS.split(f"\n## `{method}`\n")[1].split("\n## ")[0].split("Result")[1]
    return set(re.findall(r"^\| `([\w.\[\]]+)` \|", section, re.MULTILINE))


def test_everything_can_be_asked(call: Call) -> None:
    """Every type, node, operator and module; an answer stays below what AI clients take, and is JSON of the members
    that are documented."""
    kinds: dict[str, int] = {}
    told = set()
    for name in everything():
        answer = call("docs.get", name=name)
        kinds[answer["kind"]] = kinds.get(answer["kind"], 0) + 1
        assert len(json.dumps(answer, allow_nan=False)) < 10_000, name
        told.update(paths(answer))
    assert told <= documented("docs.get")
    assert kinds["type"] > 2_000 and kinds["node"] > 400 and kinds["operator"] > 2_000 and kinds["module"] > 40


SEARCHES = [
    ("principled bsdf", None, "bpy.types.ShaderNodeBsdfPrincipled"),
    ("add cube", None, "bpy.ops.mesh.primitive_cube_add"),
    ("bpy.ops.mesh.primitive_cube_add", None, "bpy.ops.mesh.primitive_cube_add"),
    ("Object location", None, "bpy.types.Object.location"),
    ("subdivision surface", ["type"], "bpy.types.SubsurfModifier"),
    ("color ramp", ["node"], "bpy.types.ShaderNodeValToRGB"),
    ("extrude faces along normals", ["operator"], "bpy.ops.mesh.extrude_faces_move"),
    ("ray cast", ["function"], "bpy.types.Object.ray_cast"),
    ("vector lerp", None, "mathutils.Vector.lerp"),
    ("engines used for rendering", ["property"], "bpy.types.RenderSettings.engine"),
]


@pytest.mark.parametrize(("query", "kinds", "expected"), SEARCHES, ids=[row[0] for row in SEARCHES])
def test_search(call: Call, query: str, kinds: list[str] | None, expected: str) -> None:
    answer = call("docs.search", query=query, kinds=kinds)
    names = [row["name"] for row in answer["results"]]
    assert expected in names[:5], names
    assert kinds is None or {row["kind"] for row in answer["results"]} == set(kinds)
    assert all(len(row["description"]) <= docs_index.TEXT for row in answer["results"])
    assert len(names) == len(set(names))
    assert call("docs.get", name=names[0])["name"] == names[0], "what is found can be asked"


def test_pages_of_a_search(call: Call, refuses: Callable) -> None:
    first = call("docs.search", query="material", limit=10)
    second = call("docs.search", query="material", limit=10, cursor=first["next_cursor"])
    both = [row["name"] for row in (*first["results"], *second["results"])]
    assert len(set(both)) == 20 and first["total"] == second["total"] > 20
    assert both == [row["name"] for row in call("docs.search", query="material", limit=20)["results"]]
    nothing = call("docs.search", query="qqqqq")
    assert nothing == {"results": [], "total": 0, "next_cursor": None}
    assert call("docs.search", query="& ()")["total"] == 0
    refuses("invalid_params", "cursor", "docs.search", query="material", cursor="99999")


def test_the_index_is_read_in_parts_and_kept(call: Call) -> None:
    call("docs.search", query="a")
    assert docs_index.current() is docs_index.current()
    index = docs_index.Index()
    turns = 1
    while not index.grow(0.01):
        turns += 1
    assert turns > 2 and len(index) > 10_000
