# SPDX-License-Identifier: GPL-3.0-or-later
"""compat.read beside the add-on whose clients it serves: both answer the same commands about the same scene, in this
very process, and the answers are compared field by field. Then what strangers may send."""

from __future__ import annotations

import importlib.util
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import pytest
from benches import peer
from conftest import Call
from mathutils import Matrix
from spindle._native import native

from addon import native as loader
from addon.commands import compat, compat_info
from addon.errors import CommandError
from addon.turn import Turn

SERVICES = ("polyhaven", "hyper3d", "sketchfab", "polypizza", "hunyuan3d", "meshy")

SETTINGS = {f"blendermcp_use_{service}": False for service in SERVICES} | {"blendermcp_hunyuan3d_mode": "LOCAL_API"}
"""Of the scene, as the peer's registration adds them; nothing else of it is registered here."""

WORDS = frozenset({"detail", "note", "message", "error", "warnings"})
"""Members that hold texts for people, which each side says in its own words."""

DIGESTS = frozenset({"material_fps", "world_fp"})
"""Members that clients only compare with what they were before."""

HERE = {
    "name": "Spindle",
    "spindle": native.VERSION,
    "addon_version": [int(part) for part in native.VERSION.split(".")],
}
"""What is not the same, as another add-on answers."""


DIALECT = Path(__file__).parents[2] / "native" / "core" / "src" / "dialect.rs"


def test_the_listener_knows_the_same_commands() -> None:
    """What it does not know is refused there, and never comes here."""
    listed = re.findall(r'^    "(\w+)",$', DIALECT.read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(compat.COMMANDS)


@pytest.fixture(autouse=True)
def version_of_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a built add-on around it, the commands find the library itself."""
    monkeypatch.setattr(loader, "load", lambda: native)


@pytest.fixture
def theirs(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Call a command of the peer's add-on: its whole reply."""
    for name, value in SETTINGS.items():
        monkeypatch.setattr(bpy.types.Scene, name, value, raising=False)
    spec = importlib.util.spec_from_file_location("peer_addon", peer.downloaded())
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    server = module.BlenderMCPServer()
    return lambda command, **params: server._execute_command_internal({"type": command, "params": params})


@pytest.fixture
def scene(tmp_path: Path) -> bpy.types.Scene:
    """Some of everything that the commands tell of, and both exporters, of which another test disables one."""
    bpy.ops.preferences.addon_enable(module="io_scene_fbx")
    data, scene = bpy.data, bpy.context.scene
    bpy.ops.mesh.primitive_cube_add(location=(1.23456, 2, 3), rotation=(0.5, 0, 0.25), scale=(1, 2, 0.5))
    cube = bpy.context.object
    cube.data.materials.append(data.materials.new("Paint"))
    cube.data.materials.append(None)
    if bpy.app.version < (5, 0):
        cube.data.materials[0].use_nodes = True
    data.materials.new("Unused")
    bpy.ops.object.light_add(type="SPOT", location=(0, 0, 6))
    bpy.context.object.data.energy = 123.456789
    bpy.ops.object.camera_add(location=(7, -7, 5), rotation=(1.1, 0, 0.8))
    scene.camera = bpy.context.object
    bpy.ops.object.empty_add(location=(-4, 0, 0))
    props = data.collections.new("Props")
    scene.collection.children.link(props)
    _add_monkey(props, cube)
    scene.world = data.worlds.new("World")
    scene.frame_set(3)
    for number in range(12):
        props.objects.link(data.objects.new(f"Cube.{number + 100}", None))
    bpy.context.view_layer.update()
    return scene


def _add_monkey(collection: bpy.types.Collection, parent: bpy.types.Object) -> None:
    """One that hangs on others and moves."""
    bpy.ops.mesh.primitive_monkey_add(location=(0, 4, 0))
    monkey = bpy.context.object
    monkey.parent, monkey.rotation_mode = parent, "QUATERNION"
    collection.objects.link(monkey)
    bpy.context.scene.collection.objects.unlink(monkey)
    monkey.modifiers.new("Smooth", "SUBSURF")
    monkey.constraints.new("TRACK_TO").target = bpy.context.scene.camera
    monkey.constraints.new("LIMIT_SCALE")
    monkey.data.materials.append(bpy.data.materials["Paint"])
    for frame, place in ((1, 0.0), (20, 2.5)):
        monkey.location.x = place
        monkey.keyframe_insert("location", frame=frame)
    monkey.driver_add("scale", 0)
    monkey.animation_data.nla_tracks.new().name = "Track"


def looking_down(scale: float = 0.1) -> dict[str, Any]:
    """The parameters of a picture of 400 by 200 pixels that looks straight down from a height of 20, and shows 10
    units to each side."""
    place, lens = Matrix.Translation((0, 0, -20)), Matrix.Diagonal((scale, scale, -0.01, 1))
    matrices = {key: [list(row) for row in rows] for key, rows in (("view_matrix", place), ("window_matrix", lens))}
    return {"width": 400, "height": 200} | matrices


ROWS: list[tuple[str, dict[str, Any]]] = [
    ("get_addon_info", {}),
    ("get_scene_info", {}),
    ("get_world_state_snapshot", {}),
    *(("get_object_info", {"name": name}) for name in ("Cube", "Suzanne", "Spot", "Camera", "Empty")),
    *(
        ("list_scene_items", params)
        for params in (
            {},
            {"query": "cu"},
            {"query": " PAINT "},
            {"query": "e"},
            {"query": "nothing"},
            {"limit": 2},
            {"limit": -5},
            {"limit": 1_000_000},
            {"query": None, "limit": None},
            {"limit": 0},
        )
    ),
    *(
        ("describe_node_type", {"bl_idname": name})
        for name in ("ShaderNodeBsdfPrincipled", "ShaderNodeMath", "ShaderNodeTexSky", "GeometryNodeObjectInfo")
    ),
    ("describe_node_type", {"bl_idname": "ShaderNodeMix", "property_overrides": {"data_type": "RGBA"}}),
    ("describe_node_type", {"bl_idname": "GeometryNodeSwitch", "property_overrides": {"input_type": "OBJECT"}}),
    ("describe_node_type", {"bl_idname": "ShaderNodeMath", "property_overrides": {"operation": "NO"}}),
    ("describe_node_type", {"bl_idname": "ShaderNodeMath", "property_overrides": {"use_clamp": True}}),
    ("describe_node_type", {"bl_idname": "ShaderNodeTex"}),
    ("describe_node_type", {"bl_idname": "Object"}),
    *(
        ("bpy_api_lookup", {"query": query})
        for query in (
            "Object",
            "bpy.types.Object",
            "ShaderNodeTexSky.sky_type",
            "Object.location",
            "Object.ray_cast",
            "Object.children",
            "RenderSettings.resolution_x",
            "bpy.ops.mesh.primitive_cube_add",
            "bpy.ops.mesh.primitive_cube_add(size=2)",
            "ops.object.bake",
            "bpy.ops.mesh",
            "bpy.ops.mesh.no_such_thing",
            "NoSuchType",
            "Object.locatio",
            "Mesh.no_such_thing",
            "",
            "  ",
            "bpy.types",
        )
    ),
    ("drain_human_activity", {}),
    ("get_telemetry_consent", {}),
    *((f"get_{service}_status", {}) for service in (*SERVICES, "tripo")),
    *(
        ("pick_viewport_object", looking_down() | {"x": x, "y": y} | more)
        for x, y, more in (
            (0.56, 0.4, {}),
            (0.3, 0.5, {}),
            (0.5, 0.5, {}),
            (0.51, 0.49, {}),
            (0.02, 0.98, {}),
            (0.56, 0.4, {"file": "", "scene": "Scene"}),
            (0.5, 0.5, {"file": "/another.blend"}),
            (0.5, 0.5, {"scene": "Another"}),
        )
    ),
    ("export_scene", {"filepath": "{tmp}/new/all.glb"}),
    ("export_scene", {"filepath": "{tmp}/one.glb", "object_names": ["Cube"], "format": "GLB"}),
    ("export_scene", {"filepath": "{tmp}/selected.glb", "selection_only": True, "apply_modifiers": False}),
    ("export_scene", {"filepath": "{tmp}/one.fbx", "object_names": ["Cube", ""], "format": "fbx"}),
    ("export_scene", {"filepath": "{tmp}/no.glb", "object_names": ["None"]}),
]


def check(call: Call, theirs: Callable[..., dict[str, Any]], command: str, params: dict[str, Any]) -> None:
    """Ours is what theirs is, but for the words and for what is named above."""
    reply = theirs(command, **params)
    assert reply["status"] == "success", reply
    ours = call("compat.read", command=command, params=params)
    json.dumps(ours, allow_nan=False)
    expected = reply["result"] | (HERE if command == "get_addon_info" else {})
    compare(expected, ours, command)


def compare(theirs: Any, ours: Any, path: str) -> None:
    """Fails with the path of the first difference."""
    if isinstance(theirs, dict):
        assert isinstance(ours, dict) and ours.keys() - missing(theirs) == theirs.keys(), (path, theirs.keys() ^ ours)
        for key, value in theirs.items():
            if key in WORDS:
                assert isinstance(value, type(ours[key])) and ours[key] and value, (path, key)
            elif key == "did_you_mean":
                # Ours names nodes alone where it is asked for one, and close names where none has the text in it.
                assert set(ours[key]) <= set(value) if value else isinstance(ours[key], list), (path, value, ours[key])
            elif key in DIGESTS:
                compare(shape(value), shape(ours[key]), f"{path}.{key}")
            else:
                compare(value, ours[key], f"{path}.{key}")
    elif isinstance(theirs, (list, tuple)):
        assert len(theirs) == len(ours), (path, theirs, ours)
        for index, (left, right) in enumerate(zip(theirs, ours, strict=True)):
            compare(left, right, f"{path}[{index}]")
    elif isinstance(theirs, float):
        assert ours == pytest.approx(theirs, rel=1e-5, abs=1e-5), (path, theirs, ours)
    else:
        assert theirs == ours and type(theirs) is type(ours), (path, theirs, ours)


def missing(theirs: dict[str, Any]) -> set[str]:
    """What theirs has lost in this Blender: from 5.0 on an action has its curves elsewhere."""
    return {"animation"} if bpy.app.version >= (5, 0) and theirs.get("name") == "Suzanne" else set()


def shape(digest: Any) -> Any:
    """Whose digests, and of how many digits."""
    if isinstance(digest, dict):
        return {name: shape(value) for name, value in digest.items()}
    return len(digest) if digest is not None else None


@pytest.mark.usefixtures("scene")
@pytest.mark.parametrize(("command", "params"), ROWS, ids=[f"{name} {params}"[:60] for name, params in ROWS])
def test_the_answers_are_theirs(
    call: Call, theirs: Callable[..., dict[str, Any]], tmp_path: Path, command: str, params: dict[str, Any]
) -> None:
    if "filepath" in params:
        params = params | {"filepath": params["filepath"].format(tmp=tmp_path)}
    check(call, theirs, command, params)


def test_every_command_has_a_row() -> None:
    compared = {command for command, _ in ROWS}
    assert set(compat.COMMANDS) - compared == {"get_viewport_screenshot", "set_telemetry_consent"}
    assert set(compat_info.CAPABILITIES) - {"execute_code"} <= set(compat.COMMANDS)


def test_what_is_animated_is_told_in_every_blender(call: Call, scene: bpy.types.Scene) -> None:
    told = call("compat.read", command="get_world_state_snapshot", params={})["objects"]
    assert next(row["animation"] for row in told if row["name"] == "Suzanne") == {
        "action": scene.objects["Suzanne"].animation_data.action.name,
        "channels": [{"data_path": "location", "array_index": axis, "keyframes": 2} for axis in range(3)],
        "keyframe_count": 6,
        "frame_range": [1.0, 20.0],
        "driver_count": 1,
        "nla_tracks": ["Track"],
    }


def _set_value(tree: bpy.types.NodeTree) -> None:
    tree.nodes["Principled BSDF"].inputs["Roughness"].default_value = 0.25


CHANGES: dict[str, Callable[[Any], Any]] = {
    "value": _set_value,
    "link": lambda tree: tree.links.clear(),
    "node": lambda tree: tree.nodes.new("ShaderNodeMath"),
}


@pytest.mark.usefixtures("scene")
@pytest.mark.parametrize("change", CHANGES)
def test_a_digest_changes_with_its_material(call: Call, change: str) -> None:
    def digest() -> str:
        return call("compat.read", command="get_world_state_snapshot", params={})["material_fps"]["Paint"]

    before = digest()
    assert digest() == before and int(before, 16) >= 0
    CHANGES[change](bpy.data.materials["Paint"].node_tree)
    assert digest() != before


def test_a_picture_is_written(call: Call, scene: bpy.types.Scene, tmp_path: Path) -> None:
    """Theirs makes none without a window; with one, tests/window compares both."""
    file = tmp_path / "new" / "a.PNG"
    scene.render.engine = "BLENDER_WORKBENCH"
    told = call("compat.read", command="get_viewport_screenshot", params={"filepath": str(file), "max_size": 64})
    assert file.read_bytes().startswith(b"\x89PNG") and told["success"] is True and told["filepath"] == str(file)
    assert (told["width"], told["height"], told["scene_count"], told["scene"]) == (64, 36, 1, "Scene")
    assert told["method"].startswith("render (") and "error" not in told


@pytest.mark.usefixtures("scene")
def test_an_export_leaves_everything_as_it_was(call: Call, tmp_path: Path) -> None:
    """The selection, the active object and the mode, which decide what is exported, are the user's."""
    layer = bpy.context.view_layer
    layer.objects.active = bpy.data.objects["Cube"]
    bpy.data.objects["Cube"].select_set(True)
    bpy.ops.object.mode_set(mode="EDIT")

    def state() -> Any:
        return [item.name for item in layer.objects.selected], layer.objects.active.name, bpy.context.mode

    before = state()
    params = {"filepath": str(tmp_path / "a.glb"), "object_names": ["Suzanne"]}
    assert call("compat.read", command="export_scene", params=params)["exported"] == ["Suzanne"]
    assert state() == before and before[2] == "EDIT_MESH"


def test_an_exporter_that_is_switched_off(refuses: Callable[..., CommandError], tmp_path: Path) -> None:
    bpy.ops.preferences.addon_enable(module="io_scene_fbx")
    bpy.ops.preferences.addon_disable(module="io_scene_fbx")
    params = {"filepath": str(tmp_path / "a.fbx"), "format": "fbx"}
    refuses("command_failed", "switched off", "compat.read", command="export_scene", params=params)
    assert not (tmp_path / "a.fbx").exists()


CONSENT = [({}, {"consent": False}), ({"consent": False}, {"consent": False}), ({"consent": None}, {"consent": False})]


@pytest.mark.parametrize(("params", "answer"), CONSENT)
def test_nobody_consents_for_the_user(call: Call, params: dict[str, Any], answer: dict[str, Any]) -> None:
    assert call("compat.read", command="set_telemetry_consent", params=params) == answer
    assert "error" in call("compat.read", command="set_telemetry_consent", params={"consent": True})
    assert call("compat.read", command="get_telemetry_consent", params={}) == {"consent": False}


PICTURE = "get_viewport_screenshot"
NOWHERE = looking_down(0.0)

REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    ("no_such_command", {}, "not_found", "Unknown command type: no_such_command"),
    ("execute_code", {"code": "1"}, "not_found", "Unknown command type"),
    ("__class__", {}, "not_found", "Unknown command type"),
    ("get_object_info", {"name": "No Such"}, "not_found", "no object 'No Such' in bpy.data.objects"),
    ("get_object_info", {}, "invalid_params", "name: get_object_info needs it"),
    ("get_object_info", {"name": None}, "invalid_params", "needs it"),
    ("get_object_info", {"name": ["Cube"]}, "invalid_params", "a text"),
    ("get_object_info", {"name": "x" * 5000}, "invalid_params", "at most 4096 characters"),
    ("get_object_info", {"name": "Cube", "other": 1}, "invalid_params", "unexpected keyword argument"),
    ("get_scene_info", {"self": 1}, "invalid_params", "which takes none"),
    ("list_scene_items", {"limit": "10"}, "invalid_params", "a number"),
    ("list_scene_items", {"limit": math.nan}, "invalid_params", "a number"),
    ("list_scene_items", {"limit": True}, "invalid_params", "a number"),
    ("describe_node_type", {"bl_idname": "ShaderNodeMath", "property_overrides": [1]}, "invalid_params", "an object"),
    ("set_telemetry_consent", {"consent": "yes"}, "invalid_params", "true or false"),
    (PICTURE, {}, "invalid_params", "say where"),
    (PICTURE, {"filepath": "/etc/spindle.png"}, "path_not_allowed", "'/etc/spindle.png' is outside the allowed"),
    (PICTURE, {"filepath": "/etc/spindle.png"}, "path_not_allowed", "Spindle's preferences can allow more"),
    (PICTURE, {"filepath": "{tmp}/../../../etc/a.png"}, "path_not_allowed", "'..'"),
    (PICTURE, {"filepath": "{tmp}/out/a.png"}, "path_not_allowed", "outside"),
    (PICTURE, {"filepath": "{tmp}/a\0.png"}, "path_not_allowed", "NUL"),
    (PICTURE, {"filepath": "a.png"}, "path_not_allowed", "not absolute"),
    (PICTURE, {"filepath": "{tmp}/scene.blend"}, "invalid_params", "does not end in .png"),
    (PICTURE, {"filepath": "{tmp}/a.jpg", "format": "jpg"}, "invalid_params", "known: png"),
    (PICTURE, {"filepath": "{tmp}/folder.png"}, "invalid_params", "is a folder"),
    (PICTURE, {"filepath": "{tmp}/file/a.png"}, "command_failed", "cannot be written"),
    (PICTURE, {"filepath": "{tmp}/a.png", "max_size": math.nan}, "invalid_params", "a number from 1"),
    (PICTURE, {"filepath": "{tmp}/a.png", "max_size": 0}, "invalid_params", "a number from 1"),
    (PICTURE, {"filepath": "{tmp}/a.png", "max_size": -1e400}, "invalid_params", "a number from 1"),
    ("export_scene", {}, "invalid_params", "say where"),
    ("export_scene", {"filepath": "/etc/a.glb"}, "path_not_allowed", "outside"),
    ("export_scene", {"filepath": "{tmp}/a.obj", "format": "obj"}, "invalid_params", "known: glb, fbx"),
    ("export_scene", {"filepath": "{tmp}/a.blend"}, "invalid_params", "does not end in .glb"),
    ("export_scene", {"filepath": "{tmp}/a.glb", "object_names": "Cube"}, "invalid_params", "a list"),
    ("export_scene", {"filepath": "{tmp}/a.glb", "object_names": [1]}, "invalid_params", "a list"),
    ("pick_viewport_object", {}, "invalid_params", "view_matrix"),
    ("pick_viewport_object", NOWHERE | {"x": 0.5, "y": 0.5}, "invalid_params", "of no view"),
    ("pick_viewport_object", looking_down() | {"x": math.nan, "y": 0}, "invalid_params", "from 0 to 1"),
    ("pick_viewport_object", looking_down() | {"x": 0, "y": 7}, "invalid_params", "from 0 to 1"),
    ("pick_viewport_object", looking_down(math.inf) | {"x": 0, "y": 0}, "invalid_params", "four rows of four numbers"),
    ("pick_viewport_object", looking_down() | {"x": 0, "y": 0, "view_matrix": [[1]]}, "invalid_params", "four rows"),
]


@pytest.mark.parametrize(("command", "params", "kind", "text"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_refused(
    refuses: Callable[..., CommandError], tmp_path: Path, command: str, params: dict[str, Any], kind: str, text: str
) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "out").symlink_to("/etc")
    if "filepath" in params:
        params = params | {"filepath": params["filepath"].replace("{tmp}", str(tmp_path))}
    refuses(kind, text, "compat.read", command=command, params=params)


OVERRIDES = {"bl_idname": "x", "__class__": 1, "$blob": [0, 9], "parent": None, "operation": 7, "location": [1]}


@pytest.mark.parametrize(("name", "value"), OVERRIDES.items(), ids=OVERRIDES)
def test_only_what_decides_about_sockets_is_set(call: Call, name: str, value: Any) -> None:
    params = {"bl_idname": "ShaderNodeMath", "property_overrides": {name: value}}
    told = call("compat.read", command="describe_node_type", params=params)
    assert len(told["warnings"]) == 1 and len(told["inputs"]) == 3
    json.dumps(told, allow_nan=False)


def test_numbers_that_are_none_are_null(call: Call, scene: bpy.types.Scene) -> None:
    scene.objects["Cube"].location = (math.nan, 2, 1)
    scene.objects["Spot"].location = scene.objects["Suzanne"].scale = [math.nan] * 3
    for command, params in ROWS[:6]:
        json.dumps(call("compat.read", command=command, params=params), allow_nan=False)
    assert call("compat.read", command="get_scene_info", params={})["objects"][0]["location"] == [None, 2, 1]


def test_what_is_told_as_an_error_is_a_failure_to_the_user() -> None:
    """The panel and the log say so, though to the protocol it is a result."""
    turn = Turn("test", 1, "compat.read")
    told = compat.read(turn, command="bpy_api_lookup", params={"query": "NoSuchType"})
    assert turn.failure == ("command_failed", told["error"])
