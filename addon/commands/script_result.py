# SPDX-License-Identifier: GPL-3.0-or-later
"""What a script's result tells: its output, its value, what it raised. All of it is bounded.

Showing a value or an exception calls the script's own code, such as `__repr__`, and so belongs to what the watchdog
can stop; only `describe_unasked` does not.
"""

from __future__ import annotations

import io
import os
import reprlib
import traceback
import types
from collections.abc import Callable, Iterator
from typing import Any

from ..values import ValueFault, plain

OUTPUT_CHARS = 256 * 1024
TRACEBACK_CHARS = 20_000
REPR_CHARS = 1_000

OURS = os.path.dirname(os.path.dirname(__file__)) + os.sep
"""What the paths of this extension's code begin with."""


class Output(io.TextIOBase):
    """A text stream that tells everything as it is written, keeps up to a limit, and counts the rest."""

    def __init__(self, limit: int, tell: Callable[[str], None]) -> None:
        self._parts: list[str] = []
        self._room = limit
        self._tell = tell
        self.tells = True
        self.omitted = 0

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if self.tells:
            self._tell(text)
        kept = text[: self._room]
        if kept:
            self._parts.append(kept)
            self._room -= len(kept)
        self.omitted += len(text) - len(kept)
        return len(text)

    def text(self) -> str:
        """What was kept, without surrogates, which have no UTF-8 form."""
        return "".join(self._parts).encode("utf-8", "replace").decode()


def describe_value(value: Any) -> dict[str, Any]:
    """The members of the result that tell the last expression's value."""
    if value is None:
        return {}
    try:
        return {"value": plain(value), "value_repr": _shown(value, repr)}
    except ValueFault as fault:
        # It may be too large, and then its usual `repr` is, too.
        return {"value_error": {"path": fault.path, "reason": fault.reason}, "value_repr": _shown(value, _short_repr)}


def leave_out_value(result: dict[str, Any], reason: str) -> None:
    """Make a result that was too large for a frame one that fits."""
    result |= {"value": None, "value_error": {"path": "value", "reason": reason}}


def describe(error: BaseException, filename: str) -> dict[str, Any]:
    """What a script raised, from its own first frame on."""
    frames = _from(error, filename)
    try:
        text = "".join(traceback.format_exception(type(error), error, frames))
        message = str(error)
    except Exception as fault:  # The script's own `__str__` may fail.
        text = message = f"<the exception cannot be shown: {type(fault).__name__}>"
    line = error.lineno if isinstance(error, SyntaxError) else _line(frames, filename)
    return _exception(error, message, text, line)


def describe_unasked(error: BaseException, filename: str) -> dict[str, Any]:
    """The same without a call of the script's own code, which may not come back."""
    frames = _from(error, filename)
    # A method that is written in C, over plain texts.
    own = isinstance(type(error).__str__, types.WrapperDescriptorType) and all(type(part) is str for part in error.args)
    message = str(error) if own else "<not shown, as the script was stopped>"
    shown = traceback.extract_tb(frames)
    # The handler of the signal that stopped it is no part of the script.
    while shown and shown[-1].filename.startswith(OURS):
        shown.pop()
    text = "".join(["Traceback (most recent call last):\n", *shown.format()])
    return _exception(error, message, f"{text}{type(error).__qualname__}: {message}\n", _line(frames, filename))


def _exception(error: BaseException, message: str, text: str, line: int | None) -> dict[str, Any]:
    return {
        "type": type(error).__qualname__,
        "message": _clean(message, TRACEBACK_CHARS),
        "traceback": _clean(text, TRACEBACK_CHARS),
        "line": line,
    }


def _from(error: BaseException, filename: str) -> types.TracebackType | None:
    """The script's own frames, without ours."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename != filename:
        frames = frames.tb_next
    return frames


def _line(frames: types.TracebackType | None, filename: str) -> int | None:
    lines = [frame.tb_lineno for frame in _walk(frames) if frame.tb_frame.f_code.co_filename == filename]
    return lines[-1] if lines else None


def _walk(frame: types.TracebackType | None) -> Iterator[types.TracebackType]:
    while frame is not None:
        yield frame
        frame = frame.tb_next


def _shown(value: Any, show: Callable[[Any], str]) -> str:
    if type(value) in (str, bytes, bytearray):
        value = value[: REPR_CHARS + 1]
    try:
        return _clean(show(value), REPR_CHARS)
    except Exception as fault:  # Its own `__repr__` may fail, and so does that of a very large integer.
        return f"<a {type(value).__qualname__} that cannot be shown: {type(fault).__name__}>"


def _short_repr(value: Any) -> str:
    """Without the whole of what is large."""
    short = reprlib.Repr()
    short.maxlist = short.maxtuple = short.maxset = short.maxfrozenset = short.maxdict = short.maxdeque = 20
    short.maxstring = short.maxother = REPR_CHARS
    return short.repr(value)


def _clean(text: str, limit: int) -> str:
    cut = text if len(text) <= limit else f"{text[: limit // 2]}\n…\n{text[-(limit // 2 - 3) :]}"
    return cut.encode("utf-8", "replace").decode()
