# SPDX-License-Identifier: GPL-3.0-or-later
"""A running Blender, as a Python object."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from types import TracebackType
from typing import Any, Literal

from ._blobs import pack, unpack
from ._native import native
from .errors import ScriptFailed, from_native


@dataclass(frozen=True)
class Server:
    """A running Blender with Spindle; `file` is empty for an unsaved one."""

    instance: str
    port: int
    pid: int
    version: str
    blender: str
    window: bool
    file: str


@dataclass(frozen=True)
class RemoteException:
    """What a script raised in Blender; `line` is the script's line, counted from 1."""

    type: str
    message: str
    traceback: str
    line: int | None = None


@dataclass(frozen=True)
class ScriptResult:
    """What a script did.

    value: the last expression's value; arrays and bytes as such. None when there is none, or when it
    has no JSON form: `value_error` tells then, and `value_repr` shows it.
    undo_step: the name of the undo step that holds its changes; None when it changed nothing.
    stdout_omitted, stderr_omitted: characters beyond the limit, which were not sent.
    """

    status: Literal["ok", "raised", "timed_out", "cancelled"]
    stdout: str
    stderr: str
    duration_ms: float
    value: Any = None
    value_repr: str | None = None
    value_error: dict[str, str] | None = None
    exception: RemoteException | None = None
    undo_step: str | None = None
    stdout_omitted: int = 0
    stderr_omitted: int = 0

    @classmethod
    def _read(cls, result: dict[str, Any]) -> ScriptResult:
        members = _known(cls, result)
        if members.get("exception"):
            members["exception"] = RemoteException(**_known(RemoteException, members["exception"]))
        return cls(**members)

    def check(self) -> ScriptResult:
        """This result, or `ScriptFailed` with Blender's traceback if the script did not end well."""
        if self.status == "ok":
            return self
        message = {"timed_out": "the script's time was up", "cancelled": "the script was cancelled"}.get(self.status)
        if self.exception is not None:
            what = f"{self.exception.type}: {self.exception.message}"
            message = f"{message or what}\n\nIn Blender:\n{self.exception.traceback}"
        raise ScriptFailed(message or self.status, kind=f"script_{self.status}", result=self)


def _known(cls: type, members: dict[str, Any]) -> dict[str, Any]:
    """Those members that the dataclass has; a newer server may tell more."""
    return {field.name: members[field.name] for field in fields(cls) if field.name in members}


def _listener(
    on_output: Callable[[str, str], None] | None, on_progress: Callable[[float, float | None, str], None] | None
) -> Callable[..., None] | None:
    """One callable for the native client; None where nobody listens."""
    if on_output is None and on_progress is None:
        return None

    def listen(kind: str, *notice: Any) -> None:
        if kind == "progress" and on_progress is not None:
            on_progress(*notice)
        elif kind == "output" and on_output is not None:
            stream, text, omitted = notice
            if omitted:
                on_output(stream, f"\n[{omitted} characters left out]\n")
            on_output(stream, text)

    return listen


class Blender:
    """A connection to one running Blender. Threads may share it; their calls go one after the other."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.server = Server(**client.server)

    def call(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,
        label: str | None = None,
        effect: Literal["read", "write"] | None = None,
        detach: bool = False,
        idempotency_key: str | None = None,
        max_age: float | None = None,
        on_output: Callable[[str, str], None] | None = None,
        on_progress: Callable[[float, float | None, str], None] | None = None,
    ) -> dict[str, Any]:
        """Call any method, such as `"scene.get"`; docs/methods.md lists them.

        params: plain values, bytes-like objects and numpy arrays; NaN and infinity are refused.
        timeout: seconds from receipt to reply; the server's deadline for the method when None.
        label: what people read in the undo history, 1 to 64 characters.
        effect: what is claimed about a script's changes.
        detach: return `{"job": id}` at once; `job.wait`, `job.get` and `job.cancel` do the rest.
        idempotency_key: a repeat with the same key gets the first outcome, never a second run, also after a reconnect.
        max_age: of a read-only method, a kept answer of at most so many seconds will do, also while Blender renders;
            the result then has a member `cached`, `{"age_ms": …, "moved": …}`.
        on_output: told `("stdout" or "stderr", text)` while a script runs; not of one that ends within about 20 ms.
        on_progress: told `(done, total or None, message)` while a script or a render runs.

        Returns the result, with `bytes`, memoryviews and arrays in the place of blob references.
        Raises `SpindleError` by its subclasses; see `spindle.errors`.
        """
        try:
            packed = pack(dict(params or {}))
            result, blob, cached = self._client.call(
                method,
                packed,
                timeout=timeout,
                label=label,
                effect=effect,
                detach=detach,
                idempotency_key=idempotency_key,
                max_age=max_age,
                listener=_listener(on_output, on_progress),
            )
        except native.ClientError as error:
            raise from_native(error) from None
        unpacked: dict[str, Any] = unpack(result, blob)
        if cached is not None:
            unpacked["cached"] = dict(zip(("age_ms", "moved"), cached, strict=True))
        return unpacked

    def run(
        self,
        code: str,
        /,
        args: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,
        label: str | None = None,
        effect: Literal["read", "write"] | None = None,
        name: str | None = None,
        check: bool = True,
        on_output: Callable[[str, str], None] | None = None,
        on_progress: Callable[[float, float | None, str], None] | None = None,
        **inputs: Any,
    ) -> ScriptResult:
        """Run Python in Blender, in a fresh `__main__` where `bpy` and the dictionary `args` are predefined.

        args, inputs: what the script finds in `args`; keywords are the short form, for names other than those here.
        timeout: seconds after which the script is stopped; the server's setting when None.
        name: the file name in tracebacks.
        on_output, on_progress: as in `call`; a script reports progress by `spindle.progress(done, total, message)`.
        check: whether a script that raises, runs out of time or is cancelled raises `ScriptFailed` here.
        """
        params: dict[str, Any] = {"code": code, "args": {**(args or {}), **inputs}}
        if name is not None:
            params["name"] = name
        result = ScriptResult._read(
            self.call(
                "script.run",
                params,
                timeout=timeout,
                label=label,
                effect=effect,
                on_output=on_output,
                on_progress=on_progress,
            )
        )
        return result.check() if check else result

    def close(self) -> None:
        """Close the connection. Idempotent."""
        self._client.close()

    def __enter__(self) -> Blender:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Blender {self.server.blender}, pid {self.server.pid}, {self.server.file or 'unsaved'}>"


def connect(
    instance: int | str | os.PathLike[str] | None = None, *, timeout: float = 5.0, name: str | None = None
) -> Blender:
    """Connect to a running Blender.

    instance: its process id, its port, or the name or path of its open file; may be left out when only one runs.
    timeout: seconds for connecting.
    name: this program's name, for the panel, the log and the undo history; the script's own when None.

    Raises `NoServer`, `SeveralServers` and other `NoConnection` errors.
    """
    name = name or os.path.basename(sys.argv[0] or "") or "python"
    try:
        return Blender(native.Client.connect(instance, timeout=timeout, name=name[:64]))
    except native.ClientError as error:
        raise from_native(error) from None


def servers() -> list[Server]:
    """The running Blenders of this user."""
    try:
        return [Server(**server) for server in native.servers()]
    except native.ClientError as error:
        raise from_native(error) from None
