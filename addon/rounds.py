# SPDX-License-Identifier: GPL-3.0-or-later
"""When Blender is through with a load or a save. Uses bpy.

In a window, Blender takes the file for saved once more after that: as its loop comes to the notification of the load or
the save (`wm_event_do_notifiers`, ND_FILEREAD and ND_FILESAVE), which is after its timers. A change in between would be
lost without a question when the user closes Blender. So from a load or a save until the loop has come round nothing
else is served, and no undo step is pushed, which is what marks the file as changed.
"""

from __future__ import annotations

from typing import Any

import bpy
from bpy.app.handlers import persistent

_awaited = 0
_within = False


@persistent
def _on_file(*_: Any) -> None:
    """A file was loaded or saved: by a request in this round, or by anybody before the next one."""
    global _awaited
    if not bpy.app.background:
        _awaited = 1 if _within else 2


def begin() -> bool:
    """Blender has come round. Returns whether it is through."""
    global _awaited, _within
    _awaited = max(_awaited - 1, 0)
    _within = _awaited == 0
    return _within


def is_settled() -> bool:
    """Whether no load and no save is going on."""
    return _awaited == 0


def end() -> None:
    """The round's requests have been served."""
    global _within
    _within = False


def install() -> None:
    """Follow loads and saves. Blender may be about to load its first file."""
    for handlers in (bpy.app.handlers.load_post, bpy.app.handlers.save_post):
        if _on_file not in handlers:
            handlers.append(_on_file)
    _on_file()


def uninstall() -> None:
    """The opposite of `install`."""
    global _awaited
    for handlers in (bpy.app.handlers.load_post, bpy.app.handlers.save_post):
        if _on_file in handlers:
            handlers.remove(_on_file)
    _awaited = 0
    end()
