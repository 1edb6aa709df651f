# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to functions: take one, run a turn of it, reply. Nothing here knows Blender.

A command returns its result, or is a generator: each `yield` ends its turn, and it is resumed in a later
step. Whatever a command raises is caught here, per request, and answered.
"""

from __future__ import annotations

import time
import types
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from .errors import CommandError
from .native import Request, Server
from .turn import RUN_SCRIPTS, Turn, TurnPreferences

Command = Callable[..., Any]


class Undo(Protocol):
    """What the dispatcher tells the keeper of undo steps."""

    def begin_round(self) -> bool: ...
    def before(self, request: Request) -> None: ...
    def after(self, request: Request, turn: Turn) -> str | None: ...
    def may_go_on(self) -> bool: ...
    def end_round(self, is_connected: Callable[[int], bool]) -> None: ...


@dataclass
class Suspended:
    """A command between two of its turns."""

    request: Request
    turn: Turn
    work: types.GeneratorType[None, None, Any]


class Dispatcher:
    """Runs requests, a step at a time."""

    def __init__(
        self,
        table: dict[str, Command],
        undo: Undo,
        refuse_unsafe_moment: Callable[[], None],
        preferences: Callable[[], TurnPreferences],
    ) -> None:
        self._table = table
        self._undo = undo
        self._refuse_unsafe_moment = refuse_unsafe_moment
        self._preferences = preferences
        self._server: Server | None = None
        self._suspended: list[Suspended] = []

    def check_methods(self, methods: Iterable[tuple[str, str]]) -> None:
        """Refuse to start when the native module and the table do not name the same methods."""
        native, ours = {name for name, _ in methods}, set(self._table)
        if native != ours:
            raise RuntimeError(
                f"Spindle's parts do not fit: native only {sorted(native - ours)}, "
                f"add-on only {sorted(ours - native)}. Restart Blender"
            )

    def attach(self, server: Server) -> None:
        """Serve this server from the next step on."""
        self._server = server

    def detach(self) -> None:
        """Serve nothing from now on, in the current step too. Suspended commands are closed; those that
        run this very moment cannot be, and end by themselves."""
        self._server = None
        suspended, self._suspended = self._suspended, []
        for command in suspended:
            if not command.work.gi_running:
                _close(command)

    def step(self, linger: float, budget: float, first_wait: float = 0.0) -> bool:
        """Serve for up to `budget` seconds; returns whether anything was served.

        After a request, wait up to `linger` seconds for the next one with the GIL released, since a client
        that has just been answered asks again sooner than Blender comes round. `first_wait` is for a caller
        with nothing else to do.
        """
        if not self._undo.begin_round():
            return False
        end = time.monotonic() + budget
        served = self._resume_all()
        wait = first_wait
        while (server := self._server) is not None and self._undo.may_go_on():
            request = server.take(wait)
            if request is None:
                break
            suspended = len(self._suspended)
            self._start(server, request)
            served = True
            left = end - time.monotonic()
            # A command that ends its turn wants Blender to have its own; after a file load the context is hollow.
            if left <= 0 or len(self._suspended) > suspended:
                break
            wait = min(linger, left)
        if self._server is not None:
            self._undo.end_round(self._server.is_connected)
        return served

    def has_suspended(self) -> bool:
        """Whether any command waits for its next turn."""
        return bool(self._suspended)

    def _start(self, server: Server, request: Request) -> None:
        turn = self._turn(server, request)
        try:
            # What a script changes is known only once it is read, so it looks at the moment itself.
            if request.effect == "write" and request.method not in RUN_SCRIPTS:
                self._refuse_unsafe_moment()
            self._undo.before(request)
            result = self._table[request.method](turn, **request.params)
        except BaseException as error:  # A script may raise anything; none of it may end Blender's timer.
            self._fail(server, request, turn, error)
            return
        if isinstance(result, types.GeneratorType):
            self._advance(server, Suspended(request, turn, result))
        else:
            self._reply(server, request, turn, result)

    def _turn(self, server: Server, request: Request) -> Turn:
        return Turn(
            client=request.client,
            session=request.session,
            method=request.method,
            label=request.label,
            effect=request.claimed_effect,
            blob=request.blob,
            preferences=self._preferences(),
            level=request.guard,
            findings=request.findings,
            unreadable=request.unreadable,
            ticket=request.ticket,
            wire=server,
        )

    def _resume_all(self) -> bool:
        suspended, self._suspended = self._suspended, []
        for command in suspended:
            if (server := self._server) is None:
                _close(command)
            elif (cause := server.stop_cause(command.request.ticket)) is not None:
                self._stop(server, command, cause)
            else:
                self._advance(server, command)
        return bool(suspended)

    def _advance(self, server: Server, command: Suspended) -> None:
        try:
            next(command.work)
        except StopIteration as end:
            self._reply(server, command.request, command.turn, end.value)
        except BaseException as error:  # As in _start.
            self._fail(server, command.request, command.turn, error)
        else:
            server.suspend(command.request.ticket)
            self._suspended.append(command)

    def _reply(self, server: Server, request: Request, turn: Turn, result: Any) -> None:
        try:
            step = self._undo.after(request, turn)
            if step is not None and isinstance(result, dict):
                result["undo_step"] = step
        except Exception as error:
            self._fail(server, request, turn, error)
            return
        if step is not None:
            # Blender reports most changes by itself, but not those of custom properties, texts and pixels.
            server.touch()
        fault = server.reply(request.ticket, result, turn.failure, step, turn.notes)
        if fault is not None and turn.lighten is not None:
            turn.lighten(fault)
            fault = server.reply(request.ticket, result, turn.failure, step, turn.notes)
        if fault is not None:
            text = f"the request ran, but its result cannot be sent: {fault}"
            server.fail(request.ticket, "bad_result", text, started=True)

    def _fail(self, server: Server, request: Request, turn: Turn, error: BaseException) -> None:
        failure = error if isinstance(error, CommandError) else _unforeseen(error)
        self._keep_changes(request, turn, failure)
        try:
            server.fail(request.ticket, failure.kind, str(failure), started=failure.started, details=failure.details)
        except (TypeError, ValueError) as fault:
            # An answer that cannot be sent must not leave the request unanswered.
            server.fail(request.ticket, "internal", f"{failure.kind}: {fault}", started=None)

    def _stop(self, server: Server, command: Suspended, cause: str) -> None:
        fault = _close(command)
        if isinstance(fault, CommandError) and fault.kind == cause:
            # The command says itself what it has done so far.
            self._fail(server, command.request, command.turn, fault)
            return
        text = "the deadline passed" if cause == "timed_out" else "the request was cancelled, or its client is gone"
        if fault is not None:
            text += f"; cleaning up failed: {fault}"
        error = CommandError(cause, f"{text}; it had started", started=True)
        self._fail(server, command.request, command.turn, error)

    def _keep_changes(self, request: Request, turn: Turn, failure: CommandError) -> None:
        """A command that failed half-way may have changed something, which the user's undo must find."""
        if failure.started is not False:
            try:
                self._undo.after(request, turn)
            except Exception as fault:
                failure.details["undo"] = f"no undo step could be made: {fault}"


def _unforeseen(error: BaseException) -> CommandError:
    try:
        text = f"{type(error).__name__}: {error}"
    except Exception:  # Its own `__str__` may fail.
        text = type(error).__name__
    return CommandError("command_failed", text, started=True)


def _close(command: Suspended) -> BaseException | None:
    """Let a command clean up; what fails there is returned, as there is nobody to raise it to."""
    try:
        command.work.close()
    except BaseException as error:
        return error
    return None
