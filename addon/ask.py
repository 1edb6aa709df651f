# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user is asked: the scripts that wait for a decision, and the one way to decide.

The pump has a look at the server a few times a second; panels and popups draw what was seen last.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from . import native, session

GRACE_S = 0.7
"""How long the questions must have been in sight as they are before one can be answered. What is clicked sooner was
meant for what was there before."""


@dataclass(frozen=True, slots=True)
class Question:
    """A script that waits, as it is shown."""

    ticket: int
    client: str
    title: str
    """What the client calls it, or what it is."""
    code: str
    findings: tuple[dict[str, Any], ...]
    """Why it is asked about: the dangerous ones first, then by line."""
    findings_omitted: int
    until: str
    """The time of day at which it is refused."""

    def marks(self) -> dict[int, str]:
        """The gravest severity on each line that something was found on."""
        return {finding["line"]: finding["severity"] for finding in reversed(self.findings)}


@dataclass
class _State:
    server: native.Server | None = None
    questions: dict[int, Question] = field(default_factory=dict)
    introduced: set[int] = field(default_factory=set)
    settled_at: float = 0.0
    """When the questions can be answered."""
    request_runs: bool = False


_state = _State()


def look() -> bool:
    """Ask the server what is asked; whether it is anything else than before."""
    global _state
    server = session.running()
    if server is not _state.server:
        _state = _State(server)  # Tickets are a server's own.
    before = _state.questions
    asked = server.asking() if server is not None else []
    _state.questions = {row["ticket"]: before.get(row["ticket"]) or _question(row) for row in asked}
    _state.introduced &= _state.questions.keys()
    changed = before.keys() != _state.questions.keys()
    if changed:
        settle()
    return changed


def _question(row: dict[str, Any]) -> Question:
    title = row["label"] or row["name"] or "a script"
    until = time.strftime("%H:%M:%S", time.localtime(time.time() + row["seconds_left"]))
    findings = sorted(row["findings"], key=lambda finding: (finding["severity"] != "danger", finding["line"]))
    return Question(row["ticket"], row["client"], title, row["code"], tuple(findings), row["findings_omitted"], until)


def settle() -> None:
    """What is asked, or where, looks different from now on."""
    _state.settled_at = time.monotonic() + GRACE_S


def questions() -> tuple[Question, ...]:
    """The open questions, oldest first."""
    return tuple(_state.questions.values())


def find(ticket: int) -> Question | None:
    """An open question."""
    return _state.questions.get(ticket)


def next_new() -> Question | None:
    """The oldest open question that has not been put to the user by itself."""
    return next((asked for asked in questions() if asked.ticket not in _state.introduced), None)


def introduced(ticket: int) -> None:
    """A question has been put to the user."""
    _state.introduced.add(ticket)


def decide(ticket: int, decision: str) -> str:
    """Allow a script "once", its client for the "session", or "refuse". Returns why that cannot be; empty if it was.

    The user decides, and nobody else: no request can, not even one that runs and presses the buttons.
    """
    server = session.running()
    if _state.request_runs:
        return "Only the user can decide"
    if time.monotonic() < _state.settled_at:
        return "This had just appeared, so nothing was decided"
    if server is None or not server.decide(ticket, decision):
        return "This script does not wait any more"
    look()
    return ""


@contextmanager
def request_runs() -> Iterator[None]:
    """Within it requests run on the main thread, so that whoever decides is not the user."""
    _state.request_runs = True
    try:
        yield
    finally:
        _state.request_runs = False
