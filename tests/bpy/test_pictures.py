# SPDX-License-Identifier: GPL-3.0-or-later
"""view.capture and the renders, headless, in a real Blender. With a window: tests/window/pictures_check.py."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import bpy
import pytest
from conftest import Call
from mathutils import Vector

from addon import moments
from addon.commands import render, render_job, render_scene, view
from addon.errors import CommandError
from addon.turn import Turn

SMALL = {"width": 64, "height": 48}
CAPTURE: dict[str, Any] = SMALL | {"from": "viewport", "shading": None, "overlays": False, "objects": None}
BROKEN_EGL = "/nonexistent"


def image(call: Call, **params: Any) -> dict:
    names = "engine width height samples camera frame path".split()
    return call("render.image", **dict.fromkeys(names) | {"engine": "cycles", "samples": 4} | SMALL | params)


def capture(call: Call, **params: Any) -> dict:
    return call("view.capture", **CAPTURE | params)


def pixels(png: bytes) -> list[tuple[float, ...]]:
    """The picture as Blender reads it, RGBA per pixel, the lowest row first."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "picture.png")
        file.write_bytes(png)
        data = bpy.data.images.load(str(file))
        values = list(data.pixels)
        bpy.data.images.remove(data)
    return list(zip(*[iter(values)] * 4, strict=True))


def is_seen(colours: list[tuple[float, ...]], width: int, height: int) -> bool:
    """Whether the middle differs from the corner."""
    return any(abs(a - b) > 0.02 for a, b in zip(colours[0], colours[width * (height // 2) + width // 2], strict=True))


@pytest.fixture
def cube() -> bpy.types.Object:
    """A cube, a camera that sees it, and a sun that shines the same way."""
    bpy.ops.mesh.primitive_cube_add()
    cube = bpy.context.object
    bpy.ops.object.camera_add(location=(5, -5, 4))
    camera = bpy.context.object
    camera.rotation_euler = camera.location.to_track_quat("Z", "Y").to_euler()
    bpy.ops.object.light_add(type="SUN", rotation=camera.rotation_euler)
    bpy.context.object.data.energy = 5
    bpy.context.scene.camera = camera
    return cube


@pytest.fixture(autouse=True)
def nothing_left(cube: bpy.types.Object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever a test does, no data-block, setting or file of a picture stays."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def state() -> tuple:
        scene = bpy.context.scene
        settings = [getattr(scene.render, name) for name in ("engine", "resolution_x", "filepath", "use_compositing")]
        # 4.2 counts a user too many for each collection of a scene that was copied.
        users = bpy.app.version >= (4, 3, 0)
        blocks = sorted((type(data).__name__, data.name, users and data.users) for data in bpy.data.user_map())
        files = [path.name for path in Path(tempfile.gettempdir()).glob("spindle-*")]
        return blocks, settings, scene.frame_current, scene.camera and scene.camera.name, files, bpy.data.is_dirty

    before = state()
    yield
    for name in [scene.name for scene in bpy.data.scenes if scene.name == "Other"]:
        bpy.data.scenes.remove(bpy.data.scenes[name])
    assert state()[1:5] == before[1:5] or bpy.context.scene.get("changed")
    assert state()[0] == before[0] or bpy.context.scene.get("changed")


def changed() -> None:
    """The test itself changes the file."""
    bpy.context.scene["changed"] = True


def test_image_is_a_png_of_the_asked_size(call: Call) -> None:
    result = image(call)
    assert (result["width"], result["height"], result["engine"], result["path"]) == (64, 48, "CYCLES", None)
    colours = pixels(result["image"]["$blob"])
    assert len(colours) == 64 * 48 and is_seen(colours, 64, 48)


def test_workbench_renders(call: Call) -> None:
    result = image(call, engine="workbench", samples=6)
    assert result["engine"] == "BLENDER_WORKBENCH" and is_seen(pixels(result["image"]["$blob"]), 64, 48)


def test_one_side_is_as_the_scene_says(call: Call) -> None:
    changed()
    bpy.context.scene.render.resolution_y = 100
    bpy.context.scene.render.resolution_percentage = 50
    result = image(call, width=20, height=None, samples=1)
    assert (result["width"], result["height"]) == (20, 50)


def test_path_is_taken_as_it_is(call: Call, tmp_path: Path) -> None:
    target = tmp_path / "p#ct.png"
    result = image(call, path=str(target))
    assert result["image"] is None and result["path"] == str(target)
    assert render.png_size(target.read_bytes()) == (64, 48)


def test_frame_and_camera_are_those_asked_for(call: Call, cube: bpy.types.Object) -> None:
    changed()
    cube.location.z = 0
    cube.keyframe_insert("location", frame=1)
    cube.location.z = 100
    cube.keyframe_insert("location", frame=9)
    scene = bpy.context.scene
    scene.frame_set(1)
    other = bpy.data.objects.new("Other", scene.camera.data)
    other.matrix_world = scene.camera.matrix_world
    other.location = scene.camera.location + Vector((0, 0, 100))
    scene.collection.objects.link(other)
    scene.timeline_markers.new("bound", frame=1).camera = scene.camera
    assert is_seen(pixels(image(call)["image"]["$blob"]), 64, 48)
    assert not is_seen(pixels(image(call, frame=9)["image"]["$blob"]), 64, 48)
    assert is_seen(pixels(image(call, frame=9, camera="Other")["image"]["$blob"]), 64, 48)
    assert not is_seen(pixels(image(call, camera="Other")["image"]["$blob"]), 64, 48)
    assert scene.frame_current == 1 and scene.timeline_markers[0].camera == scene.camera


def test_refusals(call: Call, refuses: Callable) -> None:
    params = dict.fromkeys("engine width height samples camera frame path".split())
    refuses("not_found", "Nobody", "render.image", **params | {"camera": "Nobody"})
    refuses("not_found", "Cube", "render.image", **params | {"camera": "Cube"})
    refuses("path_not_allowed", "/etc", "render.image", **params | {"path": "/etc/picture.png"})
    changed()
    bpy.context.scene.camera = None
    refuses("unsupported", "camera", "render.image", **params)
    refuses("unsupported", "camera", "view.capture", **CAPTURE | {"from": "camera"})


def test_capture_renders_without_a_window(call: Call) -> None:
    result = capture(call)
    assert (result["source"], result["width"], result["height"]) == ("workbench", 64, 48)
    assert is_seen(pixels(result["image"]["$blob"]), 64, 48)


@pytest.mark.parametrize("size", [(64, 48), (30, 90)])
def test_capture_sees_all_without_a_camera(call: Call, cube: bpy.types.Object, size: tuple[int, int]) -> None:
    changed()
    bpy.context.scene.camera = None
    cube.scale = (30, 1, 1)
    cube.location = (1000, 0, 0)
    colours = pixels(capture(call, width=size[0], height=size[1])["image"]["$blob"])
    edge = [*colours[: size[0]], *colours[-size[0] :], *colours[:: size[0]], *colours[size[0] - 1 :: size[0]]]
    # Only the background is at the edge; Blender dithers it.
    assert len(set(colours)) > 10 and all(abs(colour[0] - edge[0][0]) < 0.02 for colour in edge)


def test_capture_of_nothing(call: Call, cube: bpy.types.Object) -> None:
    changed()
    for thing in list(bpy.data.objects):
        bpy.data.objects.remove(thing)
    assert render.png_size(capture(call)["image"]["$blob"]) == (64, 48)


def test_cycles_stands_in_where_there_is_no_gpu(call: Call, refuses: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child process really fails here, as there is no graphics library for it to find."""
    monkeypatch.setenv("__EGL_VENDOR_LIBRARY_DIRS", BROKEN_EGL)
    monkeypatch.delenv("DISPLAY", raising=False)
    render_scene.gpu_works.cache_clear()
    try:
        assert capture(call)["source"] == "cycles"
        params = dict.fromkeys("width height samples camera frame path".split())
        refuses("unsupported", "GPU", "render.image", engine="workbench", **params)
        refuses("unsupported", "GPU", "render.image", engine="eevee", **params)
    finally:
        render_scene.gpu_works.cache_clear()


def test_render_scene_composites_itself(call: Call) -> None:
    """From 5.0 on a copied scene shares its node group, whose nodes name the scene copied."""
    if bpy.app.version < (5, 0, 0):
        pytest.skip("scenes own their node trees")
    changed()
    scene = bpy.context.scene
    group = scene.compositing_node_group = bpy.data.node_groups.new("Compositing", "CompositorNodeTree")
    group.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
    layers = group.nodes.new("CompositorNodeRLayers")
    layers.scene = scene
    group.links.new(layers.outputs["Image"], group.nodes.new("NodeGroupOutput").inputs[0])
    seen: list[str] = []
    handler = lambda rendered, *_: seen.append(rendered.name)  # noqa: E731
    bpy.app.handlers.render_pre.append(handler)
    try:
        colours = pixels(image(call)["image"]["$blob"])
    finally:
        bpy.app.handlers.render_pre.remove(handler)
    assert is_seen(colours, 64, 48) and seen == ["Spindle Render"]
    assert layers.scene == scene and len(bpy.data.node_groups) == 1


def test_a_rigid_body_is_where_the_simulation_put_it(call: Call, cube: bpy.types.Object) -> None:
    """A copied scene would show it where it began."""
    changed()
    bpy.context.view_layer.objects.active = cube
    bpy.ops.rigidbody.object_add()
    scene = bpy.context.scene
    for frame in range(1, 60):
        scene.frame_set(frame)
    settings = render_scene._settings(scene)
    assert not is_seen(pixels(image(call, engine="workbench")["image"]["$blob"]), 64, 48)
    assert is_seen(pixels(image(call, engine="workbench", frame=1)["image"]["$blob"]), 64, 48)
    assert render_scene._settings(scene) == settings and scene.frame_current == 59


def test_a_failing_step_does_not_keep_the_others(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("disk full")

    monkeypatch.setattr(render_job, "_render_blocking", fail)
    with pytest.raises(RuntimeError, match="disk full"):
        image(call)
    with pytest.raises(RuntimeError, match="disk full"):
        capture(call)


def test_encode_png() -> None:
    """Rows come lowest first, and Blender reads them so."""
    rgba = bytes([255, 0, 0, 255] * 2 + [0, 0, 255, 255] * 2)
    colours = pixels(view.encode_png(2, 2, rgba))
    assert [tuple(round(value) for value in colour) for colour in colours] == [(1, 0, 0, 1)] * 2 + [(0, 0, 1, 1)] * 2


def test_gpu_probe_tells_a_failing_child(monkeypatch: pytest.MonkeyPatch) -> None:
    render_scene.gpu_works.cache_clear()
    try:
        with monkeypatch.context() as patch:
            patch.setattr(subprocess, "run", lambda *_, **__: (_ for _ in ()).throw(OSError("no such file")))
            assert render_scene.gpu_works() is False
    finally:
        render_scene.gpu_works.cache_clear()


class Wire:
    """Keeps what a turn tells."""

    def __init__(self) -> None:
        self.told: list[tuple[float, float | None, str]] = []
        self.breakable: list[bool] = []

    def progress(self, _ticket: int, done: float, total: float | None, message: str) -> None:
        self.told.append((done, total, message))

    def set_breakable(self, _ticket: int, breakable: bool) -> None:
        self.breakable.append(breakable)

    def stop_cause(self, _ticket: int) -> str | None:
        return None


def animation(wire: Wire | None = None, **params: Any) -> Generator[None, None, dict]:
    """The command itself; of three frames unless params say otherwise."""
    defaults = dict.fromkeys("prefix frame_step camera".split()) | {"frame_start": 1, "frame_end": 3}
    turn = Turn("test", 1, "render.animation", wire=wire)
    return render.animation(turn, **defaults | {"engine": "cycles", "samples": 4} | SMALL | params)


def run(command: Generator[None, None, dict]) -> dict:
    while True:
        try:
            next(command)
        except StopIteration as end:
            return end.value


def test_an_animation_is_a_file_per_frame(cube: bpy.types.Object, tmp_path: Path) -> None:
    changed()
    cube.location.z = 0
    cube.keyframe_insert("location", frame=-3)
    cube.location.z = 100
    cube.keyframe_insert("location", frame=3)
    bpy.context.scene.frame_set(7)
    wire = Wire()
    params = {"frame_start": -3, "frame_step": 3, "prefix": "a#_"}
    result = run(animation(wire, folder=str(tmp_path / "made/for it"), **params))
    names = [Path(file).name for file in result["files"]]
    assert names == ["a#_-0003.png", "a#_0000.png", "a#_0003.png"]
    assert sorted(names) == sorted(os.listdir(tmp_path / "made/for it")), "and nothing else"
    assert (result["width"], result["height"], result["engine"]) == (64, 48, "CYCLES")
    first, *_, last = (pixels(Path(file).read_bytes()) for file in result["files"])
    assert is_seen(first, 64, 48) and not is_seen(last, 64, 48)
    assert bpy.context.scene.frame_current == 7
    assert [row for row in wire.told if row[2].endswith("written")] == [
        (1, 3, "frame -3: written"),
        (2, 3, "frame 0: written"),
        (3, 3, "frame 3: written"),
    ]
    assert (1, 3, "frame 0: Sample 4/4") in wire.told
    assert wire.breakable == [True, False] * 3


def test_a_render_tells_its_samples(tmp_path: Path) -> None:
    wire = Wire()
    look = {"engine": "cycles", "samples": 4, "camera": None} | SMALL
    run(render.image(Turn("test", 1, "render.image", wire=wire), frame=None, path=None, **look))
    assert wire.told[0][:2] == (0, None), "before the first sample nobody knows how many there are"
    assert (4, 4, "Sample 4/4") in wire.told
    assert not [text for _, _, text in wire.told if "|" in text or "Mem" in text]


LINES = [
    ("Fra:1 Mem:10.85M (Peak 10.93M) | Time:00:00.00 | Mem:0.09M, Peak:0.09M | Scene, 1/2 | Sample 3/40", 3, 40),
    ("Fra:1 Mem:42.66M (Peak 42.66M) | Time:00:22.72 | Rendering 8 / 64 samples", 8, 64),
    ("Remaining: 00:01.50 | Mem: 3M | Sample 1/40", 1, 40),
    ("Remaining: 00:00.18 | Mem: 1M | Rendered 2/6 Tiles, Sample 20/20", 2, 6),
    ("Mem: 0M | Updating Scene BVH | Building BVH 50%", 0, None),
    ("", 0, None),
]
"""What Blenders from 4.2 to 5.2 write about a render."""


@pytest.mark.parametrize(("line", "done", "total"), LINES)
def test_lines_about_a_render(line: str, done: float, total: float | None) -> None:
    told: list[tuple] = []
    render_job._Meter(lambda *row: told.append(row)).read(line)
    assert told == [(done, total, line.split(" | ")[-1])]


BAD_ANIMATIONS = [
    ({"frame_start": 3, "frame_end": 2}, "frame_end", "3"),
    ({"frame_start": 1, "frame_end": 10_001}, "frame_end", "frame_step"),
    ({"prefix": "up/"}, "prefix", "folder"),
    ({"prefix": "up\\"}, "prefix", "folder"),
]


@pytest.mark.parametrize(("params", "path", "remedy"), BAD_ANIMATIONS)
def test_bad_animations(params: dict, path: str, remedy: str, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=remedy) as caught:
        run(animation(folder=str(tmp_path / "new"), **params))
    assert (caught.value.kind, caught.value.details["path"]) == ("invalid_params", path)
    assert not (tmp_path / "new").exists()


def test_a_frame_that_cannot_be_written_ends_the_animation(tmp_path: Path) -> None:
    (tmp_path / "f0002.png").mkdir()
    with pytest.raises(CommandError) as caught:
        run(animation(folder=str(tmp_path), prefix="f"))
    error = caught.value
    assert (error.kind, error.started) == ("command_failed", True)
    assert error.details["files"] == [str(tmp_path / "f0001.png")]
    assert sorted(os.listdir(tmp_path)) == ["f0001.png", "f0002.png"], "no half file is left"


def test_an_animation_is_stopped_between_frames(call: Call, refuses: Callable, tmp_path: Path) -> None:
    """Meanwhile nothing else may render or change what is rendered."""
    command = animation(folder=str(tmp_path))
    # Two turns are the others' before each frame.
    for _turn in range(3):
        next(command)
    with pytest.raises(CommandError, match="rendering"):
        moments.refuse_unsafe_moment()
    with pytest.raises(CommandError, match="rendering"):
        next(animation(folder=str(tmp_path)))
    with pytest.raises(CommandError) as caught:
        command.close()
    assert caught.value.kind == "cancelled"
    assert caught.value.details["files"] == [str(tmp_path / "0001.png")]
    assert os.listdir(tmp_path) == ["0001.png"]
    moments.refuse_unsafe_moment()
