# SPDX-License-Identifier: GPL-3.0-or-later
"""SIGINT in a Blender with a window. The watchdog's own stops a script, where it can; any other does as before, but
while a script is being stopped, when nobody can tell them apart.

Loops of Python's C code, such as those of `re`, look for signals and for nothing else, and Python's own handler would
raise also in a driver that the script has set off.
"""

from __future__ import annotations

import signal
from types import FrameType

from . import native


def install() -> None:
    """Handle it, where Python's own handler does so far. Else it stays as it is, and such loops run to their end."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _handle)


def uninstall() -> None:
    """The opposite of `install`."""
    if signal.getsignal(signal.SIGINT) is _handle:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _handle(number: int, frame: FrameType | None) -> None:
    if not native.load().answer_interrupt():
        signal.default_int_handler(number, frame)
