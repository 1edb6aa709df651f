# SPDX-License-Identifier: GPL-3.0-or-later
"""From Blender's timer to the dispatcher, and the guards that keep the timer alive. Uses bpy."""

from __future__ import annotations

import atexit
import time
import traceback
from typing import Any

import bpy
from bpy.app.handlers import persistent

from . import ask, ask_ui, generation, interrupt, panel, preferences, session, undo, wakefulness
from .commands import TABLE
from .dispatcher import Dispatcher
from .moments import refuse_unsafe_moment
from .native import Server

LINGER_S = 0.002
"""How long a step waits for the next request after one was served: a client on this machine that has just
been answered asks again well within it."""

BUDGET_S = 0.008
"""How long a step may go on serving before Blender has its turn: half a frame at 60 Hz."""

IDLE_S = 0.01
"""The timer's interval without connections: what a client that comes waits for its first answer at most, beside
Blender's own rounds. With a connection it is 0: once a round of Blender's loop, about 5 ms."""

QUIET_TICKS = 4
"""How many ticks in a row only look for a request, once nothing is left to do. Each is a call into a Python that lies
idle, and costs by how much of it is touched."""

PANEL_S = 0.25
"""How often the panel looks for changes."""

_next_look = 0.0
_quiet = 0


def new_dispatcher() -> Dispatcher:
    """A dispatcher of all commands."""
    return Dispatcher(TABLE, undo.keeper, refuse_unsafe_moment, preferences.for_turn)


def start(arguments: dict[str, Any] | None = None) -> bool:
    """Switch the server on, with these settings over all others. Returns whether it runs; `session.last_error` says
    why not."""
    window = not bpy.app.background
    if not session.start(
        new_dispatcher(),
        preferences.server_settings(),
        arguments or {},
        blender=bpy.app.version_string,
        window=window,
        file=bpy.data.filepath,
    ):
        return False
    undo.keeper.install()
    undo.keeper.begin_history()
    generation.install()
    _install_handlers()
    if window:
        interrupt.install()
        _ensure_timer()
    return True


def stop() -> None:
    """Switch the server off. Each step runs even where an earlier one failed."""
    steps = (
        session.stop,
        interrupt.uninstall,
        _remove_timer,
        wakefulness.let_sleep,
        _remove_handlers,
        generation.uninstall,
        undo.keeper.uninstall,
        undo.keeper.forget,
        _end_questions,
    )
    for step in steps:
        try:
            step()
        except Exception:
            traceback.print_exc()


def _end_questions() -> None:
    ask.look()
    ask_ui.refresh()


def tick() -> float:
    """Blender's timer calls this. An exception or any other return value would remove the timer for ever."""
    try:
        return _tick()
    except BaseException:  # SystemExit and KeyboardInterrupt would remove the timer like any other.
        traceback.print_exc()
        return IDLE_S


def _tick() -> float:
    global _next_look, _quiet
    dispatcher, server = session.dispatcher(), session.running()
    if dispatcher is None or server is None:
        return IDLE_S
    if _quiet > 0 and not server.has_requests():
        _quiet -= 1
        return _interval(server)
    with ask.request_runs():
        served = dispatcher.step(LINGER_S, BUDGET_S)
    if served:
        wakefulness.stay_awake()
    else:
        wakefulness.doze()
    now = time.monotonic()
    if now >= _next_look:
        _next_look = now + PANEL_S
        _show_changes()
    _quiet = 0 if served or not undo.keeper.may_go_on() else QUIET_TICKS
    return _interval(server)


def _interval(server: Server) -> float:
    return 0.0 if server.has_connections() else IDLE_S


def _show_changes() -> None:
    if ask.look():
        ask_ui.refresh()
    ask_ui.introduce()
    panel.redraw_on_change()


def _ensure_timer() -> None:
    if not bpy.app.timers.is_registered(tick):
        bpy.app.timers.register(tick, persistent=True)


def _remove_timer() -> None:
    if bpy.app.timers.is_registered(tick):
        bpy.app.timers.unregister(tick)


@persistent
def _before_load(*_: Any) -> None:
    wakefulness.let_sleep()


@persistent
def _on_load(*_: Any) -> None:
    undo.keeper.forget()
    undo.keeper.install()
    undo.keeper.begin_history()
    if not bpy.app.background and session.running() is not None:
        _ensure_timer()
    _on_file_name()


@persistent
def _on_file_name(*_: Any) -> None:
    server = session.running()
    if server is not None:
        try:
            server.set_file(bpy.data.filepath)
        except OSError as error:
            session.note_error(f"The instance file cannot be written: {error}")


@persistent
def _on_exit(*_: Any) -> None:
    stop()


def _handlers() -> list[tuple[list[Any], Any]]:
    handlers = bpy.app.handlers
    pairs = [(handlers.load_pre, _before_load), (handlers.load_post, _on_load), (handlers.save_post, _on_file_name)]
    if hasattr(handlers, "exit_pre"):  # From 5.1 on.
        pairs.append((handlers.exit_pre, _on_exit))
    return pairs


def _install_handlers() -> None:
    for handlers, function in _handlers():
        if function not in handlers:
            handlers.append(function)
    atexit.register(stop)


def _remove_handlers() -> None:
    atexit.unregister(stop)
    for handlers, function in _handlers():
        if function in handlers:
            handlers.remove(function)
