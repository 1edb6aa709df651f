# SPDX-License-Identifier: GPL-3.0-or-later
"""The N-panel: reads a snapshot, changes nothing."""

from __future__ import annotations

import textwrap
from typing import Any

import bpy

from . import ask, ask_ui, connect_ui, session

_STATES = {
    "ready": ("Ready", "CHECKMARK"),
    "busy": ("Busy", "SORTTIME"),
    "blocked": ("Blocked", "ERROR"),
    "stopping": ("Stopping", "X"),
}

_GUARD = {
    "trusted": ("Scripts run unchecked", "FAKE_USER_OFF"),
    "guarded": ("Dangerous scripts are refused", "FAKE_USER_ON"),
    "ask": ("Dangerous scripts wait for you", "FAKE_USER_ON"),
    "locked": ("No script runs", "LOCKED"),
}
"""The guard's levels, and a shield for most of them."""

_OUTCOMES = {"script_refused": "refused"}
"""Kinds of errors that are too long for their column."""

TEXT_CHARS = 34
"""What fits beside an icon in a sidebar of the usual width."""

MOST_FINDINGS = 2
"""Of a script that waits; the dialog has room for more."""

_shown: tuple[Any, ...] = ()


def snapshot() -> dict[str, Any] | None:
    """What the panel shows; None while the server is off."""
    server = session.running()
    if server is None:
        return None
    status = server.status()
    status["guard"] = server.guard()
    status["mcp"] = connect_ui.mcp_line()
    status["running"] = [(*request, _round(progress)) for *request, progress in status["running"]]
    return status


def _round(progress: tuple[float, float | None, str] | None) -> tuple[float | None, str] | None:
    """Progress in whole percents, so that the panel is not drawn again for what nobody could see."""
    if progress is None:
        return None
    done, total, message = progress
    return (min(round(done / total, 2), 1.0) if total else None), message


def redraw_on_change() -> None:
    """Have the panel drawn again if it would look different, where it is in sight: with software OpenGL a redraw of
    the window takes hundreds of milliseconds."""
    global _shown
    now = snapshot(), ask.questions()
    if now == _shown:
        return
    _shown = now
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D" and area.spaces.active.show_region_ui:
                for region in area.regions:
                    if region.type == "UI" and region.active_panel_category == SPINDLE_PT_main.bl_category:
                        region.tag_redraw()


class SPINDLE_PT_main(bpy.types.Panel):
    """Whether Spindle runs, and what it does."""

    bl_idname = "SPINDLE_PT_main"
    bl_label = "Spindle"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Spindle"

    def draw(self, _context: bpy.types.Context) -> None:
        """Draw the switch, the address and the state."""
        layout = self.layout
        status = snapshot()
        if status is None:
            layout.operator("spindle.start", icon="PLAY")
            _draw_error(layout)
            return
        layout.operator("spindle.stop", icon="PAUSE")
        _draw_state(layout, status)
        for question in ask.questions():
            _draw_question(layout, question)
        for name, text in status["alerts"]:
            if name != "asking":
                _draw_text(layout, text)
        _draw_error(layout)
        failures = [request for request in status["recent"] if request[4]]
        if failures:
            method, client, title, _outcome, text, _seconds = failures[-1]
            _draw_text(layout, f"{title or method} ({client}): {text}")


def _draw_state(layout: bpy.types.UILayout, status: dict[str, Any]) -> None:
    column = layout.column(align=True)
    if not status["running"]:
        label, icon = _STATES[status["state"]]
        column.label(text=label, icon=icon)
    row = column.row(align=True)
    row.label(text=f"127.0.0.1:{status['port']}", icon="LINKED")
    row.operator("spindle.copy_connection", text="", icon="COPYDOWN")
    if status["taken_port"] is not None:
        column.label(text=f"Port {status['taken_port']} was taken", icon="INFO")
    text, icon = _GUARD[status["guard"]]
    column.label(text=text, icon=icon)
    if status["compat_port"] is not None:
        column.label(text=f"127.0.0.1:{status['compat_port']}: no authentication", icon="UNLOCKED")
    if status["mcp"] is not None:
        text, icon = status["mcp"]
        column.label(text=text, icon=icon)


def _draw_question(layout: bpy.types.UILayout, question: ask.Question) -> None:
    box = layout.box()
    column = box.column(align=True)
    column.label(text=f"{question.title} ({question.client})", icon="QUESTION", translate=False)
    column.label(text=f"Waits until {question.until}", icon="BLANK1")
    ask_ui.draw_findings(column, question, TEXT_CHARS, MOST_FINDINGS)
    buttons = box.column(align=True)
    ticket = str(question.ticket)
    buttons.operator("spindle.ask_show").ticket = ticket
    row = buttons.row(align=True)
    row.operator("spindle.ask_allow_once").ticket = ticket
    row.operator("spindle.ask_refuse").ticket = ticket
    buttons.operator("spindle.ask_allow_client").ticket = ticket


class SPINDLE_PT_queue(bpy.types.Panel):
    """What runs and what waits."""

    bl_idname = "SPINDLE_PT_queue"
    bl_parent_id = "SPINDLE_PT_main"
    bl_label = "Queue"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        return session.running() is not None

    def draw(self, _context: bpy.types.Context) -> None:
        """Draw a line per request, each with a button to cancel it."""
        status = snapshot() or {"running": [], "waiting": [], "queued": 0}
        column = self.layout.column(align=True)
        for ticket, method, label, client, progress in status["running"]:
            _draw_request(column, ticket, f"{label or method} ({client})", "PLAY")
            if progress is not None:
                factor, message = progress
                column.progress(factor=factor or 0.0, text=message)
        for ticket, method, label, client in status["waiting"]:
            _draw_request(column, ticket, f"{label or method} ({client})", "SORTTIME")
        more = status["queued"] - len(status["waiting"])
        if more > 0:
            column.label(text=f"{more} more", icon="BLANK1")
        if not status["running"] and not status["waiting"]:
            column.label(text="Empty")


def _draw_request(layout: bpy.types.UILayout, ticket: int, text: str, icon: str) -> None:
    row = layout.row(align=True)
    row.label(text=text, icon=icon)
    # Tickets have 64 bits, and Blender's integer properties 32.
    row.operator("spindle.cancel", text="", icon="X").ticket = str(ticket)


class SPINDLE_PT_clients(bpy.types.Panel):
    """Who is connected."""

    bl_idname = "SPINDLE_PT_clients"
    bl_parent_id = "SPINDLE_PT_main"
    bl_label = "Clients"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        return session.running() is not None

    def draw(self, _context: bpy.types.Context) -> None:
        """Draw a line per client."""
        status = snapshot() or {"clients": []}
        column = self.layout.column(align=True)
        for name, version, connections in status["clients"]:
            count = f" ({connections})" if connections > 1 else ""
            column.label(text=f"{name} {version}{count}", icon="USER")
        if not status["clients"]:
            column.label(text="None")


class SPINDLE_PT_requests(bpy.types.Panel):
    """What was done last."""

    bl_idname = "SPINDLE_PT_requests"
    bl_parent_id = "SPINDLE_PT_main"
    bl_label = "Last Requests"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        return session.running() is not None

    def draw(self, _context: bpy.types.Context) -> None:
        """Draw a line per request, the newest first."""
        status = snapshot() or {"recent": []}
        column = self.layout.column(align=True)
        for method, _client, label, outcome, _text, seconds in reversed(status["recent"]):
            good = outcome == "ok"
            row = column.split(factor=0.7, align=True)
            row.label(text=label or method, icon="CHECKMARK" if good else "ERROR")
            result = row.row()
            result.alignment = "RIGHT"
            result.label(text=f"{seconds * 1000:.1f} ms" if good else _OUTCOMES.get(outcome, outcome.replace("_", " ")))
        if not status["recent"]:
            column.label(text="None")


def _draw_error(layout: bpy.types.UILayout) -> None:
    if session.last_error():
        _draw_text(layout, session.last_error())


def _draw_text(layout: bpy.types.UILayout, text: str) -> None:
    """A text in lines that fit a narrow sidebar; Blender's labels do not wrap."""
    column = layout.box().column(align=True)
    for index, line in enumerate(textwrap.wrap(text, width=TEXT_CHARS, max_lines=4, placeholder=" …")):
        column.label(text=line, icon="BLANK1" if index else "ERROR")


classes = (SPINDLE_PT_main, SPINDLE_PT_queue, SPINDLE_PT_clients, SPINDLE_PT_requests)
register, unregister = bpy.utils.register_classes_factory(classes)
