# SPDX-License-Identifier: GPL-3.0-or-later
"""Spindle: drive Blender from other programs.

The native module is the socket server; this package registers with Blender and runs requests on its main thread.
`native`, `session` and `dispatcher` do not know Blender; `pump` calls them from Blender's timer, `headless` from a
loop; `commands` has a file per noun.
"""

from __future__ import annotations

import bpy

from . import ask_ui, connect_pump, connect_ui, headless, operators, panel, preferences, pump

_parts = (preferences, operators, ask_ui, connect_ui, panel, connect_pump, headless)


def register() -> None:
    """Register everything, in order; then start if the preferences say so."""
    for part in _parts:
        part.register()
    chosen = preferences.get()
    if chosen is not None and chosen.autostart and not bpy.app.background:
        pump.start()


def unregister() -> None:
    """Stop, then unregister everything in reverse order."""
    pump.stop()
    for part in reversed(_parts):
        part.unregister()
