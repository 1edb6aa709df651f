# SPDX-License-Identifier: GPL-3.0-or-later
"""AI clients of this machine: which there are, and their connection to Blender.

All of it is done by `spindle setup`, which knows their configurations. It runs beside Blender, one at a time; whoever
looks takes what it has said. Nothing is written without a plan that was shown before.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from . import companion
from .companion import CompanionError

ANSWER_S = 20.0
"""How long a run may take. It reads and writes a few small files."""

PLAN_S = 0.5
"""How long the user's click may wait for a plan, which takes some milliseconds."""

Goal = Literal["connect", "replace", "disconnect"]

_OPTIONS: dict[Goal, list[str]] = {"connect": [], "replace": ["--replace"], "disconnect": ["--remove"]}


@dataclass(frozen=True, slots=True)
class Client:
    """A program that AI clients are, and what its configuration says of Blender."""

    id: str
    title: str
    found: bool
    """Whether it seems to be on this machine."""
    config: str
    """The file."""
    state: str
    """absent, present, outdated (it starts another program), foreign (the name stands for another server), or empty
    where the file cannot be read."""
    error: str = ""

    def goals(self) -> tuple[Goal, ...]:
        """What can be done, the likeliest first."""
        goals: dict[str, tuple[Goal, ...]] = {
            "absent": ("connect",),
            "present": ("disconnect",),
            "outdated": ("connect", "disconnect"),
            "foreign": ("replace",),
        }
        return goals.get(self.state, ())


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be written."""

    client: Client
    goal: Goal
    diff: tuple[str, ...]
    """Lines that begin with `+`, `-` or a blank; none where nothing would change."""
    installs: str = ""
    """Where the program is copied first; empty if it is there."""


class _Run(Protocol):
    output: bytes
    errors: bytes

    def look(self) -> bool: ...
    def ask_to_end(self) -> None: ...
    def end(self) -> None: ...


class _Unexpected(Exception):
    """The program has answered something else than it should; the message is for the user."""


def _launch(arguments: Sequence[str]) -> _Run:
    return companion.Run(["setup", "--json", *arguments])


class Desk:
    """What is known, and the one run that may be under way."""

    def __init__(self, launch: Callable[[Sequence[str]], _Run] = _launch) -> None:
        self.clients: tuple[Client, ...] = ()
        self.old_program = ""
        """The program that clients start, if this extension carries another one; empty if it is the same."""
        self.message = ""
        """What became of the last run; empty if there is nothing to say."""
        self.copied = ""
        """For the clipboard, until somebody takes it."""
        self._launch = launch
        self._run: _Run | None = None
        self._then: Callable[[dict[str, Any]], None] | None = None
        self._until = 0.0
        self._plan: Plan | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a run is under way."""
        return self._run is not None

    def refresh(self) -> None:
        """Find the clients, unless a run is under way."""
        self._begin([], self._take_list)

    def plan(self, client: str, goal: Goal) -> Plan | None:
        """What would be written for a client, by its id. None if that cannot be said in time; `message` says why."""
        deadline = time.monotonic() + PLAN_S
        self._plan, self.message = None, ""
        self._wait(deadline)
        self._begin([client, "--dry-run", *_OPTIONS[goal]], lambda told: self._take_plan(told, goal))
        self._wait(deadline)
        if self._plan is None and not self.message:
            self.message = "Spindle's program has not answered yet; try again"
        return self._plan

    def forget_plan(self) -> None:
        """The user does not want it."""
        self._plan = None

    def carry_out(self, client: str, goal: Goal) -> bool:
        """Write what the last plan says. False unless that was for this client and this goal, and was not used yet."""
        plan, self._plan = self._plan, None
        if plan is None or (plan.client.id, plan.goal) != (client, goal):
            return False
        return self._begin([client, "--yes", *_OPTIONS[goal]], self._take_deed)

    def update_program(self) -> bool:
        """Put this extension's program where the clients start it. False if no client is connected."""
        connected = next((client.id for client in self.clients if client.state == "present"), None)
        return connected is not None and self._begin([connected, "--yes"], self._take_update)

    def copy(self, client: str) -> bool:
        """Have what is to be pasted into a client's configuration by hand put into `copied`, by and by."""
        return self._begin([client, "--print"], self._take_snippet)

    def look(self) -> bool:
        """Take what the run has said. Returns whether a run has ended."""
        run, then = self._run, self._then
        if run is None or then is None:
            return False
        late = time.monotonic() > self._until
        if late:
            run.ask_to_end()
        if not run.look():
            return False
        self._run = self._then = None
        try:
            if late:
                raise _Unexpected(f"Spindle's program did not answer within {ANSWER_S:.0f} s")
            then(_answer(run))
        except _Unexpected as error:
            self.message = str(error)
        except (KeyError, TypeError, ValueError):
            self.message = "Spindle's program answered in another way than expected; restart Blender"
        return True

    def stop(self) -> None:
        """End the run, if there is one."""
        run, self._run, self._then = self._run, None, None
        if run is not None:
            run.end()

    def _begin(self, arguments: list[str], then: Callable[[dict[str, Any]], None]) -> bool:
        if self._run is not None:
            return False
        try:
            self._run = self._launch(arguments)
        except CompanionError as error:
            self.message = str(error)
            return False
        self._then, self._until = then, time.monotonic() + ANSWER_S
        return True

    def _wait(self, deadline: float) -> None:
        while self._run is not None and not self.look() and time.monotonic() < deadline:
            time.sleep(0.002)

    def _take_list(self, told: dict[str, Any]) -> None:
        self.clients = tuple(_client(row) for row in told["clients"])
        is_old = bool(told["binary"]["is_due"]) and any(client.state == "present" for client in self.clients)
        self.old_program = str(told["binary"]["path"]) if is_old else ""

    def _take_plan(self, told: dict[str, Any], goal: Goal) -> None:
        (row,) = told["clients"]
        client = _client(row)
        if client.error:
            raise _Unexpected(f"{client.title}: {client.error}")
        binary = told["binary"]
        installs = str(binary["path"]) if binary["is_due"] and goal != "disconnect" else ""
        self._plan = Plan(client, goal, tuple(map(str, row["diff"])), installs)

    def _take_deed(self, told: dict[str, Any]) -> None:
        (row,) = told["clients"]
        client = _client(row)
        self.clients = tuple(client if known.id == client.id else known for known in self.clients)
        if client.error:
            raise _Unexpected(f"{client.title}: {client.error}")
        if told["binary"]["installed"]:
            self.old_program = ""
        now = "is connected" if client.state == "present" else "is not connected"
        kept = f"; the original is kept as {row['backup']}" if row["backup"] else ""
        after = f". Now {row['reload']}" if row["written"] else ""
        self.message = f"{client.title} {now}{kept}{after}"

    def _take_update(self, told: dict[str, Any]) -> None:
        self._take_deed(told)
        if told["binary"]["installed"]:
            self.old_program, self.message = "", "The program is up to date; AI clients start it when they start again"

    def _take_snippet(self, told: dict[str, Any]) -> None:
        (row,) = told["clients"]
        self.copied = str(row["snippet"])
        self.message = f"Copied; it belongs into {row['config']}"


def _answer(run: _Run) -> dict[str, Any]:
    """What a run has printed. Raises _Unexpected, with its own words where it had some."""
    try:
        told = json.loads(run.output)
    except (ValueError, RecursionError) as error:
        words = run.errors.decode(errors="replace").strip().splitlines()
        raise _Unexpected(f"Spindle's program failed: {words[-1][:300] if words else 'it said nothing'}") from error
    if isinstance(told, dict) and "error" in told:
        raise _Unexpected(_told(told["error"]))
    return dict(told)


def _client(row: dict[str, Any]) -> Client:
    error = row["error"]
    return Client(
        id=str(row["client"]),
        title=str(row["title"]),
        found=bool(row["found"]),
        config=str(row["config"]),
        state=str(row["state"] or ""),
        error=_told(error) if error else "",
    )


def _told(error: dict[str, Any]) -> str:
    return f"{error['message']}. Remedy: {error['remedy']}"


def goals() -> tuple[Goal, ...]:
    """All that can be done with a client."""
    return tuple(_OPTIONS)


_desk = Desk()


def desk() -> Desk:
    """This Blender's."""
    return _desk
