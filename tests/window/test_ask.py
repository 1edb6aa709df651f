# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guard's levels look like from both sides: a client whose script is refused, and the user who is asked."""

from __future__ import annotations

import pytest
import spindle

DANGEROUS = """\
import os

names = [thing.name for thing in bpy.data.objects]
os.system("true")
len(names)
"""

SETTINGS = """
chosen = bpy.context.preferences.addons["bl_ext.user_default.spindle"].preferences
chosen.guard_level, chosen.ask_timeout_s = {level!r}, {patience}
bpy.ops.spindle.stop()
bpy.ops.spindle.start()
"""

DIALOG = """
import importlib, sys
names = [name for name in sys.modules if name.endswith(".spindle.ask_ui")]
dialog = importlib.import_module(names[0])
window = bpy.context.window_manager.windows[0]
"""

STATE = """
ask = dialog.ask
result = {"asked": [asked.title for asked in ask.questions()], "shown": dialog._shown, "place": None}
if dialog._popup is not None:
    with bpy.context.temp_override(window=window, region=dialog._popup):
        result["place"] = [dialog._popup.x, dialog._popup.y, dialog._popup.width]
"""

SETTLED = """
import time
result = time.monotonic() >= dialog.ask._state.settled_at
"""

EVENTS = """
for type, value in {events!r}:
    window.event_simulate(type=type, value=value, x={x}, y={y})
"""

MOVE = [("MOUSEMOVE", "NOTHING")]
CLICK = [("LEFTMOUSE", "PRESS"), ("LEFTMOUSE", "RELEASE")]

BUTTONS = {"Allow Once": 0.14, "Refuse": 0.38, "Allow This Client": 0.62, "Decide Later": 0.86}
"""The dialog's buttons, at these parts of its width."""

BUTTONS_ABOVE = 36
"""The middle of their row, in pixels above the dialog's lower edge."""


class User:
    """The user in front of Blender."""

    def __init__(self, blender):
        self.blender = blender

    def chooses(self, level, patience=60.0):
        self.blender.inside(SETTINGS.format(level=level, patience=patience))

    def sees(self):
        return self.blender.inside(DIALOG + STATE)

    def ticket(self):
        """That of the oldest script that waits."""
        return self.blender.inside(f"{DIALOG}result = str(dialog.ask.questions()[0].ticket)")

    def waits_for_the_dialog(self):
        """Until it is there, and long enough for its buttons to work."""
        self.blender.eventually(lambda: self.sees()["place"])
        self.settles()

    def puts_off(self):
        """All scripts that wait: each comes with a dialog of its own, once."""
        for ticket in self.blender.inside(f"{DIALOG}result = [asked.ticket for asked in dialog.ask.questions()]"):
            self.blender.eventually(lambda ticket=ticket: (seen := self.sees())["shown"] == ticket and seen["place"])
            self.presses("ESC")
        self.blender.eventually(lambda: self.sees()["place"] is None)

    def settles(self):
        """Until buttons work."""
        self.blender.eventually(lambda: self.blender.inside(DIALOG + SETTLED))

    def does(self, events, x=300, y=300):
        self.blender.inside(DIALOG + EVENTS.format(events=events, x=x, y=y))

    def clicks(self, button):
        left, lower, width = self.sees()["place"]
        place = int(left + width * BUTTONS[button]), lower + BUTTONS_ABOVE
        # A hand moves in more than one event: what it leaves is let go with the first, what it comes to is lit later.
        for events in (MOVE, MOVE, CLICK):
            self.does(events, *place)

    def presses(self, key):
        self.does([(key, "PRESS"), (key, "RELEASE")])


@pytest.fixture
def user(blender):
    return User(blender)


def test_a_guarded_refusal_as_its_client_sees_it(blender):
    """DROP_CLASSES: what is dangerous, where, and what to do instead; nothing has run, and the level is the default."""
    with blender.connect() as client, pytest.raises(spindle.SpindleError) as refusal:
        client.run(DANGEROUS)
    error = refusal.value
    assert (error.kind, error.started, error.retryable) == ("script_refused", False, False)
    assert (error.details["level"], error.details["refused_by"]) == ("guarded", "policy")
    worst = next(finding for finding in error.details["findings"] if finding["severity"] == "danger")
    assert f"line {worst['line']}, {worst['rule']}: {worst['reason']} {worst['remedy']}"[:200] in str(error)
    blender.show_panel()


def test_the_user_is_asked(blender, user, pictures):
    """A click decides for one script, or for all of a client; others are served meanwhile, changes too."""
    user.chooses("ask")
    with blender.connect() as client, blender.connect() as other:

        def run():
            return blender.in_background(lambda: client.run(DANGEROUS, label="Count objects", timeout=120))

        first = run()
        user.waits_for_the_dialog()
        blender.show_panel()
        blender.screenshot(pictures / f"ask-{blender.name}.png")
        assert user.sees()["asked"] == ["Count objects"]
        assert other.run("1 + 1").value == 2
        assert other.call("object.create", {"kind": "cube"})["undo_step"]
        assert not first.done()
        user.clicks("Allow Once")
        assert first.result(timeout=60).value == 4

        second = run()
        user.waits_for_the_dialog()
        user.clicks("Refuse")
        with pytest.raises(spindle.SpindleError, match="the user refused this") as refusal:
            second.result(timeout=60)
        assert (refusal.value.kind, refusal.value.details["refused_by"]) == ("script_refused", "user")

        third = run()
        user.waits_for_the_dialog()
        user.clicks("Allow This Client")
        assert third.result(timeout=60).value == 4
        assert client.run(DANGEROUS, timeout=60).value == 4
        assert user.sees()["asked"] == []


def test_closing_the_dialog_decides_nothing(blender, user, pictures):
    """Neither does any key; the panel has the same buttons, and several scripts wait side by side."""
    user.chooses("ask")
    clients = [blender.connect() for _ in range(2)]
    titles = ["One", "Two"]
    running = [
        blender.in_background(lambda client=client, title=title: client.run(DANGEROUS, label=title, timeout=120))
        for client, title in zip(clients, titles, strict=True)
    ]
    blender.eventually(lambda: len(user.sees()["asked"]) == 2)
    user.puts_off()
    for key in ("RET", "ONE", "FOUR", "A", "R", "O", "ESC"):
        if not user.sees()["place"]:
            blender.inside(f"bpy.ops.spindle.ask_show('INVOKE_DEFAULT', ticket={user.ticket()!r})")
        user.waits_for_the_dialog()
        user.presses(key)
    blender.inside("bpy.ops.wm.redraw_timer(type='DRAW_WIN_SWAP', iterations=1)")
    assert len(user.sees()["asked"]) == 2 and not any(future.done() for future in running)
    user.presses("ESC")
    blender.eventually(lambda: user.sees()["place"] is None)
    blender.show_panel()
    blender.screenshot(pictures / f"panel-asking-{blender.name}.png")
    for future in running:
        ticket = blender.inside(f"{DIALOG}result = str(dialog.ask.questions()[0].ticket)")
        blender.eventually(
            lambda ticket=ticket: (
                blender.inside(f"result = list(bpy.ops.spindle.ask_allow_once(ticket={ticket!r}))") == ["FINISHED"]
            )
        )
        assert future.result(timeout=60).value == 3
    for client in clients:
        client.close()


ENDS = {
    "time": "",
    "stop": "bpy.ops.spindle.stop()",
    "load": "bpy.ops.wm.read_homefile()",
    "disable": "bpy.ops.preferences.addon_disable(module='bl_ext.user_default.spindle')",
}


@pytest.mark.parametrize("end", ENDS)
def test_the_dialog_outlives_its_question(blender, user, pictures, end):
    """It says that it is over, nothing is decided by it any more, and Blender lives on; a loaded file closes it, and
    the question stays open."""
    user.chooses("ask", 3.0 if end == "time" else 60.0)
    with blender.connect() as client:
        running = blender.in_background(lambda: client.run(DANGEROUS, timeout=120))
        user.waits_for_the_dialog()
        blender.inside(ENDS[end])
        if end == "load":
            blender.eventually(lambda: user.sees()["place"] is None)
            assert not running.done() and len(user.sees()["asked"]) == 1
            return
        with pytest.raises(spindle.SpindleError) as refusal:
            running.result(timeout=60)
        if end == "time":
            details = refusal.value.details
            assert (refusal.value.kind, details["refused_by"]) == ("script_refused", "no_answer")
            blender.eventually(lambda: user.sees()["asked"] == [])
            blender.screenshot(pictures / f"ask-over-{blender.name}.png")
    user.presses("ESC")
    assert blender.inside("bpy.ops.wm.redraw_timer(type='DRAW_WIN_SWAP', iterations=2)\nresult = 'alive'") == "alive"


def test_the_dialog_waits_while_the_user_types(blender, user):
    """It would take the keys. The panel has the script all the same."""
    editor = "max(window.screen.areas, key=lambda area: area.width * area.height)"
    user.chooses("ask")
    blender.inside(f"{DIALOG}{editor}.type = 'CONSOLE'")
    x, y = blender.inside(f"{DIALOG}area = {editor}\nresult = [area.x + 40, area.y + 40]")
    user.does(MOVE, x, y)
    with blender.connect() as client:
        running = blender.in_background(lambda: client.run(DANGEROUS, timeout=120))
        blender.eventually(lambda: user.sees()["asked"])
        for _ in range(5):
            user.presses("A")
            assert user.sees()["place"] is None
        blender.inside(f"{DIALOG}{editor}.type = 'VIEW_3D'")
        user.waits_for_the_dialog()
        user.clicks("Refuse")
        with pytest.raises(spindle.SpindleError):
            running.result(timeout=60)


def test_a_script_cannot_press_the_buttons(blender, user):
    """One that the user has allowed is not the user: it cannot let another one run."""
    user.chooses("ask")
    press = f"{DANGEROUS}list(bpy.ops.spindle.ask_allow_once(ticket=args['ticket']))"
    with blender.connect() as client, blender.connect() as presser:
        waiting = blender.in_background(lambda: client.run(DANGEROUS, timeout=120))
        user.waits_for_the_dialog()
        args = {"ticket": user.ticket()}
        user.clicks("Decide Later")
        pressing = blender.in_background(lambda: presser.run(press, args, timeout=120))
        user.waits_for_the_dialog()
        user.clicks("Allow Once")
        assert pressing.result(timeout=60).value == ["CANCELLED"]
        assert user.ticket() == args["ticket"] and not waiting.done()
        # Too soon after a change, a decision does not count.
        refuse = f"result = 'FINISHED' in bpy.ops.spindle.ask_refuse(ticket={args['ticket']!r})"
        blender.eventually(lambda: blender.inside(refuse))
        with pytest.raises(spindle.SpindleError) as refusal:
            waiting.result(timeout=60)
        assert refusal.value.details["refused_by"] == "user"
