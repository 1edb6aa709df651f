# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep Blender's loop from sleeping between two bursts of requests. Uses bpy.

A round of the loop that finds no event sleeps 5 ms, however much a timer of `bpy.app.timers` has just served. An
event timer of the window manager that is due is an event, so the next round comes at once. Measured with a client
that asks without pause: the mean falls from 335 to 140 µs, as most of the pauses of 5 ms are gone.
"""

from __future__ import annotations

import time

import bpy

INTERVAL_S = 0.005
"""As long as Blender's own sleep, so an idle window's rounds do not come more often than without it."""

KEPT_S = 0.5
"""How long the timer stays after the last request."""

_timer: bpy.types.Timer | None = None
_window = 0
_until = 0.0


def stay_awake() -> None:
    """Requests were served: more are to be expected."""
    global _timer, _window, _until
    _until = time.monotonic() + KEPT_S
    if _timer is None:
        manager = bpy.context.window_manager
        if manager.windows:
            window = manager.windows[0]
            _timer, _window = manager.event_timer_add(INTERVAL_S, window=window), window.as_pointer()


def doze() -> None:
    """Nothing was served: after a while, let the loop sleep as usual."""
    if _timer is not None and time.monotonic() >= _until:
        let_sleep()


def let_sleep() -> None:
    """Remove the timer. Due before a file is loaded, since the window manager and its timers may go then."""
    global _timer
    timer, _timer = _timer, None
    if timer is None:
        return
    manager = bpy.context.window_manager
    # A window takes its timers with it.
    if any(window.as_pointer() == _window for window in manager.windows):
        manager.event_timer_remove(timer)
