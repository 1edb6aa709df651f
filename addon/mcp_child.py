# SPDX-License-Identifier: GPL-3.0-or-later
"""`spindle mcp --http` as a child of this Blender: started, watched, started again, and stopped.

Its standard input is a pipe that only this process holds, and it ends when that closes: so it never outlives Blender,
not even one that was killed. Its first line says where it listens; if it ends, its output or its complaint says why.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from . import companion
from .companion import CompanionError

FIRST_DELAY_S = 1.0
MOST_DELAY_S = 60.0
"""After an end that nobody asked for it is started again, first after the one, each time after twice as long, and in
the end after the other."""

SETTLED_S = 60.0
"""Who has lived so long has not failed at the start: the delays begin anew."""

START_S = 20.0
"""How long it may take to listen. A virus scanner that sees it for the first time takes seconds."""

TEXT_CHARS = 300
"""Of what went wrong."""

HOPELESS = {"no_token"}
"""What it complains of, by its stable names, that another start does not mend. A port that is taken is not among it:
the other may end, such as the child of another Blender."""

State = Literal["off", "starting", "serving", "waiting", "failed"]


@dataclass(frozen=True, slots=True)
class Settings:
    """How it is to serve."""

    port: int
    """0 lets the system choose."""
    token_file: str = ""
    """Empty for the usual place, which the program knows."""


@dataclass(frozen=True, slots=True)
class Status:
    """What is known of it."""

    state: State = "off"
    text: str = ""
    """Why it waits or has failed."""
    url: str = ""
    token_file: str = ""


class _Run(Protocol):
    output: bytes
    errors: bytes

    @property
    def status(self) -> int | None: ...
    def look(self) -> bool: ...
    def ask_to_end(self) -> None: ...
    def end(self) -> None: ...


def _launch(settings: Settings) -> _Run:
    token = ["--token-file", settings.token_file] if settings.token_file else []
    return companion.Run(["mcp", "--http", "--json", "--port", str(settings.port), *token], held=True)


class Child:
    """At most one process, brought in line with what is wanted each time that somebody looks."""

    def __init__(
        self,
        launch: Callable[[Settings], _Run] = _launch,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.status = Status()
        self._launch = launch
        self._clock = clock
        self._run: _Run | None = None
        self._is_ending = False
        self._settings: Settings | None = None
        """Of the process, or of the last attempt."""
        self._started_at = 0.0
        self._due_at = 0.0
        self._delay_s = FIRST_DELAY_S

    def look(self, wanted: Settings | None) -> bool:
        """Have one with these settings, or none. Returns whether its status has changed."""
        before = self.status
        if wanted != self._settings or self._is_ending:
            self._change(wanted)
        elif self._run is not None:
            self._watch(self._run)
        elif wanted is not None and self.status.state != "failed" and self._clock() >= self._due_at:
            self._start(wanted)
        return self.status != before

    def stop(self) -> None:
        """End it, and wait until it has ended."""
        run, self._run, self._is_ending = self._run, None, False
        self._settings, self.status = None, Status()
        if run is not None:
            run.end()

    def _change(self, wanted: Settings | None) -> None:
        """Another one is wanted, or none: first the one that runs has to end."""
        self.status = Status() if wanted is None else Status("starting")
        if self._run is not None:
            self._run.ask_to_end()
            self._is_ending = not self._run.look()
            if self._is_ending:
                return
        self._run, self._settings = None, wanted
        self._due_at, self._delay_s = 0.0, FIRST_DELAY_S
        if wanted is not None:
            self._start(wanted)

    def _start(self, settings: Settings) -> None:
        self._started_at = self._clock()
        try:
            self._run = self._launch(settings)
        except CompanionError as error:
            self._on_failure(str(error), is_hopeless=error.kind != "cannot_start")
        else:
            self.status = Status("starting")

    def _watch(self, run: _Run) -> None:
        ended = run.look()
        if self.status.state == "starting" and (told := _announcement(run.output)):
            self.status = Status("serving", "", told["url"], told["token_file"])
        if ended:
            self._run = None
            self._on_end(run)
        elif self.status.state == "starting" and self._clock() - self._started_at > START_S:
            run.ask_to_end()

    def _on_end(self, run: _Run) -> None:
        if sys.platform == "darwin" and run.status == -signal.SIGKILL and self.status.state == "starting":
            # So does macOS treat what it does not trust.
            self._on_failure(str(companion.blocked("it was killed at once")), is_hopeless=True)
            return
        kind, text = _complaint(run)
        if self.status.state == "starting" and self._clock() - self._started_at > START_S:
            text = f"It did not begin to listen within {START_S:.0f} s"
        self._on_failure(text, is_hopeless=kind in HOPELESS)

    def _on_failure(self, text: str, *, is_hopeless: bool) -> None:
        text = text[:TEXT_CHARS]
        if is_hopeless:
            self.status = Status("failed", text)
            return
        now = self._clock()
        if now - self._started_at >= SETTLED_S:
            self._delay_s = FIRST_DELAY_S
        self.status = Status("waiting", f"{text.removesuffix('.')}. It is tried again after {self._delay_s:.0f} s")
        self._due_at = now + self._delay_s
        self._delay_s = min(2 * self._delay_s, MOST_DELAY_S)


def _announcement(output: bytes) -> dict[str, str] | None:
    """Where it listens, by the first line of its output; None if it has not said so."""
    line, end, _ = output.partition(b"\n")
    told = _object(line) if end else None
    if told is None or not all(isinstance(told.get(name), str) for name in ("url", "token_file")):
        return None
    return told


def _complaint(run: _Run) -> tuple[str, str]:
    """Why it has ended: the stable name, and a text."""
    error = (_object(run.output) or {}).get("error")
    if isinstance(error, dict):
        message, remedy = str(error.get("message", "")), str(error.get("remedy", ""))
        return str(error.get("kind", "")), ": ".join(filter(None, (message, remedy)))
    lines = run.errors.decode(errors="replace").strip().splitlines()
    status = run.status or 0
    how = f"signal {-status} ended it" if status < 0 else f"it ended with status {status}"
    return "", f"{lines[-1]} ({how})" if lines else how.capitalize()


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


_child = Child()


def look(wanted: Settings | None) -> bool:
    """Have this Blender's child serve like this, or not at all. Returns whether its status has changed."""
    return _child.look(wanted)


def status() -> Status:
    """What was seen of it last."""
    return _child.status


def stop() -> None:
    """End it, and wait until it has ended."""
    _child.stop()
