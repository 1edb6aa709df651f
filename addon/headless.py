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

from . import pump, session
from .context import window_context

WAIT_S = 0.1
"""How long one wait lasts: Python sees signals between waits."""

RESUME_S = 0.005
"""The same while a command waits for its next turn."""

_command: Any = None


def serve(argv: Sequence[str] = ()) -> int:
    """Serve until SIGINT, SIGTERM or a stop from within. Returns the exit status."""
    options = _parse(argv)
    settings = {} if options.port is None else {"port": options.port}
    with _signals() as signals:
        if not pump.start(settings):
            print(f"Spindle: {session.last_error()}", file=sys.stderr)
            return 1
        if (server := session.running()) is not None:
            print(f"Spindle: serving on 127.0.0.1:{server.status()['port']}", flush=True)
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
    # Blender passes its own separator on.
    return parser.parse_args([argument for argument in argv if argument != "--"])


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM. Blender's own SIGINT handler would exit at the second one, without
    unregistering anything."""
    caught: list[int] = []

    def catch(number: int, _frame: FrameType | None) -> None:
        caught.append(number)

    saved = {number: signal.signal(number, catch) for number in (signal.SIGINT, signal.SIGTERM)}
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
