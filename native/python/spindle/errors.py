# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong between a program and Blender.

Every error is a `SpindleError` with the stable name of its cause, `kind`; the subclasses group the
kinds by what a program can do about them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._finding import Finding

if TYPE_CHECKING:
    from ._results import ScriptResult


class SpindleError(Exception):
    """A call that did not succeed.

    kind: the stable name of the cause, as in docs/protocol.md.
    retryable: whether the same call may succeed later with nothing changed.
    started: whether any of the work had begun; None when that cannot be known, and a repeat may run it twice.
    details: what else is known, such as the path of a wrong parameter.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: str,
        retryable: bool = False,
        started: bool | None = False,
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.retryable = retryable
        self.started = started
        self.details = details or {}


class InvalidCall(SpindleError, ValueError):
    """The call is wrong in itself: an unknown method, a wrong parameter, too much data."""


class NoConnection(SpindleError, ConnectionError):
    """There is no usable connection to Blender."""


class NoServer(NoConnection):
    """No Blender with Spindle runs, or none that fits the choice; `details["servers"]` lists what runs."""


class SeveralServers(NoConnection):
    """More than one Blender fits the choice; `details["servers"]` lists them."""


class WrongServer(NoConnection):
    """Who listens on the port is not Spindle, not the server that was meant, or does not accept the token."""


class Disconnected(NoConnection):
    """The connection ended."""


class TimedOut(SpindleError, TimeoutError):
    """A deadline passed; `started` tells whether the work had begun."""


class Busy(SpindleError):
    """Blender, or the server, cannot take this at the moment; a later try may succeed."""


class Cancelled(SpindleError):
    """The request was cancelled, or its server stopped."""


class NotFound(SpindleError, LookupError):
    """Nothing in the file has this name."""


class CommandFailed(SpindleError):
    """Blender refused, or the command raised; the message is Blender's."""


class ScriptRefused(SpindleError, PermissionError):
    """Blender's guard, or the user in front of it, refused a script; nothing ran.

    findings: why, and what to write instead. level: how strict the guard is.
    """

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Each of them, in the order of the script's lines."""
        return Finding._read_all(self.details.get("findings", []))

    @property
    def level(self) -> str:
        """`guarded`, `ask` or `locked`."""
        return str(self.details.get("level", ""))


class WouldDeadlock(SpindleError, RuntimeError):
    """Blender's main thread called itself through the socket; call `bpy` directly there."""


class ScriptFailed(SpindleError):
    """A script raised, ran out of time or was cancelled; `result` has its output and its exception."""

    def __init__(self, message: str, *, kind: str, result: ScriptResult) -> None:
        super().__init__(message, kind=kind, started=True)
        self.result = result


_CLASSES: dict[str, type[SpindleError]] = {
    "invalid_call": InvalidCall,
    "invalid_params": InvalidCall,
    "invalid_request": InvalidCall,
    "method_not_found": InvalidCall,
    "parse_error": InvalidCall,
    "too_large": InvalidCall,
    "duplicate_id": InvalidCall,
    "idempotency_conflict": InvalidCall,
    "invalid_setting": InvalidCall,
    "client_shut_down": InvalidCall,
    "no_server": NoServer,
    "folder_unreadable": NoServer,
    "several_servers": SeveralServers,
    "not_spindle": WrongServer,
    "wrong_server": WrongServer,
    "bad_token": WrongServer,
    "bad_proof": WrongServer,
    "connect_failed": NoConnection,
    "version_mismatch": NoConnection,
    "not_authenticated": NoConnection,
    "already_authenticated": NoConnection,
    "breaker_open": NoConnection,
    "malformed_reply": NoConnection,
    "disconnected": Disconnected,
    "timed_out": TimedOut,
    "expired_in_queue": TimedOut,
    "busy": Busy,
    "queue_full": Busy,
    "rate_limited": Busy,
    "pool_timed_out": Busy,
    "too_many_connections": Busy,
    "cancelled": Cancelled,
    "interrupted": Cancelled,
    "shutting_down": Cancelled,
    "stopping": Cancelled,
    "not_found": NotFound,
    "command_failed": CommandFailed,
    "unsaved_changes": CommandFailed,
    "path_not_allowed": CommandFailed,
    "unsupported": CommandFailed,
    "bad_result": CommandFailed,
    "script_refused": ScriptRefused,
    "would_deadlock": WouldDeadlock,
}


def from_native(error: Exception) -> SpindleError:
    """The typed exception for the native module's `ClientError(kind, message, data)`."""
    kind, message, data = error.args
    return _CLASSES.get(kind, SpindleError)(message, kind=kind, **data)


def from_wire(error: dict[str, Any]) -> SpindleError:
    """The typed exception for an error of the protocol, as a job's report holds it."""
    details = dict(error["data"])
    kind, retryable, started = (details.pop(name) for name in ("kind", "retryable", "started"))
    started = None if started == "unknown" else started
    found = _CLASSES.get(kind, SpindleError)
    return found(error["message"], kind=kind, retryable=retryable, started=started, details=details)
