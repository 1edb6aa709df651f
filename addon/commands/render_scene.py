# SPDX-License-Identifier: GPL-3.0-or-later
"""The scene that is rendered, and its settings.

It is a temporary copy of the user's: the copy alone gets the asked settings, so a save in mid-render has neither
changed settings nor the copy in it, and the user's own Render Result stays. Deleting the copy with `scene.delete`
also stops the render job that it owns.

In two cases the user's scene itself is rendered, and its settings are put back. A copied rigid body world has lost its
simulation. And with a window, a Blender before 5.2 frees in mid-render the graphics context of every scene that no
window shows (a GLXBadContext in 4.3 ends the process).
"""

import functools
import operator
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import bpy

from .. import moments
from ..errors import CommandError

_EEVEE = "BLENDER_EEVEE" if bpy.app.version >= (5, 0, 0) else "BLENDER_EEVEE_NEXT"
ENGINES = {"cycles": "CYCLES", "eevee": _EEVEE, "workbench": "BLENDER_WORKBENCH"}

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


@contextmanager
def temporary_scene(prepare: Callable[[bpy.types.Scene], None]) -> Iterator[str]:
    """Have `prepare` set up a scene to render, as the context's but for that, and yield its name.

    Nothing of it is left behind. In mid-render another file may be loaded; then nothing is ours any more. Meanwhile
    changes are refused, also in turns of other requests.
    """
    refuse_if_busy()
    with moments.own_render():
        _drop_strays()
        scene, had_result = bpy.context.scene, render_result() is not None
        is_borrowed = scene.rigidbody_world is not None or not (bpy.app.background or bpy.app.version >= (5, 2, 0))
        before = _settings(scene) if is_borrowed else None
        if not is_borrowed:
            scene = copy_scene(scene)
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
                    steps.callback(_put_back, name, before) if before else steps.callback(drop_copy, name)


def refuse_if_busy() -> None:
    """Raise `busy` where a render would crash Blender, or end a job of the user's."""
    moments.refuse_while_rendering()
    # Starting a render job kills every other job.
    if bpy.app.is_job_running("OBJECT_BAKE"):
        raise CommandError("busy", "Blender bakes; wait until that has ended, or cancel it", cause="OBJECT_BAKE")


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


def set_frame(scene: bpy.types.Scene, frame: int) -> None:
    """Make `frame` the current one."""
    scene.frame_current = frame
    if scene.frame_current != frame:
        # By default the preferences allow no negative frames; this does, but evaluates the scene for it.
        scene.frame_set(frame)


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


def _set_png(scene: bpy.types.Scene) -> None:
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "IMAGE"
    settings.file_format = "PNG"
    # What a job shows in the user's windows and locks there is not the client's to choose.
    scene.render.use_lock_interface = False


def copy_scene(source: bpy.types.Scene) -> bpy.types.Scene:
    """A copy that `drop_copy` deletes, and that no file is saved with."""
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
            elif path == "frame_current":
                steps.callback(set_frame, scene, value)
            else:
                parent, _, attribute = path.rpartition(".")
                owner = operator.attrgetter(parent)(scene) if parent else scene
                steps.callback(setattr, owner, attribute, value)


@contextmanager
def in_scene(scene: bpy.types.Scene) -> Iterator[None]:
    """Make `scene` the context's. A window in the same override would bring its own scene and win."""
    with ExitStack() as overrides:
        windows = bpy.context.window_manager.windows
        if bpy.context.window is None and len(windows) > 0:
            overrides.enter_context(bpy.context.temp_override(window=windows[0]))
        overrides.enter_context(bpy.context.temp_override(scene=scene))
        yield


def render_result() -> bpy.types.Image | None:
    """The picture that the last render has made."""
    return next((image for image in bpy.data.images if image.type == "RENDER_RESULT"), None)


def is_copy(name: str) -> bool:
    """Whether the scene of this name is such a copy, and not the user's own."""
    return _MARK in bpy.data.scenes[name]


def drop_copy(name: str) -> None:
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
        with in_scene(scene):
            bpy.ops.scene.delete()


def _drop_cameras() -> None:
    for camera in [camera for camera in bpy.data.cameras if _MARK in camera]:
        # This removes the object too.
        bpy.data.cameras.remove(camera)


def _drop_render_result() -> None:
    if result := render_result():
        bpy.data.images.remove(result)


def _drop_strays() -> None:
    """Delete what came back: an undo to a step that the user made in mid-render brings it."""
    for name in [scene.name for scene in bpy.data.scenes if _MARK in scene]:
        drop_copy(name)
    _drop_cameras()
