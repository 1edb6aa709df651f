# SPDX-License-Identifier: GPL-3.0-or-later
"""When Blender must be left alone. Uses bpy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import bpy

from .errors import CommandError

_renders = False


@contextmanager
def own_render() -> Iterator[None]:
    """Within it a request renders, be it between two of its turns or two of its frames, where Blender runs no job."""
    global _renders
    _renders = True
    try:
        yield
    finally:
        _renders = False


def refuse_while_rendering() -> None:
    """Raise `busy` while a request or the user renders."""
    if _renders or bpy.app.is_job_running("RENDER"):
        raise CommandError("busy", "Blender is rendering; try again when the render has ended", cause="RENDER")


def refuse_unsafe_moment() -> None:
    """Raise `busy` while Blender renders or a modal operator is active.

    Blender's own polls allow changes, undo and renders then, and some of them crash it.
    """
    refuse_while_rendering()
    for window in bpy.context.window_manager.windows:
        # Blender lists them from 4.2 on.
        for operator in getattr(window, "modal_operators", ()):
            # That of a render stays in the list until the window's next event, long after the job has ended.
            if operator.bl_idname == "RENDER_OT_render":
                continue
            raise CommandError(
                "busy",
                f"the tool {operator.name or operator.bl_idname!r} is active in Blender's window; "
                "try again when the user has ended it",
                cause=operator.bl_idname,
            )
