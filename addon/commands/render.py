# SPDX-License-Identifier: GPL-3.0-or-later
"""`render.image` and `render.animation`."""

import os
import struct
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bpy

from ..errors import CommandError, invalid
from ..paths import allowed_path
from ..turn import Turn
from .render_job import STOPPED, png_bytes, render, save_png
from .render_scene import ENGINES, set_engine, set_frame, set_samples, set_size, temporary_scene, use_camera

MOST_FRAMES = 10_000
"""In one animation: more files than this are unwieldy in a folder, and in a reply."""


def image(turn: Turn, *, frame: int | None, path: str | None, **look: Any) -> Generator[None, None, dict[str, Any]]:
    """Render the context's scene into a PNG, returned as bytes or written to `path`; `look` is as in `_prepare`.

    Errors: `busy`, `not_found` (camera), `unsupported` (no camera, no such engine, no GPU), `path_not_allowed`,
    `cancelled` and `timed_out`, and `command_failed` where the render stopped without a picture.
    """
    began = time.perf_counter()
    target = Path(allowed_path(path, turn.preferences)) if path is not None else None

    def prepare(scene: bpy.types.Scene) -> None:
        _prepare(scene, **look)
        if frame is not None:
            set_frame(scene, frame)

    with temporary_scene(prepare) as name:
        identifier = bpy.data.scenes[name].render.engine
        yield from render(turn, name, turn.progress)
        if target is not None:
            save_png(name, target)
        png = png_bytes(name) if target is None else _head(target)
    width, height = png_size(png)
    return {
        "image": {"$blob": png, "media_type": "image/png"} if target is None else None,
        "path": None if target is None else str(target),
        "width": width,
        "height": height,
        "engine": identifier,
        "seconds": time.perf_counter() - began,
    }


def animation(
    turn: Turn,
    *,
    folder: str,
    prefix: str | None,
    frame_start: int | None,
    frame_end: int | None,
    frame_step: int | None,
    **look: Any,
) -> Generator[None, None, dict[str, Any]]:
    """Render frames of the context's scene into PNG files in `folder`, which is made at need.

    Errors: as of `image`, and `invalid_params` for the frames and the prefix. Files that are complete stay, and the
    error's details name them as `files`.
    """
    began = time.perf_counter()
    target = allowed_path(folder, turn.preferences)
    if prefix and ("/" in prefix or "\\" in prefix):
        raise invalid("prefix", f"{prefix!r} has a path separator in it; name the folder in `folder`")
    frames = _frames(bpy.context.scene, frame_start, frame_end, frame_step)
    files: list[str] = []
    with _naming(files, turn), temporary_scene(lambda scene: _prepare(scene, **look)) as name:
        identifier = bpy.data.scenes[name].render.engine
        _make_folder(target)
        for frame in frames:
            if bpy.app.background:
                # A frame uses up the time of the step that renders it, so others are served in the next one.
                yield
                yield
            path = allowed_path(os.path.join(target, _file_name(prefix or "", frame)), turn.preferences)
            yield from _render_frame(turn, name, frame, (len(files), len(frames)), Path(path))
            files.append(path)
        width, height = png_size(_head(Path(path)))
    seconds = time.perf_counter() - began
    return {"files": files, "width": width, "height": height, "engine": identifier, "seconds": seconds}


def png_size(png: bytes) -> tuple[int, int]:
    """Width and height in pixels, as the PNG's header says."""
    return struct.unpack(">II", png[16:24])


def _head(path: Path) -> bytes:
    """As much of a PNG file as `png_size` reads."""
    with path.open("rb") as file:
        return file.read(24)


def _prepare(
    scene: bpy.types.Scene,
    engine: str | None,
    width: int | None,
    height: int | None,
    samples: int | None,
    camera: str | None,
) -> None:
    """Have the scene render as asked; what is None stays as it is."""
    set_engine(scene, ENGINES[engine] if engine else scene.render.engine)
    set_size(scene, width, height)
    if samples is not None:
        set_samples(scene, samples)
    _set_camera(scene, camera)


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


def _frames(scene: bpy.types.Scene, start: int | None, end: int | None, step: int | None) -> range:
    """The frames asked for; what is None is as the scene says."""
    first = scene.frame_start if start is None else start
    last = scene.frame_end if end is None else end
    if last < first:
        raise invalid("frame_end", f"the last frame, {last}, comes before the first, {first}; give a later one")
    frames = range(first, last + 1, scene.frame_step if step is None else step)
    if len(frames) > MOST_FRAMES:
        text = f"{len(frames):,} frames are more than {MOST_FRAMES:,}; render them in parts, or fewer by `frame_step`"
        raise invalid("frame_end", text, limit=MOST_FRAMES)
    return frames


def _file_name(prefix: str, frame: int) -> str:
    """A frame's file, numbered as Blender does it."""
    return f"{prefix}{'-' * (frame < 0)}{abs(frame):04}.png"


def _make_folder(path: str) -> None:
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        text = f"the folder {path!r} cannot be made: {error.strerror}; name another one"
        raise CommandError("command_failed", text) from error


def _render_frame(
    turn: Turn, name: str, frame: int, done_of_total: tuple[int, int], target: Path
) -> Generator[None, None, None]:
    done, total = done_of_total

    def report(_done: float, _total: float | None, text: str) -> None:
        turn.progress(done, total, f"frame {frame}: {text}")

    set_frame(bpy.data.scenes[name], frame)
    yield from render(turn, name, report)
    save_png(name, target)
    turn.progress(done + 1, total, f"frame {frame}: written")


@contextmanager
def _naming(files: list[str], turn: Turn) -> Iterator[None]:
    """Have whatever ends the command early name the files that are complete."""
    try:
        yield
    except GeneratorExit:
        cause = turn.stop_cause() or "cancelled"
        text = f"{STOPPED[cause]}; {len(files)} files are complete"
        raise CommandError(cause, text, started=True, files=files) from None
    except CommandError as error:
        error.started = error.started or bool(files)
        error.details["files"] = files
        raise
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        raise CommandError("command_failed", text, started=True, files=files) from error
