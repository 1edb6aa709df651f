# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells the server whenever Blender reports a change of the scene, so that a kept answer can say whether the scene has
moved since. Uses bpy.

No handler sees every change: custom properties, text blocks and pixels change in silence. Requests that change those
are known by their undo step, see the dispatcher.
"""

from __future__ import annotations

from typing import Any

import bpy
from bpy.app.handlers import persistent

from . import session


@persistent
def _touch(*_: Any) -> None:
    """Called at every redraw of an animation, and on the render thread too: a look-up and an atomic addition."""
    server = session.running()
    if server is not None:
        server.touch()


def _lists() -> tuple[list[Any], ...]:
    handlers = bpy.app.handlers
    return (
        handlers.depsgraph_update_post,
        handlers.frame_change_post,
        handlers.undo_post,
        handlers.redo_post,
        handlers.load_post,
    )


def install() -> None:
    """Have Blender report changes. Call `uninstall` before unloading."""
    for handlers in _lists():
        if _touch not in handlers:
            handlers.append(_touch)


def uninstall() -> None:
    """The opposite of `install`."""
    for handlers in _lists():
        if _touch in handlers:
            handlers.remove(_touch)
