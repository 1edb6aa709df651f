# SPDX-License-Identifier: GPL-3.0-or-later
"""What a command is told besides its parameters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol


class Wire(Protocol):
    """What a running request can tell, and be told, before its answer."""

    def output(self, ticket: int, stream: str, text: str) -> None: ...
    def progress(self, ticket: int, done: float, total: float | None, message: str) -> None: ...
    def set_breakable(self, ticket: int, breakable: bool) -> None: ...
    def stop_cause(self, ticket: int) -> str | None: ...


@dataclass(frozen=True, slots=True)
class TurnPreferences:
    """The preferences that commands obey, as they were when the turn began."""

    allowed_folders: tuple[str, ...] = ()
    """Absolute folders, besides the usual ones, in which clients may name files."""
    run_file_scripts: bool = False
    """Whether scripts and drivers of an opened .blend file may run."""
    output_folder: str = ""
    """Where Spindle writes files of its own; empty for none."""


@dataclass(slots=True)
class Turn:
    """One request's origin and options, and what the command says about its effect."""

    client: str
    """The client's name, for people."""
    session: int
    """The number of the client's session."""
    method: str
    label: str = ""
    """What the client calls this request, for undo steps and logs."""
    effect: str | None = None
    """What the client claims it to be: "read", "write" or None."""
    blob: bytes = b""
    """The request's bulk data, which blob references point into."""
    preferences: TurnPreferences = field(default_factory=TurnPreferences)
    changes: bool | None = None
    """What a script says of itself: whether it may have changed something; None until it has started."""
    failure: tuple[str, str] | None = None
    """How and why a script did not end well, for people; its result tells programs."""
    ticket: int = 0
    wire: Wire | None = None
    """The server, as far as a command may use it; None where nobody listens."""

    def output(self, stream: str, text: str) -> None:
        """Tell the client what was written to `stdout` or `stderr`, if the request runs for long."""
        if self.wire is not None:
            self.wire.output(self.ticket, stream, text)

    def progress(self, done: float, total: float | None = None, message: str = "") -> None:
        """Tell the client how far the request has come, in units of your own. Any thread may call it."""
        if self.wire is not None:
            self.wire.progress(self.ticket, done, total, message)

    @contextmanager
    def breakable(self) -> Iterator[None]:
        """Within it, a cancel or a deadline breaks off what Blender renders on this very thread."""
        if self.wire is None:
            yield
            return
        self.wire.set_breakable(self.ticket, True)
        try:
            yield
        finally:
            self.wire.set_breakable(self.ticket, False)

    def stop_cause(self) -> str | None:
        """Why the request is to stop, if it is: "cancelled" or "timed_out"."""
        return None if self.wire is None else self.wire.stop_cause(self.ticket)
