# SPDX-License-Identifier: GPL-3.0-or-later
"""Cycles renders in a window that last as long as they are needed, started by a client or as a user starts one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from machine import ScriptError

from .blender import Blender

# Samples without end, within a limit of seconds: as long on a slow machine as on a fast one.
SCENE = """
scene = bpy.context.scene
scene.render.engine, scene.cycles.samples, scene.cycles.time_limit = "CYCLES", 65536, {seconds}
scene.cycles.use_adaptive_sampling = scene.cycles.use_denoising = False
bpy.context.preferences.view.render_display_type = "NONE"
"""
RENDER = """
window = bpy.context.window_manager.windows[0]
with bpy.context.temp_override(window=window):
    bpy.ops.render.render("INVOKE_DEFAULT")
"""
RENDERING = "result = bpy.app.is_job_running('RENDER')"


def prepare(running: Blender, seconds: int) -> None:
    """Have every render of this Blender use all cores for so many seconds."""
    running.inside(SCENE.format(seconds=seconds))


@contextmanager
def by_user(running: Blender) -> Iterator[None]:
    """While a render that nobody asked Spindle for is under way. Waits for its end."""
    running.inside(RENDER)
    with _under_way(running):
        yield
    _ended(running)


@contextmanager
def by_client(running: Blender) -> Iterator[None]:
    """While a render that a client started is under way. The client leaves, and the render ends with it."""
    with running.spindle.calling(("render.image", {}), calls=1), _under_way(running):
        yield
    _ended(running)


@contextmanager
def _under_way(running: Blender) -> Iterator[None]:
    running.eventually(lambda: running.inside(RENDERING))
    yield
    if not running.inside(RENDERING):
        raise ScriptError("the render ended before the measurement did")


def _ended(running: Blender) -> None:
    running.eventually(lambda: not running.inside(RENDERING))
