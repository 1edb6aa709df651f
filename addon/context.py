# SPDX-License-Identifier: GPL-3.0-or-later
"""A context with a window. Uses bpy.

Loading a file takes the window out of Blender's context. In a window the next round of the main loop puts it back;
without one nobody does, and operators such as `ed.undo_push` fail their poll.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import bpy


def window_context() -> AbstractContextManager[Any]:
    """Blender's context as it is, or with the first window where it has none."""
    windows = bpy.context.window_manager.windows
    if bpy.context.window is None and windows:
        override: AbstractContextManager[Any] = bpy.context.temp_override(window=windows[0])
        return override
    return nullcontext()
