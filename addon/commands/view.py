# SPDX-License-Identifier: GPL-3.0-or-later
"""`view.capture`: a picture as a 3D viewport draws it, or a render of the same where no viewport can draw it."""

import math
import struct
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import bpy
import gpu
from mathutils import Matrix, Vector

from ..errors import CommandError
from ..turn import Turn
from . import render_scene
from .render_job import png_bytes, render

# A viewport draws these itself; any other engine draws into it bit by bit, which one capture would not wait for.
_VIEWPORT_ENGINES = ("BLENDER_EEVEE", "BLENDER_EEVEE_NEXT", "BLENDER_WORKBENCH")
_NO_SURFACE = ("ARMATURE", "CAMERA", "EMPTY", "LATTICE", "LIGHT", "LIGHT_PROBE", "SPEAKER")
# Samples of a picture that stands in for a viewport: enough to see the scene by.
_SAMPLES = 16


class _Viewport(NamedTuple):
    """The 3D viewport that draws, for one turn."""

    window: bpy.types.Window
    space: bpy.types.SpaceView3D
    region: bpy.types.Region


class _View(NamedTuple):
    """Where a picture is seen from: world to view, view to clip space, and whether that is a perspective."""

    matrix: Matrix
    projection: Matrix
    is_perspective: bool


# "from" is the wire's name for it and a word of Python, so it arrives among the keywords.
def capture(
    turn: Turn, *, width: int, height: int, shading: str | None, overlays: bool, **place: str
) -> Generator[None, None, dict[str, Any]]:
    """Draw the first 3D viewport (`from` "viewport") or the camera's view (`from` "camera") into a PNG.

    Errors: `unsupported` where the camera is asked for and there is none, or nothing can draw; `busy` where a
    render has to stand in and another one runs.
    """
    png, source, view = _try_to_draw(width, height, place["from"] == "camera", shading, overlays)
    if png is None:
        png = yield from _render(turn, source, view, width, height)
    return {"image": {"$blob": png, "media_type": "image/png"}, "width": width, "height": height, "source": source}


def _try_to_draw(
    width: int, height: int, through_camera: bool, shading: str | None, overlays: bool
) -> tuple[bytes | None, str, _View | None]:
    """The PNG that a viewport draws, or None with the engine that has to render instead and the view for it."""
    viewport = _first_viewport()
    scene = viewport.window.scene if viewport else bpy.context.scene
    if through_camera and scene.camera is None:
        raise CommandError("unsupported", f"the scene {scene.name!r} has no camera; add one, or capture the viewport")
    if viewport is None:
        return None, _stand_in(scene, as_rendered=shading == "rendered"), None
    view = (_camera_view if through_camera else _viewport_view)(viewport, width, height)
    if not _needs_render(viewport, shading):
        return encode_png(width, height, _draw(viewport, view, width, height, shading, overlays)), "viewport", view
    return None, _stand_in(scene, as_rendered=True), None if through_camera else view


def encode_png(width: int, height: int, pixels: bytes) -> bytes:
    """Encode RGBA bytes, whose first row is the lowest as in OpenGL, into a PNG.

    zlib alone takes a fifth of the time of an image data-block that is saved and read back.
    """

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    stride = width * 4
    rows = b"".join(b"\0" + pixels[start : start + stride] for start in range(stride * (height - 1), -1, -stride))
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def _first_viewport() -> _Viewport | None:
    if bpy.app.background:
        return None
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                region = next(region for region in area.regions if region.type == "WINDOW")
                return _Viewport(window, area.spaces.active, region)
    return None


def _needs_render(viewport: _Viewport, shading: str | None) -> bool:
    drawn = shading.upper() if shading else viewport.space.shading.type
    return drawn == "RENDERED" and viewport.window.scene.render.engine not in _VIEWPORT_ENGINES


def _viewport_view(viewport: _Viewport, width: int, height: int) -> _View:
    """The viewport's own view, as if its region had the asked size: the longer side keeps its angle."""
    region_3d, region = viewport.space.region_3d, viewport.region
    scale = max(region.width, region.height) / max(width, height)
    factors = (scale * width / region.width, scale * height / region.height)
    matrix = Matrix.Diagonal((1 / factors[0], 1 / factors[1], 1, 1)) @ region_3d.window_matrix
    return _View(region_3d.view_matrix.copy(), matrix, region_3d.is_perspective)


def _camera_view(viewport: _Viewport, width: int, height: int) -> _View:
    scene, layer = viewport.window.scene, viewport.window.view_layer
    with bpy.context.temp_override(window=viewport.window, scene=scene, view_layer=layer):
        depsgraph = bpy.context.evaluated_depsgraph_get()
    camera = scene.camera.evaluated_get(depsgraph)
    render_settings = scene.render
    projection = camera.calc_matrix_camera(
        depsgraph,
        x=width,
        y=height,
        scale_x=render_settings.pixel_aspect_x,
        scale_y=render_settings.pixel_aspect_y,
    )
    matrix = camera.matrix_world.normalized().inverted()
    return _View(matrix, projection, camera.data.type != "ORTHO")


def _draw(viewport: _Viewport, view: _View, width: int, height: int, shading: str | None, overlays: bool) -> bytes:
    """Draw into a buffer of the asked size; RGBA bytes in display colours, the lowest row first."""
    window, space, region = viewport
    if max(width, height) > gpu.capabilities.max_texture_size_get():
        limit = gpu.capabilities.max_texture_size_get()
        raise CommandError("unsupported", f"the GPU draws at most {limit} pixels a side; ask for fewer", limit=limit)
    changes: list[tuple[Any, str, Any]] = [(space.overlay, "show_overlays", overlays)]
    if shading is not None:
        changes.append((space.shading, "type", shading.upper()))
    offscreen = gpu.types.GPUOffScreen(width, height)
    try:
        with _changed(changes):
            offscreen.draw_view3d(
                window.scene,
                window.view_layer,
                space,
                region,
                view.matrix,
                view.projection,
                do_color_management=True,
            )
        pixels = offscreen.texture_color.read()
    finally:
        offscreen.free()
    # Up to 4.3 a buffer of more dimensions calls itself not contiguous.
    pixels.dimensions = width * height * 4
    opaque = bytearray(pixels)
    opaque[3::4] = b"\xff" * (width * height)
    return bytes(opaque)


@contextmanager
def _changed(changes: list[tuple[Any, str, Any]]) -> Iterator[None]:
    """Set attributes for a while; those that already have the value are not touched, as setting one redraws."""
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in changes]
    try:
        for owner, name, value in changes:
            if getattr(owner, name) != value:
                setattr(owner, name, value)
        yield
    finally:
        for owner, name, value in before:
            if getattr(owner, name) != value:
                setattr(owner, name, value)


def _render(turn: Turn, engine: str, view: _View | None, width: int, height: int) -> Generator[None, None, bytes]:
    """Render what the view shows, or the camera, or all of the scene, into a PNG; `engine` as on the wire."""

    def prepare(scene: bpy.types.Scene) -> None:
        render_scene.set_engine(scene, render_scene.ENGINES[engine])
        render_scene.set_size(scene, width, height)
        render_scene.set_samples(scene, _SAMPLES)
        for name in ("use_compositing", "use_sequencer", "use_border", "film_transparent"):
            setattr(scene.render, name, False)
        scene.render.image_settings.color_mode = "RGB"
        if view is not None:
            _aim(render_scene.add_camera(scene), view, width, height)
        elif scene.camera is None:
            _aim_at_all(render_scene.add_camera(scene), width, height)

    with render_scene.temporary_scene(prepare) as name:
        yield from render(turn, name, turn.progress)
        return png_bytes(name)


def _stand_in(scene: bpy.types.Scene, as_rendered: bool) -> str:
    """The engine that renders in a viewport's place, as on the wire: the scene's own, or one that needs no lights."""
    if not render_scene.gpu_works():
        return "cycles"
    if as_rendered:
        return next(
            (name for name, identifier in render_scene.ENGINES.items() if identifier == scene.render.engine), "cycles"
        )
    return "workbench"


def _aim(camera: bpy.types.Object, view: _View, width: int, height: int) -> None:
    """Give the camera the view, for a picture of this size."""
    projection, lens = view.projection, camera.data
    # Blender fits the longer side: this is the ratio of distance to half its width.
    ratio = projection[0][0] * width / max(width, height)
    if view.is_perspective:
        near = projection[2][3] / (projection[2][2] - 1)
        far = projection[2][3] / (projection[2][2] + 1)
        lens.lens = ratio * lens.sensor_width / 2
        centre = (projection[0][2], projection[1][2])
    else:
        near = (projection[2][3] + 1) / projection[2][2]
        far = (projection[2][3] - 1) / projection[2][2]
        lens.type, lens.ortho_scale = "ORTHO", 2 / ratio
        centre = (-projection[0][3], -projection[1][3])
    lens.shift_x = centre[0] * ratio / (2 * projection[0][0])
    lens.shift_y = centre[1] * ratio / (2 * projection[1][1])
    # An orthographic viewport also shows what is behind its plane; a camera does not, so it steps back.
    back = max(0.0, 0.001 - near)
    lens.clip_start, lens.clip_end = near + back, far + back
    camera.matrix_world = view.matrix.inverted() @ Matrix.Translation((0, 0, back))


def _aim_at_all(camera: bpy.types.Object, width: int, height: int) -> None:
    """Place the camera so that it sees all that has a surface, obliquely from above."""
    depsgraph = bpy.context.evaluated_depsgraph_get()
    corners = [
        instance.matrix_world @ Vector(corner)
        for instance in depsgraph.object_instances
        if instance.object.type not in _NO_SURFACE and not instance.object.hide_render
        for corner in instance.object.bound_box
    ] or [Vector((-1, -1, -1)), Vector((1, 1, 1))]
    low = Vector(min(corner[axis] for corner in corners) for axis in range(3))
    high = Vector(max(corner[axis] for corner in corners) for axis in range(3))
    radius = max((high - low).length / 2, 0.001)
    lens = camera.data
    half_angle = math.atan(lens.sensor_width / 2 / lens.lens * min(width, height) / max(width, height))
    distance = radius / math.sin(half_angle)
    direction = Vector((0.6, -0.65, 0.45)).normalized()
    lens.clip_start, lens.clip_end = (distance - radius) / 2, distance + radius * 2
    rotation = direction.to_track_quat("Z", "Y").to_matrix().to_4x4()
    camera.matrix_world = Matrix.Translation((low + high) / 2 + direction * distance) @ rotation
