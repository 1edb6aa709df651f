# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender without a window: the command `blender -b [FILE] --command spindle`, and the same for the bpy module.

Timers never run there, so this is the loop: it waits for requests, and for nothing else.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

import bpy

from . import native, pump, session
from .context import window_context

WAIT_S = 0.1
"""How long one wait lasts: Python sees signals between waits."""

RESUME_S = 0.005
"""The same while a command waits for its next turn."""

_command: Any = None


def serve(argv: Sequence[str] = ()) -> int:
    """Serve until SIGINT, SIGTERM or a stop from within. Returns the exit status."""
    arguments = {name: value for name, value in vars(_parse(argv)).items() if value is not None}
    try:
        module = native.load()
    except native.NativeError as error:
        print(f"Spindle: {error}", file=sys.stderr)
        return 1
    with _signals(module) as signals:
        if not pump.start(arguments):
            print(f"Spindle: {session.last_error()}", file=sys.stderr)
            return 1
        if (server := session.running()) is not None:
            status = server.status()
            print(f"Spindle: serving on 127.0.0.1:{status['port']}", flush=True)
            if status["compat_port"] is not None:
                place = f"127.0.0.1:{status['compat_port']}"
                print(f"Spindle: serving other add-ons' clients on {place}, without authentication", flush=True)
        try:
            while not signals and (dispatcher := session.dispatcher()) is not None:
                wait = RESUME_S if dispatcher.has_suspended() else WAIT_S
                with window_context():
                    dispatcher.step(WAIT_S, WAIT_S, first_wait=wait)
        finally:
            pump.stop()
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="blender --command spindle", description="Serve clients without a window.")
    parser.add_argument("--port", type=int, help="the TCP port to prefer; 0 lets the system choose")
    parser.add_argument("--metrics-port", type=int, help="the TCP port for a Prometheus to ask; 0 for none")
    parser.add_argument("--compat-port", type=int, help="the TCP port for other add-ons' clients; 0 for none")
    parser.add_argument("--guard-level", metavar="LEVEL", help="trusted, guarded (the default), ask or locked")
    # Blender passes its own separator on.
    return parser.parse_args([argument for argument in argv if argument != "--"])


@contextmanager
def _signals(module: Any) -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM. Blender's own SIGINT handler would exit at the second one, without
    unregistering anything; it is kept, as it is what ends a render before its time."""
    caught: list[int] = []

    def catch(number: int, _frame: FrameType | None) -> None:
        # The watchdog stops scripts by SIGINT, too; it raises here in the one that is to stop.
        if number != signal.SIGINT or not module.answer_interrupt():
            caught.append(number)

    # None says that it is no handler of Python's; the bpy module has none of its own.
    if bpy.app.background and signal.getsignal(signal.SIGINT) is None:
        module.capture_break_handler()
    saved = {number: signal.signal(number, catch) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in saved:
        module.break_on_signal(number)
    try:
        yield caught
    finally:
        for number, handler in saved.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


def register() -> None:
    """Add the command."""
    global _command
    _command = bpy.utils.register_cli_command("spindle", serve)


def unregister() -> None:
    """Remove the command."""
    bpy.utils.unregister_cli_command(_command)
