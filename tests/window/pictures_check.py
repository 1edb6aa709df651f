# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of `view.capture` and of renders in a Blender with a window.

Run as `blender --factory-startup --python tests/window/pictures_check.py [-- FOLDER]`; prints PASS and FAIL lines,
writes its pictures to FOLDER if that is given, and quits with 1 if a check failed.
"""

import operator
import os
import sys
import tempfile
import time
import traceback
import types
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import bpy
from mathutils import Vector

ROOT = Path(__file__).resolve().parents[2]
# The package without its __init__, which would start a server.
package = types.ModuleType("addon")
package.__path__ = [str(ROOT / "addon")]
sys.modules["addon"] = package

from addon.commands import render, render_scene, view  # noqa: E402
from addon.errors import CommandError  # noqa: E402
from addon.turn import Turn  # noqa: E402

FOLDER = Path(sys.argv[sys.argv.index("--") + 1]) if "--" in sys.argv else None
DEFAULTS = {
    "image": dict.fromkeys(("engine", "width", "height", "samples", "camera", "frame", "path")),
    "animation": dict.fromkeys(("engine", "width", "height", "samples", "camera", "prefix", "frame_step")),
    "capture": {"width": 320, "height": 200, "from": "viewport", "shading": None, "overlays": False, "objects": None},
}
# Media types began with 5.0.
SETTINGS = (
    *render_scene._BORROWED,
    "camera.name",
    "render.filepath",
    *["render.image_settings.media_type"][: bpy.app.version >= (5, 0, 0)],
)
RED, BLUE = (1, 0, 0), (0, 0, 1)
TURN = Turn(client="check", session="1", method="")
failures: list[str] = []
Check = Generator[None, None, Any]


def image(**params: Any) -> Check:
    return render.image(TURN, **DEFAULTS["image"] | params)


def animation(folder: Path, frame_end: int, **params: Any) -> Check:
    frames = {"folder": str(folder), "frame_start": 1, "frame_end": frame_end}
    return render.animation(TURN, **DEFAULTS["animation"] | frames | {"engine": "cycles"} | params)


def capture(**params: Any) -> Check:
    return view.capture(TURN, **DEFAULTS["capture"] | params)


def report(passed: bool, text: str) -> None:
    if not passed:
        failures.append(text)
    print("PASS" if passed else "FAIL", text, flush=True)


def keep(name: str, picture: dict) -> dict:
    if FOLDER:
        (FOLDER / f"{bpy.app.version[0]}{bpy.app.version[1]}_{name}.png").write_bytes(picture["image"]["$blob"])
    return picture


def pixels(picture: dict) -> list[tuple[float, ...]]:
    """The picture as Blender reads it: one tuple of RGBA per pixel."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "picture.png")
        file.write_bytes(picture["image"]["$blob"])
        data = bpy.data.images.load(str(file))
        values = list(data.pixels)
        bpy.data.images.remove(data)
    return list(zip(*[iter(values)] * 4, strict=True))


def state() -> dict:
    """All that the commands must leave as they found it."""
    viewport = view._first_viewport()
    scene = bpy.context.scene
    handlers = bpy.app.handlers
    return {
        "data": sorted((type(item).__name__, item.name, item.users) for item in bpy.data.user_map()),
        "shading": viewport and (viewport.space.shading.type, viewport.space.overlay.show_overlays),
        "settings": [(path, operator.attrgetter(path)(scene)) for path in SETTINGS],
        "handlers": [
            len(getattr(handlers, name))
            for name in dir(handlers)
            if name.endswith(("_pre", "_init", "_stats", "_cancel", "_complete"))
        ],
        "preferences": (bpy.context.preferences.view.render_display_type, bpy.context.preferences.is_dirty),
        "windows": [window.scene.name for window in bpy.context.window_manager.windows],
        "dirty": bpy.data.is_dirty,
        "operators": len(bpy.context.window_manager.operators),
        "files": [name for name in os.listdir(tempfile.gettempdir()) if name.startswith("spindle-")],
    }


def unchanged(before: dict, text: str) -> None:
    after = state()
    differing = {key: (before[key], after[key]) for key in before if before[key] != after[key]}
    report(not differing, f"{text} leaves everything as it was {differing or ''}")


def capture_checks() -> Check:
    before = state()
    picture = keep("capture", (yield from capture()))
    colours = pixels(picture)
    report(picture["source"] == "viewport" and len(colours) == 320 * 200, "capture has the asked size")
    report(len(set(colours)) > 50, f"capture is not uniform: {len(set(colours))} colours")
    background = [round(channel * 255) for channel in colours[0][:3]]
    report(all(abs(channel - 61) <= 4 for channel in background), f"background has the theme's colour: {background}")
    plain = keep("solid_tall", (yield from capture(width=150, height=400, shading="solid")))
    report((plain["width"], plain["height"]) == (150, 400), "capture takes another shape")
    lined = keep("overlays", (yield from capture(overlays=True)))
    report(lined["image"]["$blob"] != picture["image"]["$blob"], "overlays are drawn when asked for")
    wires = keep("wireframe", (yield from capture(shading="wireframe")))
    report(wires["image"]["$blob"] != picture["image"]["$blob"], "wireframe differs")
    camera = keep("camera", (yield from capture(**{"from": "camera"})))
    report(camera["image"]["$blob"] != picture["image"]["$blob"], "the camera's view differs")
    unchanged(before, "capture")


SIDES = ("front", "back", "left", "right", "top", "bottom", "three_quarter")


def capture_side_checks() -> Check:
    """A cube that is red in front and blue behind, seen by a viewport, or rendered for it, from each side."""
    cube, scene = bpy.data.objects["Cube"], bpy.context.scene
    for colour, faces in ((RED, (0, -1, 0)), (BLUE, (0, 1, 0))):
        material = bpy.data.materials.new("Paint")
        material.diffuse_color = (*colour, 1)
        cube.data.materials.append(material)
        face = next(face for face in cube.data.polygons if (face.normal - Vector(faces)).length < 0.01)
        face.material_index = len(cube.data.materials) - 1
    shading = view._first_viewport().space.shading
    shading.light, scene.view_settings.view_transform = "FLAT", "Standard"
    yield
    before = state()
    looks = view._first_viewport().space.region_3d.view_matrix.copy()
    seen = {}
    for side in SIDES:
        picture = keep(side, (yield from capture(**{"from": side}, objects=["Cube"], shading="solid")))
        report(picture["source"] == "viewport", f"a viewport draws from {side}")
        seen[side] = pixels(picture)
        middle, corner = seen[side][320 * 100 + 160], seen[side][330]
        report(middle != corner, f"the cube is in the middle of the picture from {side}")
    for side, colour in (("front", RED), ("back", BLUE)):
        middle = tuple(round(value) for value in seen[side][320 * 100 + 160][:3])
        report(middle == colour, f"from {side} it is {middle}")
    pure = {tuple(round(value, 1) for value in colour[:3]) for colour in seen["three_quarter"]}
    report(RED in pure and BLUE not in pure, "from three_quarter its front is seen, and its back is not")
    column = [tuple(round(value) for value in colour[:3]) for colour in seen["front"][160::320]]
    report(170 < column.count(RED) < 200, f"it fills the picture: {column.count(RED)} of 200 rows")
    report(view._first_viewport().space.region_3d.view_matrix == looks, "the user's view has not moved")
    unchanged(before, "a capture from a side")
    scene.render.engine = "CYCLES"
    picture = keep("side_cycles", (yield from capture(**{"from": "three_quarter"}, shading="rendered")))
    report(picture["source"] == "cycles" and len(set(pixels(picture))) > 50, "Cycles renders from three_quarter")
    unchanged(before | {"settings": state()["settings"]}, "a rendered capture from a side")
    refused = refusal(lambda: next(capture(**{"from": "viewport"}, objects=["Cube"])))
    report(refused == "invalid_params", f"what to frame is for a side: {refused}")


def capture_render_checks() -> Check:
    """What a viewport cannot draw at once is rendered, from the same place."""
    bpy.context.scene.render.engine = "CYCLES"
    before = state()
    picture = keep("rendered_cycles", (yield from capture(shading="rendered")))
    report(picture["source"] == "cycles", "a Cycles viewport is rendered")
    report(len(set(pixels(picture))) > 50, "its picture shows something")
    region_3d = view._first_viewport().space.region_3d
    region_3d.view_perspective = "ORTHO"
    yield
    keep("ortho", (yield from capture()))
    keep("ortho_cycles", (yield from capture(shading="rendered")))
    region_3d.view_perspective = "PERSP"
    yield
    unchanged(before, "a rendered capture")
    areas = [area for area in bpy.context.window.screen.areas if area.type == "VIEW_3D"]
    for area in areas:
        area.type = "TEXT_EDITOR"
    picture = keep("no_viewport", (yield from capture()))
    report(picture["source"] == "workbench", "without a viewport Workbench renders")
    for area in areas:
        area.type = "VIEW_3D"
    yield


def render_checks() -> Check:
    yield from image(engine="cycles", width=64, height=48, samples=1)
    before = state()
    gaps: list[float] = []
    started = time.perf_counter()
    picture = yield from timed(image(engine="cycles", width=480, height=270, samples=64), gaps)
    keep("cycles", picture)
    gaps.sort()
    median, late = gaps[len(gaps) // 2], gaps[len(gaps) * 99 // 100]
    text = f"{len(gaps)} ticks, median {median:.1f} ms, p99 {late:.1f} ms, max {gaps[-1]:.1f} ms"
    report(len(gaps) > 20 and median < 50, f"Cycles renders in {time.perf_counter() - started:.2f} s; {text}")
    report(
        (picture["width"], picture["height"]) == (480, 270) and len(set(pixels(picture))) > 50, "its picture is right"
    )
    unchanged(before, "a render")
    modal = [operator.bl_idname for operator in bpy.context.window.modal_operators]
    # Blender takes the render's own operator away with the window's next event, which nobody may cause.
    report(set(modal) <= {"RENDER_OT_render"}, f"no other modal operator remains {modal}")


def timed(check: Check, gaps: list[float]) -> Check:
    last = time.perf_counter()
    while True:
        try:
            next(check)
        except StopIteration as stop:
            return stop.value
        yield
        now = time.perf_counter()
        gaps.append((now - last) * 1000)
        last = now


def cancel_checks() -> Check:
    for wait in (0.0, 0.05, 1.0, 2.0):
        before = state()
        check = image(engine="cycles", width=960, height=540, samples=4096)
        next(check)
        deadline = time.perf_counter() + wait
        while time.perf_counter() < deadline:
            yield
            next(check)
        report(bpy.app.is_job_running("RENDER"), f"the render runs after {wait} s")
        second = refusal(lambda: next(image(engine="cycles")))
        report(second == "busy", f"a second render is refused: {second}")
        started = time.perf_counter()
        check.close()
        took = time.perf_counter() - started
        report(took < 3 and not bpy.app.is_job_running("RENDER"), f"cancel stops it in {took * 1000:.0f} ms")
        unchanged(before, "a cancelled render")
        yield


def animation_checks() -> Check:
    """Frame by frame in jobs, between which nobody else has a turn, and a cancel at any time."""
    bpy.context.scene.frame_set(5)
    yield
    before, gaps, folder = state(), [], Path(tempfile.mkdtemp())
    result = yield from timed(animation(folder, 3, width=320, height=180, samples=64), gaps)
    # Most of them pass while Blender draws the window, which takes long without a GPU.
    report(len(gaps) >= 2 * 3, f"an animation of 3 frames leaves {len(gaps)} ticks between its turns")
    report(result["files"] == [str(folder / f"{frame:04}.png") for frame in (1, 2, 3)], "it is a file per frame")
    report(sorted(os.listdir(folder)) == [Path(file).name for file in result["files"]], "and nothing else")
    unchanged(before, "an animation")
    folder = Path(tempfile.mkdtemp())
    check = animation(folder, 250, width=320, height=180, samples=16)
    while not (folder / "0002.png").exists():
        next(check)
        yield
    kind = refusal(check.close)
    report(kind == "cancelled" and not bpy.app.is_job_running("RENDER"), f"a cancel ends an animation: {kind}")
    report(sorted(os.listdir(folder)) == ["0001.png", "0002.png"], "the files that are complete stay")
    unchanged(before, "a cancelled animation")


def refusal(call: Callable[[], object]) -> str | None:
    try:
        call()
    except CommandError as error:
        return error.kind
    return None


def load_checks() -> Check:
    """A file load in mid-render, and an undo, end the render as an error."""
    for name, disturb in (
        ("undo", lambda: bpy.ops.ed.undo()),
        ("load", lambda: bpy.ops.wm.read_homefile(use_factory_startup=True)),
    ):
        bpy.ops.ed.undo_push(message="a step")
        bpy.ops.object.select_all(action="DESELECT")
        settings = state()["settings"]
        check = image(engine="cycles", width=1920, height=1080, samples=4096)
        next(check)
        for _ in range(20):
            yield
            next(check)
        bpy.ops.ed.undo_push(message="a step in mid-render")
        disturb()
        yield
        kind = None
        try:
            while True:
                next(check)
                yield
        except CommandError as error:
            kind = error.kind
            print(error)
        report(kind == "command_failed", f"{name} in mid-render ends it: {kind}")
        if name == "undo":
            report(state()["settings"] == settings, "the settings are as before")
        strays = [scene.name for scene in bpy.data.scenes if render_scene._MARK in scene]
        report(not strays and len(bpy.data.scenes) == 1, f"no scene is left after {name} {strays}")


def main() -> Check:
    yield from capture_checks()
    yield from capture_side_checks()
    yield from capture_render_checks()
    yield from render_checks()
    yield from cancel_checks()
    yield from animation_checks()
    yield from load_checks()


# Other processes have such folders too.
tempfile.tempdir = tempfile.mkdtemp()
running = main()


def tick() -> float | None:
    try:
        next(running)
        return 0.0
    except StopIteration:
        print(f"{len(failures)} failed", flush=True)
    except BaseException:
        # Chained errors may hold a whole picture.
        traceback.print_exc(chain=False)
        failures.append("an exception")
    sys.stdout.flush()
    os._exit(1 if failures else 0)


bpy.app.timers.register(tick, first_interval=1.0, persistent=True)
