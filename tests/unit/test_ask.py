# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked, and who may decide, against a server that only remembers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from addon import ask, session


class Server:
    """Asks what it was told to ask."""

    def __init__(self, *tickets: int) -> None:
        self.asked = {ticket: question(ticket) for ticket in tickets}
        self.decisions: list[tuple[int, str]] = []

    def asking(self) -> list[dict[str, Any]]:
        return list(self.asked.values())

    def decide(self, ticket: int, decision: str) -> bool:
        self.decisions.append((ticket, decision))
        return self.asked.pop(ticket, None) is not None


def finding(line: int, severity: str) -> dict[str, Any]:
    return {"line": line, "severity": severity, "reason": "It does that."}


def question(ticket: int) -> dict[str, Any]:
    findings = [finding(1, "caution"), finding(4, "danger"), finding(4, "caution"), finding(2, "danger")]
    return {
        "ticket": ticket,
        "client": "agent",
        "label": "",
        "name": "tool.py",
        "code": "pass",
        "findings": findings,
        "findings_omitted": 3,
        "seconds_left": 60.0,
    }


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    monkeypatch.setattr(ask.time, "monotonic", clock.monotonic)
    yield clock
    run(monkeypatch, None)


def run(monkeypatch: pytest.MonkeyPatch, server: Server | None) -> bool:
    """Let this be the server that runs, and look at it."""
    monkeypatch.setattr(session, "running", lambda: server)
    return ask.look()


def test_a_question_as_it_is_shown(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """What is dangerous comes first, and its mark covers what else there is on its line."""
    assert run(monkeypatch, Server(7)) is True
    asked = ask.find(7)
    assert asked is not None and (asked.client, asked.title, asked.findings_omitted) == ("agent", "tool.py", 3)
    assert [(row["severity"], row["line"]) for row in asked.findings] == [
        ("danger", 2),
        ("danger", 4),
        ("caution", 1),
        ("caution", 4),
    ]
    assert asked.marks() == {1: "caution", 2: "danger", 4: "danger"}
    assert ask.look() is False and ask.find(7) is asked, "the same object, so nothing is drawn again"


def test_nothing_is_decided_before_it_can_have_been_read(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """Also where the buttons move since another question has come or gone."""
    server = Server(1, 2)
    run(monkeypatch, server)
    for ticket, decision in ((1, "once"), (2, "refuse")):
        clock.now += ask.GRACE_S - 0.01
        assert "just appeared" in ask.decide(ticket, decision)
        clock.now += 0.02
        assert ask.decide(ticket, decision) == ""
    assert server.decisions == [(1, "once"), (2, "refuse")]
    assert ask.questions() == ()


def test_a_request_cannot_decide(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """A script that calls the buttons' operators is not the user."""
    server = Server(1)
    run(monkeypatch, server)
    clock.now += 60
    with ask.request_runs():
        assert ask.decide(1, "session") == "Only the user can decide"
    assert server.decisions == []
    assert ask.decide(1, "session") == ""


def test_a_question_that_is_over(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    server = Server(1)
    run(monkeypatch, server)
    clock.now += 60
    server.asked.clear()
    assert "not wait" in ask.decide(1, "once")
    assert ask.look() is True and ask.find(1) is None
    run(monkeypatch, None)
    assert "not wait" in ask.decide(1, "once")


def test_each_question_is_introduced_once(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """Oldest first; and the tickets of a new server are others."""
    server = Server(1, 2)
    run(monkeypatch, server)
    for ticket in (1, 2):
        new = ask.next_new()
        assert new is not None and new.ticket == ticket
        ask.introduced(ticket)
    assert ask.next_new() is None
    run(monkeypatch, Server(1))
    new = ask.next_new()
    assert new is not None and new.ticket == 1
