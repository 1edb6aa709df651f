# SPDX-License-Identifier: GPL-3.0-or-later
"""`render.image`, and what `view.capture` needs of it.

What is rendered is a temporary copy of the scene: the copy alone gets the asked settings, so a save in mid-render has
neither changed settings nor the copy in it, and the user's own Render Result stays. Deleting the copy with
`scene.delete` also stops the render job that it owns.

In two cases the user's scene itself is rendered, and its settings are put back. A copied rigid body world has lost its
simulation. And with a window, a Blender before 5.2 frees in mid-render the graphics context of every scene that no
window shows (a GLXBadContext in 4.3 ends the process).
"""

import functools
import operator
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import bpy

from ..errors import CommandError
from ..paths import allowed_path
from ..turn import Turn

_EEVEE = "BLENDER_EEVEE" if bpy.app.version >= (5, 0, 0) else "BLENDER_EEVEE_NEXT"
ENGINES = {"cycles": "CYCLES", "eevee": _EEVEE, "workbench": "BLENDER_WORKBENCH"}

# Starting a render job kills every other job, so none of these may be under way.
_EXCLUSIVE_JOBS = ("RENDER", "OBJECT_BAKE")
# The steps that Workbench offers: samples and the setting's identifier.
_WORKBENCH_STEPS = ((1, "OFF"), (5, "5"), (8, "8"), (11, "11"), (16, "16"), (32, "32"))
_MARK = "spindle_temporary"
# What a render sets in a scene that is not a copy, in the order in which it is put back.
_BORROWED = (
    "frame_current",
    "render.engine",
    "render.resolution_x",
    "render.resolution_y",
    "render.resolution_percentage",
    "render.film_transparent",
    "render.use_border",
    "render.use_compositing",
    "render.use_sequencer",
    "render.use_lock_interface",
    "render.image_settings.file_format",
    "render.image_settings.color_mode",
    "render.image_settings.color_depth",
    "render.compositor_device",
    "cycles.samples",
    "cycles.use_denoising",
    "eevee.taa_render_samples",
    "display.render_aa",
)


def image(
    turn: Turn,
    *,
    engine: str | None,
    width: int | None,
    height: int | None,
    samples: int | None,
    camera: str | None,
    frame: int | None,
    path: str | None,
) -> Generator[None, None, dict[str, Any]]:
    """Render the context's scene into a PNG, returned as bytes or written to `path`.

    Errors: `busy`, `not_found` (camera), `unsupported` (no camera, no such engine, no GPU), `path_not_allowed`, and
    `command_failed` where the render stopped without a picture.
    """
    began = time.perf_counter()
    target = Path(allowed_path(path, turn.preferences)) if path is not None else None

    def prepare(scene: bpy.types.Scene) -> None:
        set_engine(scene, ENGINES[engine] if engine else scene.render.engine)
        set_size(scene, width, height)
        if samples is not None:
            set_samples(scene, samples)
        if frame is not None:
            scene.frame_current = frame
        _set_camera(scene, camera)

    with temporary_scene(prepare) as name:
        identifier = bpy.data.scenes[name].render.engine
        png = yield from render_png(name, target)
    rendered_width, rendered_height = png_size(png)
    return {
        "image": {"$blob": png, "media_type": "image/png"} if target is None else None,
        "path": None if target is None else str(target),
        "width": rendered_width,
        "height": rendered_height,
        "engine": identifier,
        "seconds": time.perf_counter() - began,
    }


@contextmanager
def temporary_scene(prepare: Callable[[bpy.types.Scene], None]) -> Iterator[str]:
    """Have `prepare` set up a scene to render, as the context's but for that, and yield its name.

    Nothing of it is left behind. In mid-render another file may be loaded; then nothing is ours any more.
    """
    refuse_if_busy()
    _drop_strays()
    scene, had_result = bpy.context.scene, _render_result() is not None
    is_copy = scene.rigidbody_world is None and (bpy.app.background or bpy.app.version >= (5, 2, 0))
    before = None if is_copy else _settings(scene)
    if is_copy:
        scene = _copy(scene)
    name, uid = scene.name, scene.session_uid
    try:
        _set_png(scene)
        prepare(scene)
        del scene  # It would outlive the turn.
        yield name
    finally:
        with ExitStack() as steps:
            if name in bpy.data.scenes and bpy.data.scenes[name].session_uid == uid:
                if not had_result:
                    steps.callback(_drop_render_result)
                steps.callback(_drop_cameras)
                steps.callback(_put_back, name, before) if before else steps.callback(_drop_copy, name)


def render_png(name: str, target: Path | None = None) -> Generator[None, None, bytes]:
    """Render the scene `name`, write the PNG to `target` if that is given, and return its bytes."""
    if bpy.app.background:
        _render_blocking(name)
    else:
        yield from _render_job(name)
    scene, result = bpy.data.scenes[name], _render_result()
    if result is None:
        raise CommandError("command_failed", "the render made no picture", started=True)
    # Saved from the Render Result and not by `write_still`, which would expand "#" in the path.
    with tempfile.TemporaryDirectory(prefix="spindle-") as folder:
        file = target or Path(folder, "render.png")
        result.save_render(str(file), scene=scene)
        return file.read_bytes()


def refuse_if_busy() -> None:
    """Raise `busy` where a render would crash Blender, or end a job of the user's."""
    for job in _EXCLUSIVE_JOBS:
        if bpy.app.is_job_running(job):
            raise CommandError("busy", f"Blender runs a job ({job}); wait until it has ended, or cancel it")


def set_engine(scene: bpy.types.Scene, identifier: str) -> None:
    """Choose the engine; `unsupported` where this Blender lacks it or has no GPU for it."""
    try:
        scene.render.engine = identifier
    except TypeError as error:
        # Blender's text names the engines there are.
        raise CommandError("unsupported", f"this Blender has no engine {identifier}: {error}") from error
    if identifier == "CYCLES":
        # Only the Cycles add-on can import it. A build without the denoiser fails at the end of a render that asks
        # for it, as Blender's factory settings do.
        import _cycles

        scene.cycles.use_denoising &= _cycles.with_openimagedenoise
    elif not gpu_works():
        raise CommandError("unsupported", f"{identifier} needs a GPU or software OpenGL; use the engine cycles")


def set_size(scene: bpy.types.Scene, width: int | None, height: int | None) -> None:
    """Set the picture's size in pixels; what is None stays as the scene says."""
    render = scene.render
    if width is None and height is None:
        return
    render.resolution_x = width or max(4, render.resolution_x * render.resolution_percentage // 100)
    render.resolution_y = height or max(4, render.resolution_y * render.resolution_percentage // 100)
    render.resolution_percentage = 100


def set_samples(scene: bpy.types.Scene, samples: int) -> None:
    """Set the samples per pixel; Workbench takes the next step that it has."""
    engine = scene.render.engine
    if engine == "CYCLES":
        scene.cycles.samples = samples
    elif engine == _EEVEE:
        scene.eevee.taa_render_samples = samples
    elif engine == "BLENDER_WORKBENCH":
        steps = (step for count, step in _WORKBENCH_STEPS if count >= samples)
        scene.display.render_aa = next(steps, _WORKBENCH_STEPS[-1][1])
    else:
        raise CommandError("unsupported", f"samples cannot be set for the engine {engine}; leave them out")


def use_camera(scene: bpy.types.Scene, camera: bpy.types.Object) -> None:
    """Look through `camera`, also where a marker binds another one to the frame."""
    for marker in scene.timeline_markers:
        marker.camera = None
    scene.camera = camera


def add_camera(scene: bpy.types.Scene) -> bpy.types.Object:
    """Add a camera that goes with the temporary scene, in no collection, and look through it."""
    data = bpy.data.cameras.new("Spindle Camera")
    data[_MARK] = True
    camera = bpy.data.objects.new("Spindle Camera", data)
    camera.is_runtime_data = data.is_runtime_data = True
    use_camera(scene, camera)
    return camera


def png_size(png: bytes) -> tuple[int, int]:
    """Width and height in pixels, as the PNG's header says."""
    return struct.unpack(">II", png[16:24])


@functools.cache
def gpu_works() -> bool:
    """Whether this Blender can render on a GPU.

    With a window it can. Headless, Blender (4.2 to 5.2) aborts the whole process where it cannot make a graphics
    context, so a child process tries first, once; it takes about two seconds.
    """
    if not bpy.app.background:
        return True
    code = (
        "import bpy; scene = bpy.context.scene; scene.render.engine = 'BLENDER_WORKBENCH'; "
        "scene.render.resolution_x = scene.render.resolution_y = 4; bpy.ops.render.render()"
    )
    if bpy.app.binary_path:
        command = [bpy.app.binary_path, "--background", "--factory-startup", "-noaudio", *_gpu_arguments()]
        command += ["--python-exit-code", "1", "--python-expr", code]
    else:
        command = [sys.executable, "-c", code]
    quiet = subprocess.DEVNULL
    with suppress(OSError, subprocess.TimeoutExpired):
        return subprocess.run(command, stdin=quiet, stdout=quiet, stderr=quiet, timeout=60).returncode == 0
    return False


def _gpu_arguments() -> list[str]:
    if "--gpu-backend" not in sys.argv[:-1]:
        return []
    index = sys.argv.index("--gpu-backend")
    return sys.argv[index : index + 2]


def _set_camera(scene: bpy.types.Scene, name: str | None) -> None:
    if name is not None:
        camera = bpy.data.objects.get(name)
        if camera is None or camera.type != "CAMERA":
            raise CommandError("not_found", f"no camera is named {name!r}")
        use_camera(scene, camera)
        return
    if not (scene.camera or _has_strips(scene) or any(marker.camera for marker in scene.timeline_markers)):
        raise CommandError("unsupported", f"the scene {bpy.context.scene.name!r} has no camera; add one, or name one")


def _has_strips(scene: bpy.types.Scene) -> bool:
    """Whether the sequencer makes the picture, which needs no camera."""
    editor = scene.sequence_editor
    if editor is None or not scene.render.use_sequencer:
        return False
    return len(editor.strips if hasattr(editor, "strips") else editor.sequences) > 0


def _set_png(scene: bpy.types.Scene) -> None:
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "IMAGE"
    settings.file_format = "PNG"
    # What a job shows in the user's windows and locks there is not the client's to choose.
    scene.render.use_lock_interface = False


def _copy(source: bpy.types.Scene) -> bpy.types.Scene:
    scene = source.copy()
    scene.name = "Spindle Render"
    scene[_MARK] = True
    # Blender leaves runtime data out of the files that it saves.
    scene.is_runtime_data = True
    group = getattr(scene, "compositing_node_group", None)
    if group is None or not any(node.type == "R_LAYERS" and node.scene == source for node in group.nodes):
        return scene
    # From 5.0 on both scenes share the node group, which names the source: it would be rendered too.
    group = scene.compositing_node_group = group.copy()
    group[_MARK] = True
    group.is_runtime_data = True
    for node in group.nodes:
        if node.type == "R_LAYERS" and node.scene == source:
            layer = node.layer
            node.scene = scene
            node.layer = layer
    return scene


def _settings(scene: bpy.types.Scene) -> list[tuple[str, Any]]:
    """What a render sets, as attribute paths with plain values; cameras as names."""
    values = []
    for path in _BORROWED:
        with suppress(AttributeError):  # Cycles may be disabled.
            values.append((path, operator.attrgetter(path)(scene)))
    cameras = [scene.camera, *(marker.camera for marker in scene.timeline_markers)]
    return [*values, ("cameras", [camera and camera.name for camera in cameras])]


def _put_back(name: str, values: list[tuple[str, Any]]) -> None:
    """Give the scene back the values of `_settings`; one that fails does not keep the others."""
    scene = bpy.data.scenes[name]
    with ExitStack() as steps:
        for path, value in reversed(values):
            if path == "cameras":
                owners = [scene, *scene.timeline_markers]
                for owner, camera in zip(owners, value, strict=False):
                    steps.callback(setattr, owner, "camera", bpy.data.objects.get(camera or ""))
            else:
                parent, _, attribute = path.rpartition(".")
                owner = operator.attrgetter(parent)(scene) if parent else scene
                steps.callback(setattr, owner, attribute, value)


def _render_blocking(name: str) -> None:
    with _in_scene(bpy.data.scenes[name]):
        outcome = bpy.ops.render.render()
    if outcome != {"FINISHED"}:
        raise CommandError("command_failed", "the render was cancelled", started=True)


class _Watch:
    """What becomes of a render job. Handlers run on the render thread and only set members."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.outcome: str | None = None
        self.last_line = ""
        self._handlers = {
            "render_complete": self._complete,
            "render_cancel": self._cancel,
            "render_stats": self._stats,
            # These stop the job, and 4.3 then calls it complete: an undo, a file load, a render of another scene.
            "undo_pre": self._stop,
            "redo_pre": self._stop,
            "load_pre": self._stop,
            "render_init": self._other,
        }

    def __enter__(self) -> "_Watch":
        for event, handler in self._handlers.items():
            getattr(bpy.app.handlers, event).append(handler)
        return self

    def __exit__(self, *_: object) -> None:
        for event, handler in self._handlers.items():
            # A file load has already removed them.
            with suppress(ValueError):
                getattr(bpy.app.handlers, event).remove(handler)

    def _complete(self, scene: bpy.types.Scene, *_: object) -> None:
        if scene.name == self.name and self.outcome is None:
            self.outcome = "complete"

    def _cancel(self, scene: bpy.types.Scene, *_: object) -> None:
        if scene.name == self.name:
            self.outcome = "cancel"

    def _other(self, scene: bpy.types.Scene, *_: object) -> None:
        if scene.name != self.name:
            self.outcome = "cancel"

    def _stop(self, *_: object) -> None:
        self.outcome = "cancel"

    def _stats(self, line: str, *_: object) -> None:
        self.last_line = line


def _render_job(name: str) -> Generator[None, None, None]:
    """Render in a job of Blender's and yield until it has ended; closing the generator stops it."""
    with _Watch(name) as watch:
        try:
            _start_job(name)
            while watch.outcome != "cancel" and bpy.app.is_job_running("RENDER"):
                yield
        finally:
            # A copy's job ends when the copy is deleted.
            if watch.outcome is None and name in bpy.data.scenes and _MARK not in bpy.data.scenes[name]:
                _stop_job(bpy.data.scenes[name])
    if watch.outcome != "complete" or name not in bpy.data.scenes:
        said = f"; Blender's last line: {watch.last_line}" if watch.last_line else ""
        raise CommandError("command_failed", f"the render stopped before its end{said}", started=True)


def _stop_job(scene: bpy.types.Scene) -> None:
    """Stop the render job of a scene that has to stay, and wait for its end.

    Blender stops every job when it starts a render. So a copy starts one of a few pixels, and is deleted at once.
    """
    if not bpy.app.is_job_running("RENDER"):
        return
    name = _copy(scene).name
    try:
        other = bpy.data.scenes[name]
        other.render.resolution_x = other.render.resolution_y = 4
        other.render.use_compositing = other.render.use_sequencer = False
        with suppress(TypeError):
            other.render.engine = "CYCLES"
            other.cycles.samples = 1
        _start_job(name)
    finally:
        _drop_copy(name)


def _start_job(name: str) -> None:
    """Start the job without opening a window for it, and leave the preferences as they were."""
    preferences = bpy.context.preferences
    view = preferences.view
    display, dirty = view.render_display_type, preferences.is_dirty
    view.render_display_type = "NONE"
    try:
        with _in_scene(bpy.data.scenes[name]):
            outcome = bpy.ops.render.render("INVOKE_DEFAULT")
    finally:
        view.render_display_type = display
        preferences.is_dirty = dirty
    if outcome != {"RUNNING_MODAL"}:
        raise CommandError("command_failed", "Blender did not start the render")


@contextmanager
def _in_scene(scene: bpy.types.Scene) -> Iterator[None]:
    """Make `scene` the context's. A window in the same override would bring its own scene and win."""
    with ExitStack() as overrides:
        windows = bpy.context.window_manager.windows
        if bpy.context.window is None and len(windows) > 0:
            overrides.enter_context(bpy.context.temp_override(window=windows[0]))
        overrides.enter_context(bpy.context.temp_override(scene=scene))
        yield


def _render_result() -> bpy.types.Image | None:
    return next((image for image in bpy.data.images if image.type == "RENDER_RESULT"), None)


def _drop_copy(name: str) -> None:
    """Delete a copy with what was made for it; a job that it owns is stopped first, and waited for."""
    scene = bpy.data.scenes[name]
    group = getattr(scene, "compositing_node_group", None)
    with ExitStack() as steps:
        if group is not None and _MARK in group:
            steps.callback(bpy.data.node_groups.remove, group)
        if bpy.app.background:
            bpy.data.scenes.remove(scene)
            return
        # Not `scenes.remove`: it leaves the job running (4.3), or waits for it while it waits for the GIL.
        with _in_scene(scene):
            bpy.ops.scene.delete()


def _drop_cameras() -> None:
    for camera in [camera for camera in bpy.data.cameras if _MARK in camera]:
        # This removes the object too.
        bpy.data.cameras.remove(camera)


def _drop_render_result() -> None:
    if result := _render_result():
        bpy.data.images.remove(result)


def _drop_strays() -> None:
    """Delete what came back: an undo to a step that the user made in mid-render brings it."""
    for name in [scene.name for scene in bpy.data.scenes if _MARK in scene]:
        _drop_copy(name)
    _drop_cameras()
