# SPDX-License-Identifier: GPL-3.0-or-later
"""`view.capture`: a picture as a 3D viewport draws it, or a render of the same where no viewport can draw it."""

import struct
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import bpy
import gpu
from mathutils import Matrix

from ..errors import CommandError, invalid
from ..turn import Turn
from . import framing, render_scene
from .framing import View
from .render_job import png_bytes, render

# A viewport draws these itself; any other engine draws into it bit by bit, which one capture would not wait for.
_VIEWPORT_ENGINES = ("BLENDER_EEVEE", "BLENDER_EEVEE_NEXT", "BLENDER_WORKBENCH")
# Samples of a picture that stands in for a viewport: enough to see the scene by.
_SAMPLES = 16


class _Wish(NamedTuple):
    """What is asked for, as on the wire; `origin` is `from`."""

    width: int
    height: int
    origin: str
    objects: list[str] | None
    shading: str | None
    overlays: bool


class _Viewport(NamedTuple):
    """The 3D viewport that draws, for one turn."""

    window: bpy.types.Window
    space: bpy.types.SpaceView3D
    region: bpy.types.Region


class Screenshot(NamedTuple):
    """What a viewport shows as a PNG, how it was made, as `source` in the protocol, and where it is seen from, which
    is None for the view of the scene's camera."""

    png: bytes
    width: int
    height: int
    source: str
    view: View | None


# "from" is the wire's name for it and a word of Python, so it arrives among the keywords.
def capture(
    turn: Turn,
    *,
    width: int,
    height: int,
    shading: str | None,
    overlays: bool,
    objects: list[str] | None,
    **place: str,
) -> Generator[None, None, dict[str, Any]]:
    """Draw what the first 3D viewport shows (`from` "viewport"), what the camera sees (`from` "camera"), or all that is
    visible, or `objects`, from a side (`from` "front" and the like), into a PNG.

    Errors: `unsupported` where the camera is asked for and there is none, or nothing can draw; `invalid_params` where
    nothing is to be seen of one of `objects`; `busy` where a render has to stand in and another one runs.
    """
    origin = place["from"]
    if objects is not None and origin not in framing.SIDES:
        raise invalid("objects", f"what to frame is for a view from a side: {', '.join(framing.SIDES)}")
    png, source, view = _try_to_draw(_Wish(width, height, origin, objects, shading, overlays))
    if png is None:
        png = yield from _render(turn, source, view, width, height)
    return {"image": {"$blob": png, "media_type": "image/png"}, "width": width, "height": height, "source": source}


def screenshot(turn: Turn, longest: int) -> Generator[None, None, Screenshot]:
    """What the first 3D viewport shows, in its own size and with its own overlays, or smaller, so that no side has more
    than `longest` pixels. Without a window the scene's camera and its format stand in.

    Raises as `capture` does.
    """
    viewport = _first_viewport()
    if viewport is None:
        render_settings = bpy.context.scene.render
        size, overlays = (render_settings.resolution_x, render_settings.resolution_y), False
    else:
        size, overlays = (viewport.region.width, viewport.region.height), viewport.space.overlay.show_overlays
    scale = min(1.0, longest / max(size))
    width, height = (max(1, int(side * scale)) for side in size)
    png, source, view = _try_to_draw(_Wish(width, height, "viewport", None, None, overlays))
    if png is None:
        png = yield from _render(turn, source, view, width, height)
    return Screenshot(png, width, height, source, view)


def _try_to_draw(wish: _Wish) -> tuple[bytes | None, str, View | None]:
    """The PNG that a viewport draws, or None with the engine that has to render instead and the view for it, which is
    None for that of the camera."""
    viewport = _first_viewport()
    scene = viewport.window.scene if viewport else bpy.context.scene
    if wish.origin == "camera" and scene.camera is None:
        raise CommandError("unsupported", f"the scene {scene.name!r} has no camera; add one, or capture the viewport")
    if viewport is None:
        view = _side_view(None, wish) if wish.origin in framing.SIDES or scene.camera is None else None
        return None, _stand_in(scene, as_rendered=wish.shading == "rendered"), view
    view = _VIEWS.get(wish.origin, _side_view)(viewport, wish)
    if not _needs_render(viewport, wish.shading):
        return encode_png(wish.width, wish.height, _draw(viewport, view, wish)), "viewport", view
    return None, _stand_in(scene, as_rendered=True), None if wish.origin == "camera" else view


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


def _viewport_view(viewport: _Viewport, wish: _Wish) -> View:
    """The viewport's own view, as if its region had the asked size: the longer side keeps its angle."""
    width, height = wish.width, wish.height
    region_3d, region = viewport.space.region_3d, viewport.region
    scale = max(region.width, region.height) / max(width, height)
    factors = (scale * width / region.width, scale * height / region.height)
    matrix = Matrix.Diagonal((1 / factors[0], 1 / factors[1], 1, 1)) @ region_3d.window_matrix
    return View(region_3d.view_matrix.copy(), matrix, region_3d.is_perspective)


def _camera_view(viewport: _Viewport, wish: _Wish) -> View:
    depsgraph, scene = _depsgraph(viewport), viewport.window.scene
    camera = scene.camera.evaluated_get(depsgraph)
    render_settings = scene.render
    projection = camera.calc_matrix_camera(
        depsgraph,
        x=wish.width,
        y=wish.height,
        scale_x=render_settings.pixel_aspect_x,
        scale_y=render_settings.pixel_aspect_y,
    )
    matrix = camera.matrix_world.normalized().inverted()
    return View(matrix, projection, camera.data.type != "ORTHO")


def _side_view(viewport: _Viewport | None, wish: _Wish) -> View:
    """The view from the asked side, or the one that stands in for a viewport; of what the viewport draws, or of what
    is rendered where there is none."""
    side = wish.origin if wish.origin in framing.SIDES else "three_quarter"
    if viewport is None:
        depsgraph, shown = bpy.context.evaluated_depsgraph_get(), _is_rendered
    else:
        depsgraph, shown = _depsgraph(viewport), partial(_is_drawn, viewport.space)
    corners = framing.corners(depsgraph, shown, wish.objects)
    return framing.from_side(side, corners, wish.width, wish.height)


_VIEWS = {"viewport": _viewport_view, "camera": _camera_view}
"""By the wire's names; the others are sides."""


def _depsgraph(viewport: _Viewport) -> bpy.types.Depsgraph:
    scene, layer = viewport.window.scene, viewport.window.view_layer
    with bpy.context.temp_override(window=viewport.window, scene=scene, view_layer=layer):
        return bpy.context.evaluated_depsgraph_get()


def _is_rendered(instance: bpy.types.DepsgraphObjectInstance) -> bool:
    return not instance.object.hide_render


def _is_drawn(space: bpy.types.SpaceView3D, instance: bpy.types.DepsgraphObjectInstance) -> bool:
    """Whether a viewport that shows some objects alone shows this one."""
    maker = instance.parent or instance.object
    return space.local_view is None or maker.original.local_view_get(space)


def _draw(viewport: _Viewport, view: View, wish: _Wish) -> bytes:
    """Draw into a buffer of the asked size; RGBA bytes in display colours, the lowest row first."""
    (window, space, region), (width, height) = viewport, wish[:2]
    if max(width, height) > gpu.capabilities.max_texture_size_get():
        limit = gpu.capabilities.max_texture_size_get()
        raise CommandError("unsupported", f"the GPU draws at most {limit} pixels a side; ask for fewer", limit=limit)
    changes: list[tuple[Any, str, Any]] = [(space.overlay, "show_overlays", wish.overlays)]
    if wish.shading is not None:
        changes.append((space.shading, "type", wish.shading.upper()))
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


def _render(turn: Turn, engine: str, view: View | None, width: int, height: int) -> Generator[None, None, bytes]:
    """Render what the view shows, or the camera sees, into a PNG; `engine` as on the wire."""

    def prepare(scene: bpy.types.Scene) -> None:
        render_scene.set_engine(scene, render_scene.ENGINES[engine])
        render_scene.set_size(scene, width, height)
        render_scene.set_samples(scene, _SAMPLES)
        for name in ("use_compositing", "use_sequencer", "use_border", "film_transparent"):
            setattr(scene.render, name, False)
        scene.render.image_settings.color_mode = "RGB"
        if view is not None:
            _aim(render_scene.add_camera(scene), view, width, height)

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


def _aim(camera: bpy.types.Object, view: View, width: int, height: int) -> None:
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
