# SPDX-License-Identifier: GPL-3.0-or-later
"""What a command is told besides its parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

RUN_SCRIPTS = frozenset({"script.run", "compat.execute"})
"""The methods that run a client's own code. What that changes is known only once it is read, and has run."""


class Ended(Protocol):
    """How the call of a script ended."""

    @property
    def error(self) -> BaseException | None:
        """What it raised."""

    @property
    def stopped(self) -> str | None:
        """Why the watchdog told it to stop: "cancelled", "timed_out" or None."""

    @property
    def broke_into(self) -> str | None:
        """The driver, handler or drawing method that it was stopped in, where it would not leave it."""

    @property
    def watched(self) -> list[dict[str, Any]]:
        """What the watch saw: event, detail, refused, count."""

    @property
    def watched_omitted(self) -> int:
        """How much more it saw."""


class Wire(Protocol):
    """What a running request can tell, and be told, before its answer."""

    def output(self, ticket: int, stream: str, text: str) -> None: ...
    def progress(self, ticket: int, done: float, total: float | None, message: str) -> None: ...
    def set_breakable(self, ticket: int, breakable: bool) -> None: ...
    def stop_cause(self, ticket: int) -> str | None: ...
    def run_script(self, ticket: int, function: Callable[[], Any], watch: dict[str, Any]) -> Ended: ...
    def limit(self, name: str) -> float: ...


@dataclass(frozen=True, slots=True)
class TurnPreferences:
    """The preferences that commands obey, as they were when the turn began."""

    allowed_folders: tuple[str, ...] = ()
    """Absolute folders, besides the usual ones, in which clients may name files."""
    run_file_scripts: bool = False
    """Whether scripts and drivers of an opened .blend file may run."""
    output_folder: str = ""
    """Where Spindle writes files of its own; empty for none."""
    checkpoint_before_scripts: bool = False
    """Whether a copy of the file is saved before each script that may change something."""


@dataclass(frozen=True, slots=True)
class Unwatched:
    """How a script ended that nobody could stop."""

    error: BaseException | None
    stopped: None = None
    broke_into: None = None
    watched: list[dict[str, Any]] = field(default_factory=list)
    watched_omitted: int = 0


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
    level: str = "trusted"
    """How strict the guard is with this request."""
    findings: list[dict[str, Any]] = field(default_factory=list)
    """What the guard has found in a script, and let pass."""
    unreadable: bool = False
    """Whether the guard could not read a script."""
    notes: list[str] = field(default_factory=list)
    """What the log says of a script's end: `watch:` and an event, `left:` and a kind."""
    lighten: Callable[[str], None] | None = None
    """Makes a result that is too large for a frame one that fits, and says there why. Set by a command that can."""
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

    def run_script(self, function: Callable[[], Any], folders: Sequence[str]) -> Ended:
        """Call what runs a script's own code, so that a cancel or the deadline stops it. It may write to `folders`.
        Never raises what the function does."""
        if self.wire is not None:
            return self.wire.run_script(self.ticket, function, {"level": self.level, "folders": folders})
        try:
            function()
        except BaseException as error:  # A script may raise anything.
            return Unwatched(error)
        return Unwatched(None)

    def limit(self, name: str, alone: float) -> float:
        """A limit of the server's by its name; `alone` where there is no server."""
        return alone if self.wire is None else self.wire.limit(name)

    def stop_cause(self) -> str | None:
        """Why the request is to stop, if it is: "cancelled" or "timed_out"."""
        return None if self.wire is None else self.wire.stop_cause(self.ticket)
