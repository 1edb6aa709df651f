# SPDX-License-Identifier: GPL-3.0-or-later
"""The dispatcher against a server that only remembers: one answer per request, whatever a command does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from addon.dispatcher import Dispatcher
from addon.errors import CommandError
from addon.turn import TurnPreferences


@dataclass
class Request:
    ticket: int
    method: str
    effect: str = "read"
    params: dict[str, Any] = field(default_factory=dict)
    blob: bytes = b""
    client: str = "test"
    session: int = 0
    label: str = ""
    claimed_effect: str | None = None
    guard: str = "guarded"
    findings: list[dict[str, Any]] = field(default_factory=list)
    unreadable: bool = False


class Server:
    """Gives the requests it was made with, and remembers the answers."""

    def __init__(self, *requests: Request) -> None:
        self.waiting = list(requests)
        self.answers: list[tuple[int, str, Any]] = []
        self.causes: dict[int, str] = {}
        self.suspended: list[int] = []
        self.touched = 0

    def take(self, timeout: float) -> Request | None:
        return self.waiting.pop(0) if self.waiting else None

    def reply(self, ticket: int, result: Any, failure: Any, undo_step: str | None, notes: list[str]) -> str | None:
        if isinstance(result, dict) and result.get("value") == "large":
            return "it is large"
        self.answers.append((ticket, "ok", result))
        return None

    def touch(self) -> None:
        self.touched += 1

    def fail(self, ticket: int, kind: str, message: str, *, started: bool | None, details: Any = None) -> None:
        if kind == "no_such_kind":
            raise ValueError(f"unknown kind {kind!r}")
        self.answers.append((ticket, kind, started))

    def suspend(self, ticket: int) -> None:
        self.suspended.append(ticket)

    def stop_cause(self, ticket: int) -> str | None:
        return self.causes.get(ticket)

    def is_connected(self, session: int) -> bool:
        return True


class Undo:
    """Remembers which requests it was told of."""

    def __init__(self) -> None:
        self.told: list[int] = []
        self.unsettled = 0

    def begin_round(self) -> bool:
        self.unsettled = max(self.unsettled - 1, 0)
        return self.unsettled == 0

    def may_go_on(self) -> bool:
        return self.unsettled == 0

    def before(self, request: Request) -> None: ...

    def after(self, request: Request, turn: Any) -> str | None:
        self.told.append(request.ticket)
        return "step" if request.effect == "write" else None

    def end_round(self, is_connected: Callable[[int], bool]) -> None: ...


def busy() -> None:
    raise CommandError("busy", "rendering")


def dispatcher(server: Server, command: Any, refuse: Callable[[], None] = lambda: None) -> tuple[Dispatcher, Undo]:
    undo = Undo()
    made = Dispatcher({"a.b": command}, undo, refuse, TurnPreferences)
    made.attach(server)
    return made, undo


def returns(turn: Any, **params: Any) -> dict[str, Any]:
    return dict(params)


def raises(error: BaseException) -> Callable[..., Any]:
    def command(turn: Any) -> None:
        raise error

    return command


class Unprintable(Exception):
    def __str__(self) -> str:
        raise OSError


FAILURES: list[tuple[BaseException, str, bool | None]] = [
    (CommandError("not_found", "no such thing"), "not_found", False),
    (CommandError("command_failed", "half-way", started=True), "command_failed", True),
    (ValueError("wrong"), "command_failed", True),
    (SystemExit(3), "command_failed", True),
    (KeyboardInterrupt(), "command_failed", True),
    (Unprintable(), "command_failed", True),
    (CommandError("no_such_kind", "a mistake of ours"), "internal", None),
]


@pytest.mark.parametrize(
    ("error", "kind", "started"), FAILURES, ids=[type(row[0]).__name__ + row[1] for row in FAILURES]
)
def test_failures_are_answers(error: BaseException, kind: str, started: bool | None) -> None:
    """FAIL_FAST: whatever a command raises is one answer, and the next request is served."""
    server = Server(Request(1, "a.b"), Request(2, "a.b"))
    dispatcher(server, raises(error))[0].step(0, 1)
    assert server.answers == [(1, kind, started), (2, kind, started)]


def test_a_result_that_is_too_large_is_made_lighter_or_is_an_error() -> None:
    def command(turn: Any, lightens: bool) -> dict[str, Any]:
        result = {"value": "large"}
        if lightens:
            turn.lighten = lambda reason: result.update(value=reason)
        return result

    rows = [Request(number, "a.b", params={"lightens": lightens}) for number, lightens in enumerate((True, False))]
    server = Server(*rows)
    dispatcher(server, command)[0].step(0, 1)
    assert server.answers == [(0, "ok", {"value": "it is large"}), (1, "bad_result", True)]


def test_a_write_gets_its_undo_step_also_where_it_failed_half_way() -> None:
    for error, told in ((None, [1]), (ValueError("half-way"), [1]), (CommandError("not_found", "nothing done"), [])):
        server = Server(Request(1, "a.b", "write"))
        made, undo = dispatcher(server, raises(error) if error else returns)
        made.step(0, 1)
        assert undo.told == told
    assert server.answers[0][1] == "not_found"


def test_writes_are_refused_at_an_unsafe_moment_and_reads_are_not() -> None:
    server = Server(Request(1, "a.b", "write"), Request(2, "a.b", "read"))
    dispatcher(server, returns, busy)[0].step(0, 1)
    assert server.answers == [(1, "busy", False), (2, "ok", {})]


def test_nothing_more_is_served_while_blender_loads_or_saves() -> None:
    def command(turn: Any, **params: Any) -> dict[str, Any]:
        undo.unsettled = 2
        return {}

    server = Server(Request(1, "a.b"), Request(2, "a.b"))
    made, undo = dispatcher(server, command)
    for answered in (1, 1, 2):
        made.step(0, 1)
        assert len(server.answers) == answered


def spanning(log: list[str]) -> Callable[..., Any]:
    def command(turn: Any) -> Any:
        try:
            log.append("one")
            yield
            log.append("two")
            yield
            return {"done": True}
        finally:
            log.append("clean")

    return command


def test_a_generator_ends_its_turn_at_each_yield() -> None:
    server, log = Server(Request(1, "a.b")), []
    made, _ = dispatcher(server, spanning(log))
    made.step(0, 1)
    assert (log, server.suspended, server.answers, made.has_suspended()) == (["one"], [1], [], True)
    server.waiting += [Request(2, "a.b"), Request(3, "a.b")]
    made.step(0, 1)
    assert log == ["one", "two", "one"], "others are served in between, up to the next that ends its turn"
    server.waiting.clear()
    made.step(0, 1)
    assert server.answers == [(1, "ok", {"done": True})]
    made.step(0, 1)
    assert server.answers[1:] == [(2, "ok", {"done": True})] and not made.has_suspended()


@pytest.mark.parametrize("cause", ["cancelled", "timed_out"])
def test_a_suspended_command_is_stopped_between_its_turns(cause: str) -> None:
    server, log = Server(Request(1, "a.b")), []
    made, undo = dispatcher(server, spanning(log))
    made.step(0, 1)
    server.causes[1] = cause
    made.step(0, 1)
    assert (log, server.answers, undo.told) == (["one", "clean"], [(1, cause, True)], [1])


def test_detaching_closes_every_suspended_command() -> None:
    """CLEANUP: each release step runs even where an earlier one failed."""
    cleaned: list[int] = []

    def command(turn: Any, number: int) -> Any:
        try:
            while True:
                yield
        finally:
            cleaned.append(number)
            raise OSError("cleaning up failed")

    server = Server(*(Request(number, "a.b", params={"number": number}) for number in range(3)))
    made, _ = dispatcher(server, command)
    for _round in range(3):
        made.step(0, 1)
    made.detach()
    assert cleaned == [0, 1, 2]
    assert made.step(0, 1) is False, "a detached dispatcher touches no server"


def test_a_command_that_detaches_its_own_dispatcher() -> None:
    """UNHANDLED_PROMISE_001: as when a script disables the add-on; nothing further is taken."""
    server = Server(Request(1, "a.b"), Request(2, "a.b"))
    made: Dispatcher

    def command(turn: Any) -> dict[str, Any]:
        made.detach()
        return {}

    made, _ = dispatcher(server, command)
    made.step(0, 1)
    assert [answer[0] for answer in server.answers] == [1] and len(server.waiting) == 1


def test_start_fails_when_the_parts_name_different_methods() -> None:
    made, _ = dispatcher(Server(), returns)
    made.check_methods([("a.b", "read")])
    with pytest.raises(RuntimeError, match=r"native only \['c.d'\], add-on only \['a.b'\].*Restart"):
        made.check_methods([("c.d", "read")])
