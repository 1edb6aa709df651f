# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the user is asked: a dialog that shows the script, and the buttons that decide. Uses bpy.

The code is shown in the dialog itself. A text data-block would be a change to the user's file, with an undo step.
"""

from __future__ import annotations

import functools
import textwrap

import blf
import bpy
from bpy.props import BoolProperty, IntProperty, StringProperty

from . import ask, listing, moments
from .errors import CommandError

WIDTH = 640
"""Of the dialog, in pixels of an unscaled interface."""

PAGE_ROWS = 20
MOST_FINDINGS = 4
FINDING_CHARS = 100

GUTTER = 120
"""What of the width is not for code: margins, numbers and marks."""

SURE_CHARS = 30
"""So many characters fit into a row, whichever they are; measuring each of 100,000 short lines would take a second."""

MARKS = {"danger": "ERROR", "caution": "INFO"}
"""The icon of each severity."""

WRITTEN_IN = {"CONSOLE", "TEXT_EDITOR"}
"""Editors that take what is typed while the pointer is over them."""

_popup: bpy.types.Region | None = None
"""Where a dialog was drawn last. It may be gone since, so it is looked for before each use."""

_shown = 0
"""The ticket of the dialog that was opened last; 0 once it is closed."""


def introduce() -> None:
    """Open the dialog for the oldest script that came without one, unless one is open or the user is busy."""
    question = ask.next_new()
    if question is None or ask.find(_shown) is not None or _user_is_busy():
        return
    windows = [window for window in bpy.context.window_manager.windows if not window.screen.is_temporary]
    window = max(windows, key=lambda window: window.width * window.height, default=None)
    if window is None:
        return
    area = max(window.screen.areas, key=lambda area: area.width * area.height)
    region = next(region for region in area.regions if region.type == "WINDOW")
    with bpy.context.temp_override(window=window, area=area, region=region):
        bpy.ops.spindle.ask_show("INVOKE_DEFAULT", ticket=str(question.ticket), unasked=True)


def _user_is_busy() -> bool:
    """Whether a dialog would get in the way of a tool, a render, or what is being typed."""
    try:
        moments.refuse_unsafe_moment()
    except CommandError:
        return True
    return bpy.context.mode == "EDIT_TEXT"


def _is_at_an_input(context: bpy.types.Context, event: bpy.types.Event) -> bool:
    """Whether the pointer is over an editor that takes what is typed, or a field is under it or being edited."""
    for area in context.window.screen.areas:
        inside = 0 <= event.mouse_x - area.x < area.width and 0 <= event.mouse_y - area.y < area.height
        if inside and area.type in WRITTEN_IN:
            return True
        for region in area.regions:
            with context.temp_override(area=area, region=region):
                if context.property is not None:
                    return True
    return False


def refresh() -> None:
    """Have an open dialog drawn again, as the questions are others now."""
    popup = _popup
    if popup is None:
        return
    for window in bpy.context.window_manager.windows:
        try:
            # No list has temporary regions; an override fails for one that the window has not.
            with bpy.context.temp_override(window=window, region=popup):
                popup.tag_redraw()
                popup.tag_refresh_ui()
        except (ReferenceError, TypeError):
            continue


class SPINDLE_OT_ask_show(bpy.types.Operator):
    """Show the script, why it waits, and the choices"""

    bl_idname = "spindle.ask_show"
    bl_label = "Show Script"
    bl_options = {"INTERNAL"}

    ticket: StringProperty(options={"HIDDEN"})
    unasked: BoolProperty(options={"HIDDEN"})
    page: IntProperty(name="Page", default=1, min=1)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        global _shown
        question = ask.find(int(self.ticket))
        if question is None or (self.unasked and _is_at_an_input(context, event)):
            return {"CANCELLED"}
        _shown = question.ticket
        ask.introduced(question.ticket)
        ask.settle()
        self.page = _first_page(question)
        return context.window_manager.invoke_props_dialog(self, width=WIDTH, title="May This Script Run?")

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the question, or that it is over."""
        global _popup
        _popup = context.region_popup
        question = ask.find(int(self.ticket))
        if question is None:
            _draw_end(self.layout)
        else:
            _draw_question(self.layout, question)
            self._draw_code(question)
            _draw_choices(self.layout, question)

    def _draw_code(self, question: ask.Question) -> None:
        rows, marks = _rows(question.code), question.marks()
        pages = -(-len(rows) // PAGE_ROWS)
        page = min(self.page, pages)
        column = self.layout.box().column(align=True)
        column.scale_y = 0.8
        for row in rows[(page - 1) * PAGE_ROWS :][:PAGE_ROWS]:
            _draw_row(column, row, marks.get(row.line, ""))
        if pages > 1:
            split = self.layout.split(factor=0.25)
            split.prop(self, "page")
            split.label(text=f"of {pages}")

    def execute(self, _context: bpy.types.Context) -> set[str]:
        return {"CANCELLED"}

    def cancel(self, _context: bpy.types.Context) -> None:
        """The dialog was closed, in whatever way."""
        global _popup, _shown
        _popup, _shown = None, 0


def _rows(code: str) -> list[listing.Row]:
    preferences = bpy.context.preferences
    return _measured_rows(code, preferences.ui_styles[0].widget.points * preferences.system.ui_scale)


@functools.lru_cache(maxsize=4)
def _measured_rows(code: str, points: float) -> list[listing.Row]:
    room = (WIDTH - GUTTER) * points / 11
    blf.size(0, points)
    return list(listing.rows(code, lambda text: len(text) <= SURE_CHARS or blf.dimensions(0, text)[0] <= room))


def _first_page(question: ask.Question) -> int:
    """The page with what is most dangerous."""
    line = question.findings[0]["line"] if question.findings else 1
    index = next((index for index, row in enumerate(_rows(question.code)) if row.line == line), 0)
    return 1 + index // PAGE_ROWS


def _draw_row(layout: bpy.types.UILayout, row: listing.Row, severity: str) -> None:
    split = layout.split(factor=0.06, align=True)
    number = split.row()
    number.alignment = "RIGHT"
    number.active = False
    number.label(text=str(row.line) if row.begins else "")
    split.alert = severity == "danger"
    icon = MARKS.get(severity, "BLANK1") if row.begins else "BLANK1"
    split.label(text=row.text, icon=icon, translate=False)


def _draw_question(layout: bpy.types.UILayout, question: ask.Question) -> None:
    column = layout.box().column(align=True)
    column.label(text=f"{question.client} wants to run {question.title}", icon="USER", translate=False)
    column.label(text=f"Unless you decide, it is refused at {question.until}", icon="TIME")
    draw_findings(column, question, FINDING_CHARS, MOST_FINDINGS)


def draw_findings(layout: bpy.types.UILayout, question: ask.Question, chars: int, most: int) -> None:
    """Draw why a script waits, the most dangerous first, in lines of so many characters."""
    for finding in question.findings[:most]:
        text = f"Line {finding['line']}: {finding['reason']}"
        for index, line in enumerate(textwrap.wrap(text, chars, max_lines=3, placeholder=" …")):
            layout.label(text=line, icon="BLANK1" if index else MARKS[finding["severity"]], translate=False)
    more = len(question.findings) - most + question.findings_omitted
    if more > 0:
        layout.label(text=f"and {more} more", icon="BLANK1")


def _draw_choices(layout: bpy.types.UILayout, question: ask.Question) -> None:
    layout.separator()
    row = layout.grid_flow(columns=4, even_columns=True)
    row.scale_y = 1.2
    # Blender opens a dialog with the pointer over the fourth, on Windows over the second: neither lets anything run.
    for decision in (SPINDLE_OT_ask_allow_once, SPINDLE_OT_ask_refuse, SPINDLE_OT_ask_allow_client):
        # Such a button closes the dialog.
        button = row.template_popup_confirm(
            decision.bl_idname, text=decision.bl_label, cancel_text="", cancel_default=True
        )
        button.ticket = str(question.ticket)
    row.template_popup_confirm("", text="", cancel_text="Decide Later", cancel_default=True)


def _draw_end(layout: bpy.types.UILayout) -> None:
    column = layout.column(align=True)
    column.label(text="This script waits no longer", icon="INFO")
    column.label(text="It was answered elsewhere, the time was up, or its client gave it up", icon="BLANK1")
    layout.separator()
    layout.template_popup_confirm("", text="", cancel_text="Close", cancel_default=True)


class _Decision:
    """What the buttons have in common that decide. A click decides, and a key never does: it may be meant for what
    the dialog covers, and Enter, digits and initials all press a dialog's buttons."""

    bl_options = {"INTERNAL"}
    decision = ""

    ticket: StringProperty(options={"HIDDEN"})

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if event.type == "LEFTMOUSE":
            return self.execute(context)
        return _tell(self, "Click to decide; keys do not")

    def execute(self, _context: bpy.types.Context) -> set[str]:
        obstacle = ask.decide(int(self.ticket), self.decision)
        return _tell(self, obstacle) if obstacle else {"FINISHED"}


def _tell(operator: bpy.types.Operator, obstacle: str) -> set[str]:
    operator.report({"WARNING"}, obstacle)
    return {"CANCELLED"}


class SPINDLE_OT_ask_allow_once(_Decision, bpy.types.Operator):
    """Let this script run, this time"""

    bl_idname = "spindle.ask_allow_once"
    bl_label = "Allow Once"
    decision = "once"


class SPINDLE_OT_ask_allow_client(_Decision, bpy.types.Operator):
    """Let this script run, and whatever else its client sends until it is forgotten or Spindle stops"""

    bl_idname = "spindle.ask_allow_client"
    bl_label = "Allow This Client"
    decision = "session"


class SPINDLE_OT_ask_refuse(_Decision, bpy.types.Operator):
    """Do not let this script run; its client is told that you refused it"""

    bl_idname = "spindle.ask_refuse"
    bl_label = "Refuse"
    decision = "refuse"


classes = (SPINDLE_OT_ask_show, SPINDLE_OT_ask_allow_once, SPINDLE_OT_ask_allow_client, SPINDLE_OT_ask_refuse)


def register() -> None:
    """Register the dialog, unless the last `unregister` has left it, and its buttons."""
    for operator in classes:
        if not operator.is_registered:
            bpy.utils.register_class(operator)


def unregister() -> None:
    """Unregister the buttons, and the dialog unless it is open: up to 4.x it would be drawn without its class."""
    for operator in classes:
        if operator is not SPINDLE_OT_ask_show or _popup is None:
            bpy.utils.unregister_class(operator)
