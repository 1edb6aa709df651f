# SPDX-License-Identifier: GPL-3.0-or-later
"""From Blender's timer to what runs beside Blender: the MCP server, and the set-up of AI clients. Uses bpy.

It is a timer of its own, as the pump's is there only while Spindle is on. Without a window there is none, and nothing
runs beside Blender.
"""

from __future__ import annotations

import traceback

import bpy

from . import connect, mcp_child, preferences, session

INTERVAL_S = 0.25
"""How long a change of the switch, or an end of the MCP server, goes unseen."""

BUSY_S = 0.03
"""The same while the user waits for an answer."""

_page_was_seen = False


def tick() -> float:
    """Blender's timer calls this. An exception or any other return value would remove the timer for ever."""
    try:
        _tick()
    except BaseException:  # SystemExit and KeyboardInterrupt would remove the timer like any other.
        traceback.print_exc()
    return BUSY_S if connect.desk().is_busy else INTERVAL_S


def _tick() -> None:
    global _page_was_seen
    desk, areas = connect.desk(), _pages()
    changed = mcp_child.look(_wanted())
    changed |= desk.look()
    if desk.copied:
        bpy.context.window_manager.clipboard, desk.copied = desk.copied, ""
    # Each time that the page comes in sight: clients come and go.
    if areas and not _page_was_seen:
        desk.refresh()
    _page_was_seen = bool(areas)
    if changed:
        for area in areas:
            area.tag_redraw()


def _wanted() -> mcp_child.Settings | None:
    """As the preferences have it. Without Spindle's server nothing could be done with it."""
    chosen = preferences.get()
    if chosen is None or not chosen.mcp_server or session.running() is None:
        return None
    token_file = chosen.mcp_token_file
    return mcp_child.Settings(chosen.mcp_port, bpy.path.abspath(token_file) if token_file else "")


def _pages() -> list[bpy.types.Area]:
    """Where the preferences of add-ons are in sight."""
    if bpy.context.preferences.active_section not in {"ADDONS", "EXTENSIONS"}:
        return []
    windows = bpy.context.window_manager.windows
    return [area for window in windows for area in window.screen.areas if area.type == "PREFERENCES"]


def register() -> None:
    """Begin to look."""
    global _page_was_seen
    _page_was_seen = False
    if not bpy.app.background and not bpy.app.timers.is_registered(tick):
        bpy.app.timers.register(tick, persistent=True)


def unregister() -> None:
    """End what runs beside Blender. Each step is made even where an earlier one failed."""
    if bpy.app.timers.is_registered(tick):
        bpy.app.timers.unregister(tick)
    for stop in (mcp_child.stop, connect.desk().stop):
        try:
            stop()
        except Exception:
            traceback.print_exc()
