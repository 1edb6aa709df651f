# SPDX-License-Identifier: GPL-3.0-or-later
"""The native module: `Server` and `Request` for the add-on, `Client` for Python programs."""

from collections.abc import Callable
from os import PathLike
from typing import Any, Literal, final

VERSION: str
"""Spindle's version, X.Y.Z."""

class StartError(RuntimeError):
    """The server did not start; nothing is left behind."""

@final
class Request:
    """A request for the main thread, its parameters checked and its defaults filled in."""

    @property
    def ticket(self) -> int: ...
    @property
    def method(self) -> str: ...
    @property
    def effect(self) -> Literal["read", "write"]: ...
    @property
    def params(self) -> dict[str, Any]: ...
    @property
    def blob(self) -> bytes: ...
    @property
    def client(self) -> str:
        """The client's name, for people."""

    @property
    def session(self) -> int: ...
    @property
    def label(self) -> str: ...
    @property
    def claimed_effect(self) -> Literal["read", "write"] | None: ...
    @property
    def findings(self) -> list[dict[str, Any]]:
        """What the guard found and let pass: rule, severity, line, column, excerpt, reason, remedy."""

    @property
    def unreadable(self) -> bool:
        """Whether the guard could not read the script, so that Python must not run it either."""

    @property
    def guard(self) -> Literal["trusted", "guarded", "ask", "locked"]:
        """How strict the guard is with it: `trusted` where the user was asked and has allowed it."""

@final
class Ended:
    """How the call of a script ended."""

    @property
    def value(self) -> Any:
        """What the function returned; None where it raised."""

    @property
    def error(self) -> BaseException | None: ...
    @property
    def stopped(self) -> Literal["cancelled", "timed_out"] | None:
        """Why it was told to stop while it ran, if it was; also where it then ended by itself."""

    @property
    def broke_into(self) -> str | None:
        """The driver, handler or drawing method that it was stopped in, where it would not leave it."""

    @property
    def watched(self) -> list[dict[str, Any]]:
        """What the watch saw, at most 50 different things: event, detail, refused, count."""

    @property
    def watched_omitted(self) -> int:
        """How much more it saw."""

@final
class Server:
    """The socket server. It stops when it is garbage, too."""

    def __new__(
        cls, preferences: dict[str, Any], *, arguments: dict[str, Any], blender: str, window: bool, file: str
    ) -> Server:
        """Start a server in a Blender of this version. Raises StartError.

        preferences, arguments: settings; those of the environment (`SPINDLE_MAX_QUEUED` and so on) come between them.
        """

    def take(self, timeout: float) -> Request | None:
        """The next request, waiting up to `timeout` seconds with the GIL released."""

    def reply(
        self,
        ticket: int,
        result: Any,
        failure: tuple[str, str] | None = None,
        undo_step: str | None = None,
        notes: list[str] = ...,
    ) -> str | None:
        """Answer a request with a value of plain types, bytes included.

        A value that has no JSON form is answered `bad_result`. Of one that is too large for a frame comes back how
        large it is, and what the limit is; the request is not answered then.
        failure: how and why a script did not end well, for the panel and the log.
        undo_step: the name of what holds its changes, for the log.
        notes: for the log, `watch:` and an event that was refused, `left:` and a kind of what was left behind.
        """

    def fail(
        self, ticket: int, kind: str, message: str, *, started: bool | None, details: dict[str, Any] | None = None
    ) -> None:
        """Answer a request with an error of a kind of docs/protocol.md; `started` None means unknown."""

    def suspend(self, ticket: int) -> None:
        """A request has ended its turn without an answer; from now on it can be stopped between turns."""

    def stop_cause(self, ticket: int) -> Literal["cancelled", "timed_out"] | None:
        """Why a suspended request is to stop, if it is."""

    def output(self, ticket: int, stream: Literal["stdout", "stderr"], text: str) -> None:
        """A running request has written something; its client is told if it runs for long. Never waits."""

    def progress(self, ticket: int, done: float, total: float | None, message: str) -> None:
        """A running request has come this far. Never waits; any thread may call it. Raises ValueError for NaN."""

    def touch(self) -> None:
        """Blender reports a change of the scene: kept answers are older than it from now on."""

    def set_breakable(self, ticket: int, breakable: bool) -> None:
        """From now on, or no more, a cancel or a deadline breaks off what Blender renders for this request."""

    def run_script(self, ticket: int, function: Callable[[], Any], watch: dict[str, Any]) -> Ended:
        """Call the function of a running request's script, under the watchdog and the watch; how it ended.

        To be called on the main thread. watch: what it may do: `level`, the guard's, and `folders`, those that it may
        write to. Raises RuntimeError when a script runs already.
        """

    def cancel(self, ticket: int) -> None:
        """Cancel a request, as the user in front of Blender."""

    def asking(self) -> list[dict[str, Any]]:
        """What the user is asked about, oldest first: ticket, client, session, label, name (of the script's file, or
        empty), code, findings (as of a request), findings_omitted, seconds_left."""

    def decide(self, ticket: int, decision: Literal["once", "session", "refuse"]) -> bool:
        """The user has decided; returns whether they were still asked. `session` allows the client everything until it
        is forgotten. Raises ValueError for another decision."""

    def guard(self) -> Literal["trusted", "guarded", "ask", "locked"]:
        """The guard's level."""

    def limit(self, name: str) -> float:
        """A limit as it is now, such as `max_checkpoints`. Raises ValueError for another name."""

    def interrupt(self) -> None:
        """End the current or next wait in `take` at once."""

    def has_connections(self) -> bool:
        """Whether any connection is open."""

    def has_requests(self) -> bool:
        """Whether any request is in flight: checked, asked about, waiting or running."""

    def is_connected(self, session: int) -> bool:
        """Whether a session has a connection now."""

    def set_file(self, path: str) -> None:
        """Another file is open in Blender; clients read its name in the instance file. Raises OSError."""

    def status(self) -> dict[str, Any]:
        """What the panel shows, as plain values."""

    def connection_info(self) -> str:
        """The JSON of the instance file, token included: what "Copy Connection" copies."""

    def stop(self) -> None:
        """Answer what is in flight, join the threads, remove the file. Idempotent, and allowed in a request."""

def main_methods() -> list[tuple[str, str]]:
    """The methods that the shell must have a function for, with their effects."""

def guard_levels() -> list[str]:
    """The guard's levels, the laxest first."""

def capture_break_handler() -> bool:
    """Remember Blender's own handler of SIGINT, which breaks a headless render off; whether there is one.

    To be called before Python handles that signal, in a Blender without a window only.
    """

def break_on_signal(number: int) -> bool:
    """Have a signal that Python handles break the running headless render off too, after which Python sees it.

    To be called after `signal.signal`, which undoes it. False where there is no way to break a render off.
    """

def answer_interrupt() -> bool:
    """Whether the watchdog alone has sent the SIGINT that Python handles now, and it is dealt with.

    For the handler of SIGINT. Raises KeyboardInterrupt where it is to stop the script here and now.
    """

def limits() -> list[tuple[str, str, float, float, float, str, str]]:
    """Every limit: name, group, default, least, most, unit, summary.

    Whole numbers count, fractions are seconds.
    """

class ClientError(Exception):
    """What can go wrong between a program and Blender: kind, message, {retryable, started, details}."""

    args: tuple[str, str, dict[str, Any]]

@final
class Blob:
    """The bytes behind a reply's JSON, read-only: `memoryview(blob)` and numpy read them without a copy."""

    def __len__(self) -> int: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...

@final
class Canceller:
    """Ends a wait from another thread: the request is cancelled, and its answer waited for as after Ctrl-C."""

    def __new__(cls) -> Canceller: ...
    def cancel(self) -> None:
        """End the wait; a second time, do not wait for the answer either."""

@final
class Client:
    """A client of one Blender, for as many threads as share it: it has up to 8 connections (`pool_size`), and finds
    Blender again after a restart."""

    @staticmethod
    def connect(
        instance: int | str | PathLike[str] | None = None,
        *,
        timeout: float = 5.0,
        name: str = "python",
        attempts: int | None = None,
    ) -> Client:
        """Connect to the running Blender with this pid, port or open file; to the only one when none is named.

        attempts: at one call, where repeating it is safe; the setting `retry_attempts` when None.
        """

    @property
    def server(self) -> dict[str, Any]:
        """Who is on the other side; after a restart of Blender, who was reached last."""

    def call(
        self,
        method: str,
        params: dict[str, Any],
        *,
        timeout: float | None = None,
        label: str | None = None,
        effect: Literal["read", "write"] | None = None,
        detach: bool = False,
        idempotency_key: str | None = None,
        max_age: float | None = None,
        listener: Callable[..., None] | None = None,
        canceller: Canceller | None = None,
    ) -> tuple[dict[str, Any], Blob, tuple[int, bool] | None]:
        """Call a method: its result, the bytes that `$blob` members of the result point into, and of a kept result its
        age in milliseconds and whether the scene has moved since.

        listener: told `("output", stream, text, omitted)` and `("progress", done, total, message)` while it runs.
        """

    def close(self) -> None:
        """Close the connections, once the calls of other threads have ended; at the latest after the setting
        `shutdown_s`. Idempotent. Raises what a signal handler raises meanwhile."""

def servers() -> list[dict[str, Any]]:
    """The running Blenders of this user."""
