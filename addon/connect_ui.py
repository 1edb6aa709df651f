# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the preferences for AI clients, and their buttons. Uses bpy.

Drawing reads what was seen last, and changes nothing.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

import bpy
from bpy.props import StringProperty

from . import connect, listing, mcp_child, session

WIDTH = 640
"""Of the dialog, in pixels of an unscaled interface."""

PLAN_CHARS = 88
"""What fits into a row of it. Blender would leave out the middle of a longer one, which may be what matters."""

TEXT_CHARS = 80
"""What fits into a line of the page at its usual width, and of the dialog."""

MOST_LINES = 40
"""Of rows of a plan, as a dialog cannot be scrolled. An entry has about ten."""

TOKEN_BYTES = 1024
"""More than the program takes for a token."""

STATES = {
    "absent": ("Not connected", "BLANK1"),
    "present": ("Connected", "CHECKMARK"),
    "outdated": ("Starts another program", "INFO"),
    "foreign": ("Has another server of this name", "INFO"),
    "": ("Cannot be read", "ERROR"),
}

GOALS = {"connect": "Connect", "replace": "Replace", "disconnect": "Disconnect"}

_SIGNS = {"+": "ADD", "-": "REMOVE"}


def mcp_line() -> tuple[str, str] | None:
    """The MCP server's state in a line that fits the sidebar, and an icon; None while it is off."""
    status = mcp_child.status()
    lines = {
        "starting": ("MCP server starts", "SORTTIME"),
        "serving": (f"MCP at {status.url.removeprefix('http://')}", "LINKED"),
        "waiting": ("MCP server waits; see Preferences", "ERROR"),
        "failed": ("MCP server failed; see Preferences", "ERROR"),
    }
    return lines.get(status.state)


def draw(layout: bpy.types.UILayout, preferences: Any) -> None:
    """Draw both parts of the page."""
    header, body = layout.panel("spindle_clients", default_closed=False)
    header.label(text="Connect AI Client")
    if body is not None:
        _draw_clients(body)
    header, body = layout.panel("spindle_mcp", default_closed=False)
    header.label(text="MCP Server")
    if body is not None:
        _draw_server(body, preferences)


def _draw_server(layout: bpy.types.UILayout, preferences: Any) -> None:
    draw_text(layout, "For AI clients that take a URL. Those that are connected above need none", "BLANK1")
    layout.prop(preferences, "mcp_server")
    column = layout.column()
    column.active = preferences.mcp_server
    column.prop(preferences, "mcp_port")
    column.prop(preferences, "mcp_token_file")
    if preferences.mcp_server and session.running() is None:
        draw_text(layout, "It serves while Spindle is on", "INFO")
    elif line := mcp_line():
        text, icon = line
        draw_text(layout, mcp_child.status().text or text, icon)
    row = layout.row(align=True)
    row.operator("spindle.mcp_copy_url", icon="COPYDOWN")
    row.operator("spindle.mcp_copy_token", icon="COPYDOWN")


def _draw_clients(layout: bpy.types.UILayout) -> None:
    desk = connect.desk()
    found = [client for client in desk.clients if client.found]
    missing = [client for client in desk.clients if not client.found]
    column = layout.column()
    for client in found:
        _draw_client(column, client)
    if desk.clients and not found:
        column.label(text="None of the clients that Spindle knows was found", icon="INFO")
    if desk.old_program:
        row = layout.row()
        row.label(text="AI clients start a program of another version", icon="INFO")
        row.operator("spindle.program_update")
    row = layout.row()
    row.label(text="Looking …" if desk.is_busy else "")
    row.operator("spindle.clients_look", icon="FILE_REFRESH")
    if desk.message:
        draw_text(layout, desk.message, "INFO")
    if missing:
        _draw_missing(layout, missing)


def _draw_client(layout: bpy.types.UILayout, client: connect.Client) -> None:
    split = layout.split(factor=0.3)
    split.label(text=client.title, translate=False)
    label, icon = STATES.get(client.state, (client.state, "QUESTION"))
    row = split.row(align=True)
    row.label(text=label, icon=icon)
    for goal in client.goals():
        button = row.operator("spindle.client_change", text=GOALS[goal])
        button.client, button.goal = client.id, goal
    row.operator("spindle.client_copy", text="", icon="COPYDOWN").client = client.id
    # Of what a button mends the program's own words, which name its options, are not needed.
    if client.error and not client.goals():
        draw_text(layout, client.error, "ERROR")


def _draw_missing(layout: bpy.types.UILayout, missing: list[connect.Client]) -> None:
    header, body = layout.panel("spindle_clients_missing", default_closed=True)
    header.label(text="Not Found on This Machine")
    if body is None:
        return
    for client in missing:
        row = body.row()
        row.label(text=client.title, translate=False)
        row.operator("spindle.client_copy", icon="COPYDOWN").client = client.id


def draw_text(layout: bpy.types.UILayout, text: str, icon: str) -> None:
    """Draw a text in lines that fit the page; Blender's labels do not wrap."""
    column = layout.column(align=True)
    for number, line in enumerate(textwrap.wrap(text, TEXT_CHARS)):
        column.label(text=line, icon="BLANK1" if number else icon, translate=False)


def _rows(diff: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """The rows that show what changes, each with an icon."""
    for line in diff:
        for row in listing.rows(line[2:], lambda text: len(text) <= PLAN_CHARS):
            yield row.text, _SIGNS.get(line[:1], "BLANK1") if row.begins else "BLANK1"


class SPINDLE_OT_mcp_copy_url(bpy.types.Operator):
    """Copy the address of the MCP server, for a client that takes one"""

    bl_idname = "spindle.mcp_copy_url"
    bl_label = "Copy URL"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        return mcp_child.status().state == "serving"

    def execute(self, context: bpy.types.Context) -> set[str]:
        context.window_manager.clipboard = mcp_child.status().url
        return {"FINISHED"}


class SPINDLE_OT_mcp_copy_token(bpy.types.Operator):
    """Copy the secret that clients pass in the header `Authorization: Bearer`"""

    bl_idname = "spindle.mcp_copy_token"
    bl_label = "Copy Token"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        return mcp_child.status().state == "serving"

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            with open(mcp_child.status().token_file, encoding="ascii") as file:
                token = file.read(TOKEN_BYTES).strip()
        except (OSError, ValueError) as error:
            self.report({"ERROR"}, f"The token cannot be read: {error}")
            return {"CANCELLED"}
        context.window_manager.clipboard = token
        self.report({"INFO"}, "Copied; whoever has it can do what you can do")
        return {"FINISHED"}


class SPINDLE_OT_clients_look(bpy.types.Operator):
    """Look again which AI clients are on this machine, and whether they are connected"""

    bl_idname = "spindle.clients_look"
    bl_label = "Look Again"
    bl_options = {"INTERNAL"}

    def execute(self, _context: bpy.types.Context) -> set[str]:
        connect.desk().message = ""
        connect.desk().refresh()
        return {"FINISHED"}


class SPINDLE_OT_program_update(bpy.types.Operator):
    """Replace the program that AI clients start by the one of this version"""

    bl_idname = "spindle.program_update"
    bl_label = "Update Program"
    bl_options = {"INTERNAL"}

    def execute(self, _context: bpy.types.Context) -> set[str]:
        return {"FINISHED"} if connect.desk().update_program() else {"CANCELLED"}


class SPINDLE_OT_client_copy(bpy.types.Operator):
    """Copy what you can paste into this client's configuration by hand"""

    bl_idname = "spindle.client_copy"
    bl_label = "Copy Configuration"
    bl_options = {"INTERNAL"}

    client: StringProperty(options={"HIDDEN"})

    def execute(self, _context: bpy.types.Context) -> set[str]:
        return {"FINISHED"} if connect.desk().copy(self.client) else {"CANCELLED"}


class SPINDLE_OT_client_change(bpy.types.Operator):
    """Show what changes in this client's configuration, and change it if you agree"""

    bl_idname = "spindle.client_change"
    bl_label = "Change Client"
    bl_options = {"INTERNAL"}

    client: StringProperty(options={"HIDDEN"})
    goal: StringProperty(options={"HIDDEN"})

    _plan: connect.Plan | None = None

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        desk = connect.desk()
        goal: connect.Goal | None = next((goal for goal in connect.goals() if goal == self.goal), None)
        plan = desk.plan(self.client, goal) if goal else None
        if plan is None or not plan.diff:
            self.report({"WARNING"}, desk.message or "There is nothing to change")
            return {"CANCELLED"}
        self._plan = plan
        title = f"{GOALS[plan.goal]} {plan.client.title}?"
        return context.window_manager.invoke_props_dialog(self, width=WIDTH, title=title, confirm_text=GOALS[plan.goal])

    def draw(self, _context: bpy.types.Context) -> None:
        """Draw what would be written."""
        plan = self._plan
        if plan is None:
            return
        column = self.layout.column(align=True)
        column.label(text=plan.client.config, icon="FILE_TEXT", translate=False)
        if plan.installs:
            column.label(text="The program is first copied to a place where it stays:", icon="IMPORT")
            column.label(text=plan.installs, icon="BLANK1", translate=False)
        rows = list(_rows(plan.diff))
        lines = self.layout.box().column(align=True)
        lines.scale_y = 0.8
        for text, icon in rows[:MOST_LINES]:
            lines.label(text=text, icon=icon, translate=False)
        if len(rows) > MOST_LINES:
            lines.label(text=f"and {len(rows) - MOST_LINES} more", icon="BLANK1")
        self.layout.label(text="All else in the file stays as it is, and the original is kept beside it")

    def execute(self, _context: bpy.types.Context) -> set[str]:
        # A script can call this too, but it has not been shown a plan.
        plan = self._plan
        if plan is not None and connect.desk().carry_out(plan.client.id, plan.goal):
            return {"FINISHED"}
        self.report({"WARNING"}, "Press the button again, which shows what changes; nothing was written")
        return {"CANCELLED"}

    def cancel(self, _context: bpy.types.Context) -> None:
        connect.desk().forget_plan()


classes = (
    SPINDLE_OT_mcp_copy_url,
    SPINDLE_OT_mcp_copy_token,
    SPINDLE_OT_clients_look,
    SPINDLE_OT_program_update,
    SPINDLE_OT_client_copy,
    SPINDLE_OT_client_change,
)
register, unregister = bpy.utils.register_classes_factory(classes)
