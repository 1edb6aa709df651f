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
        self, ticket: int, result: Any, failure: tuple[str, str] | None = None, undo_step: str | None = None
    ) -> None:
        """Answer a request with a value of plain types, bytes included.

        A value that cannot be sent is answered `bad_result`.
        failure: how and why a script did not end well, for the panel and the log.
        undo_step: the name of what holds its changes, for the log.
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

    def cancel(self, ticket: int) -> None:
        """Cancel a request, as the user in front of Blender."""

    def interrupt(self) -> None:
        """End the current or next wait in `take` at once."""

    def has_connections(self) -> bool:
        """Whether any connection is open."""

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

def capture_break_handler() -> bool:
    """Remember Blender's own handler of SIGINT, which breaks a headless render off; whether there is one.

    To be called before Python handles that signal, in a Blender without a window only.
    """

def break_on_signal(number: int) -> bool:
    """Have a signal that Python handles break the running headless render off too, after which Python sees it.

    To be called after `signal.signal`, which undoes it. False where there is no way to break a render off.
    """

def limits() -> list[tuple[str, str, float, float, float, str, str]]:
    """Every limit: name, group, default, least, most, unit, summary.

    Whole numbers count, fractions are seconds.
    """

class ClientError(Exception):
    """What can go wrong between a program and Blender: kind, message, {retryable, started, details}."""

    args: tuple[str, str, dict[str, Any]]

@final
class Client:
    """A connection to one Blender. Threads may share it; their calls go one after the other."""

    @staticmethod
    def connect(
        instance: int | str | PathLike[str] | None = None, *, timeout: float = 5.0, name: str = "python"
    ) -> Client:
        """Connect to the running Blender with this pid, port or open file; to the only one when none is named."""

    @property
    def server(self) -> dict[str, Any]:
        """Who is on the other side."""

    def call(
        self,
        method: str,
        params: dict[str, Any],
        *,
        blob: bytes | bytearray | None = None,
        timeout: float | None = None,
        label: str | None = None,
        effect: Literal["read", "write"] | None = None,
        detach: bool = False,
        idempotency_key: str | None = None,
        max_age: float | None = None,
        listener: Callable[..., None] | None = None,
    ) -> tuple[dict[str, Any], bytes, tuple[int, bool] | None]:
        """Call a method: its result, the bytes that `$blob` members of the result point into, and of a kept result its
        age in milliseconds and whether the scene has moved since.

        listener: told `("output", stream, text, omitted)` and `("progress", done, total, message)` while it runs.
        """

    def close(self) -> None:
        """Close the connection; after a call in another thread, if one is under way. Idempotent."""

def servers() -> list[dict[str, Any]]:
    """The running Blenders of this user."""
