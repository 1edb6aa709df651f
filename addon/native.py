# SPDX-License-Identifier: GPL-3.0-or-later
"""The native module: its only import, one readable failure, and what the shell uses of it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from .turn import Ended


class NativeError(ImportError):
    """The native module is missing, or is not the one that this add-on was built with."""


class Limit(NamedTuple):
    """A setting of the server's table of limits. Its numbers are whole where it counts, fractions where it is a time
    in seconds."""

    name: str
    group: str
    default: float
    least: float
    most: float
    unit: str
    summary: str


class Request(Protocol):
    """A request for the main thread, its parameters checked."""

    ticket: int
    method: str
    effect: str
    params: dict[str, Any]
    blob: bytes
    client: str
    session: int
    label: str
    claimed_effect: str | None
    findings: list[dict[str, Any]]
    unreadable: bool
    guard: str


class Server(Protocol):
    """The socket server. The stub beside the native module has the full text."""

    def take(self, timeout: float) -> Request | None: ...
    def reply(
        self,
        ticket: int,
        result: Any,
        failure: tuple[str, str] | None = None,
        undo_step: str | None = None,
        notes: list[str] = ...,
    ) -> str | None: ...
    def fail(
        self, ticket: int, kind: str, message: str, *, started: bool | None, details: dict[str, Any] | None = None
    ) -> None: ...
    def suspend(self, ticket: int) -> None: ...
    def stop_cause(self, ticket: int) -> str | None: ...
    def output(self, ticket: int, stream: str, text: str) -> None: ...
    def progress(self, ticket: int, done: float, total: float | None, message: str) -> None: ...
    def touch(self) -> None: ...
    def run_script(self, ticket: int, function: Callable[[], Any], watch: dict[str, Any]) -> Ended: ...
    def set_breakable(self, ticket: int, breakable: bool) -> None: ...
    def cancel(self, ticket: int) -> None: ...
    def asking(self) -> list[dict[str, Any]]: ...
    def decide(self, ticket: int, decision: str) -> bool: ...
    def guard(self) -> str: ...
    def limit(self, name: str) -> float: ...
    def has_connections(self) -> bool: ...
    def has_requests(self) -> bool: ...
    def is_connected(self, session: int) -> bool: ...
    def set_file(self, path: str) -> None: ...
    def status(self) -> dict[str, Any]: ...
    def connection_info(self) -> str: ...
    def stop(self) -> None: ...


def limits() -> list[Limit]:
    """Every limit that a user may set. Raises NativeError."""
    return [Limit(*row) for row in load().limits()]


def guard_levels() -> list[str]:
    """The guard's levels, the laxest first. Raises NativeError."""
    return list(load().guard_levels())


def load() -> Any:
    """Import the native module that this add-on was built with.

    Raises NativeError, with what to do, when it is missing or of another version.
    """
    try:
        from . import _build
    except ImportError as error:
        raise NativeError("Spindle was not installed from a built zip; build one with scripts/package") from error
    try:
        native = importlib.import_module(f"{_build.NATIVE}._native")
    except ImportError as error:
        raise NativeError(
            f"Spindle's native part cannot be loaded ({error}). Disable and enable Spindle, then restart Blender"
        ) from error
    if native.VERSION != _build.RELEASE:
        raise NativeError(f"Spindle {_build.VERSION} found native code of version {native.VERSION}. Restart Blender")
    return native
