# SPDX-License-Identifier: GPL-3.0-or-later
"""operator.call in a real Blender, and the moments in which nothing is called. PATHS for path properties."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any, ClassVar

import bpy
import pytest
from conftest import Call, close

from addon import moments
from addon.errors import CommandError
from addon.turn import TurnPreferences


def test_call(call: Call) -> None:
    assert call("operator.call", operator="mesh.primitive_cube_add", properties={"size": 3, "location": [1, 2, 3]}) == {
        "status": ["FINISHED"]
    }
    assert list(bpy.data.objects["Cube"].dimensions) == close([3, 3, 3])
    call("operator.call", operator="object.select_all", properties={"action": "DESELECT"})
    assert not bpy.context.selected_objects
    call("operator.call", operator="mesh.primitive_plane_add", properties={"align": "WORLD", "calc_uvs": False})


def test_modes_and_arrays(call: Call) -> None:
    call("object.create", kind="cube")
    call("object.set", name="Cube", selected=True, active=True)
    bpy.ops.object.mode_set(mode="EDIT")
    call("operator.call", operator="mesh.select_mode", properties={"type": "EDGE"})
    call("operator.call", operator="mesh.select_all", properties={"action": "SELECT"})
    call("operator.call", operator="mesh.delete", properties={"type": "ONLY_FACE"})
    bpy.ops.object.mode_set(mode="OBJECT")
    assert len(bpy.data.meshes["Cube"].polygons) == 0
    properties = {"value": [1, 0, 0], "constraint_axis": [True, False, False]}
    call("operator.call", operator="transform.translate", properties=properties)
    assert bpy.data.objects["Cube"].location.x == 1


REFUSED: list[tuple[str, str, str, dict[str, Any]]] = [
    ("not_found", "similar: mesh.primitive_cube_add", "mesh.primitive_cub_add", {}),
    ("not_found", "no operator 'nothing.here'", "nothing.here", {}),
    (
        "invalid_params",
        "properties.sice: there is no such property; known: size",
        "mesh.primitive_cube_add",
        {"sice": 1},
    ),
    ("invalid_params", "properties.size: expected a number", "mesh.primitive_cube_add", {"size": "1"}),
    ("invalid_params", "properties.size: -1 is not within", "mesh.primitive_cube_add", {"size": -1}),
    ("invalid_params", "properties.location: expected an array of 3", "mesh.primitive_cube_add", {"location": [1]}),
    ("invalid_params", "properties.align: expected one of WORLD", "mesh.primitive_cube_add", {"align": 1}),
    ("invalid_params", '"UP" not found', "mesh.primitive_cube_add", {"align": "UP"}),
    ("invalid_params", "properties.rna_type", "mesh.primitive_cube_add", {"rna_type": None}),
    ("invalid_params", "properties.files[0].nam: there is no", "image.open", {"files": [{"nam": "a"}]}),
    ("invalid_params", "properties.files: expected an array", "image.open", {"files": "a"}),
    ("path_not_allowed", "outside", "image.open", {"filepath": "/etc/passwd"}),
    ("path_not_allowed", "'..'", "image.open", {"directory": "/tmp/../etc/"}),
    ("path_not_allowed", "'..'", "image.open", {"directory": "/tmp/", "files": [{"name": "../etc/passwd"}]}),
    ("path_not_allowed", "'..'", "wm.append", {"directory": "/tmp/", "filename": "a/../../b"}),
    ("path_not_allowed", "outside", "wm.obj_export", {"filepath": "/etc/a.obj"}),
    ("path_not_allowed", "never saved", "wm.obj_import", {"filepath": "//a.obj"}),
    ("command_failed", "poll", "mesh.subdivide", {}),
    ("command_failed", "poll", "object.mode_set", {"mode": "EDIT"}),
    ("unsupported", "file.open", "wm.open_mainfile", {}),
    ("unsupported", "file.open", "wm.recover_last_session", {}),
    ("unsupported", "file.open", "wm.revert_mainfile", {}),
    ("unsupported", "file.new", "wm.read_factory_settings", {}),
    ("unsupported", "file.new", "wm.read_homefile", {}),
    ("unsupported", "file.save", "wm.save_as_mainfile", {}),
    ("unsupported", "preferences", "wm.save_userpref", {}),
    ("unsupported", "end Blender", "wm.quit_blender", {}),
    ("unsupported", "end Blender", "wm.window_close", {}),
    ("unsupported", "render.image", "render.render", {}),
    ("unsupported", "edit.undo", "ed.undo_push", {}),
    ("unsupported", "edit.redo", "ed.redo", {}),
    ("unsupported", "script.run", "script.python_file_run", {"filepath": "/tmp/a.py"}),
    ("unsupported", "script.run", "text.run_script", {}),
    ("unsupported", "data.set", "wm.context_set_value", {"data_path": "x", "value": "__import__('os')"}),
    ("unsupported", "add-ons", "preferences.addon_disable", {"module": "x"}),
]


@pytest.mark.parametrize(("kind", "text", "operator", "properties"), REFUSED)
def test_refused(refuses: Call, kind: str, text: str, operator: str, properties: dict[str, Any]) -> None:
    error = refuses(kind, text, "operator.call", operator=operator, properties=properties)
    assert error.started is False
    assert not bpy.data.objects


def test_unknown_area(refuses: Call) -> None:
    refuses("invalid_params", "no area type 'VIEW3D'", "operator.call", operator="object.delete", area="VIEW3D")
    refuses("unsupported", "no area of type CONSOLE", "operator.call", operator="console.clear", area="CONSOLE")


@pytest.mark.skipif(bpy.app.background, reason="needs a window")
def test_areas(call: Call, refuses: Call) -> None:
    # This one needs the area: its poll says so without.
    refuses("command_failed", "poll", "operator.call", operator="view3d.snap_cursor_to_center")
    assert call("operator.call", operator="view3d.snap_cursor_to_center", area="VIEW_3D")["status"] == ["FINISHED"]
    call("object.create", kind="cube")
    call("object.set", name="Cube", selected=True, active=True)
    properties = {"value": [1, 0, 0], "orient_matrix": [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}
    call("operator.call", operator="transform.translate", properties=properties, area="VIEW_3D")
    assert bpy.data.objects["Cube"].location.x == 1


@pytest.mark.skipif(not bpy.app.background, reason="needs to have no window")
def test_areas_without_a_window(refuses: Call) -> None:
    operator = "view3d.snap_cursor_to_center"
    refuses("unsupported", "without a window", "operator.call", operator=operator, area="VIEW_3D")


class Fails(bpy.types.Operator):
    """Fails as it is told to."""

    bl_idname = "spindle_test.fails"
    bl_label = "Fails"
    raises: bpy.props.BoolProperty()  # type: ignore[valid-type]
    choice: bpy.props.EnumProperty(  # type: ignore[valid-type]
        items=[("A", "A", ""), ("B", "B", "")], options={"ENUM_FLAG"}
    )
    square: bpy.props.FloatVectorProperty(size=(3, 3), subtype="MATRIX")  # type: ignore[valid-type]
    oblong: bpy.props.FloatVectorProperty(size=(2, 3), subtype="MATRIX")  # type: ignore[valid-type]
    seen: ClassVar[list[Any]] = []

    def execute(self, context: bpy.types.Context) -> set[str]:
        if self.raises:
            raise ValueError("a fault of its own")
        self.seen[:] = [[list(row) for row in value] for value in (self.square, self.oblong)]
        if self.choice == {"A", "B"}:
            self.report({"ERROR"}, "both at once")
            return {"CANCELLED"}
        return {"CANCELLED"}


def test_failing_operators(call: Call, refuses: Call) -> None:
    bpy.utils.register_class(Fails)
    try:
        name = "spindle_test.fails"
        rows = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
        properties: dict[str, Any] = {"choice": ["A"], "square": rows, "oblong": rows[:2]}
        assert call("operator.call", operator=name, properties=properties) == {"status": ["CANCELLED"]}
        assert Fails.seen == [rows, rows[:2]]
        for text, properties in (
            ("a fault of its own", {"raises": True}),
            ("both at once", {"choice": ["B", "A"]}),
        ):
            error = refuses("command_failed", text, "operator.call", operator=name, properties=properties)
            assert error.started is True
        refuses(
            "invalid_params",
            "expected an array of one of A, B",
            "operator.call",
            operator=name,
            properties={"choice": "A"},
        )
        refuses(
            "invalid_params", "not found in ('A', 'B')", "operator.call", operator=name, properties={"choice": ["C"]}
        )
    finally:
        bpy.utils.unregister_class(Fails)


def test_paths_of_operators_are_resolved(call: Call, tmp_path: Path) -> None:
    """PATHS: what an operator gets is the resolved path, `//` too."""
    preferences = TurnPreferences(allowed_folders=(str(tmp_path),))
    call("object.create", kind="cube")
    for folder in ("real", "blend"):
        (tmp_path / folder).mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    exported = {"filepath": str(tmp_path / "link" / "a.obj")}
    call("operator.call", operator="wm.obj_export", properties=exported, preferences=preferences)
    assert (tmp_path / "real" / "a.obj").is_file()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "blend" / "a.blend"))
    call("operator.call", operator="wm.obj_export", properties={"filepath": "//b.obj"}, preferences=preferences)
    assert (tmp_path / "blend" / "b.obj").is_file()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "blend" / "c.blend"), copy=True)
    folder = str(tmp_path / "blend" / "c.blend" / "Object") + "/"
    append = {"directory": folder, "filename": "Cube"}
    call("operator.call", operator="wm.append", properties=append, preferences=preferences)
    assert "Cube.001" in bpy.data.objects


def test_no_unsafe_moment_now() -> None:
    moments.refuse_unsafe_moment()


def test_unsafe_moments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a window there are neither render jobs nor modal operators, so Blender's answers are stood in for."""
    operator = types.SimpleNamespace(bl_idname="TRANSFORM_OT_translate", name="Move")

    def blender(renders: bool, *windows: Any) -> Any:
        return types.SimpleNamespace(
            app=types.SimpleNamespace(is_job_running=lambda job: renders and job == "RENDER"),
            context=types.SimpleNamespace(window_manager=types.SimpleNamespace(windows=windows)),
        )

    idle, old = types.SimpleNamespace(modal_operators=[]), types.SimpleNamespace()
    busy = types.SimpleNamespace(modal_operators=[operator])
    for answers, text in (
        (blender(True, idle), "rendering"),
        (blender(False, idle, busy), "'Move' is active"),
    ):
        monkeypatch.setattr(moments, "bpy", answers)
        with pytest.raises(CommandError, match=text) as caught:
            moments.refuse_unsafe_moment()
        assert (caught.value.kind, caught.value.started) == ("busy", False)
    monkeypatch.setattr(moments, "bpy", blender(False, idle, old))
    moments.refuse_unsafe_moment()
