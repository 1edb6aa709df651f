# SPDX-License-Identifier: GPL-3.0-or-later
"""A running Blender, as a Python object."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
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
    ) -> dict[str, Any]:
        """Call any method, such as `"scene.get"`; docs/methods.md lists them.

        params: plain values, bytes-like objects and numpy arrays; NaN and infinity are refused.
        timeout: seconds from receipt to reply; the server's deadline for the method when None.
        label: what people read in the undo history, 1 to 64 characters.
        effect: what is claimed about a script's changes.

        Returns the result, with `bytes`, memoryviews and arrays in the place of blob references.
        Raises `SpindleError` by its subclasses; see `spindle.errors`.
        """
        try:
            packed = pack(dict(params or {}))
            result, blob = self._client.call(method, packed, timeout=timeout, label=label, effect=effect)
        except native.ClientError as error:
            raise from_native(error) from None
        unpacked: dict[str, Any] = unpack(result, blob)
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
        **inputs: Any,
    ) -> ScriptResult:
        """Run Python in Blender, in a fresh `__main__` where `bpy` and the dictionary `args` are predefined.

        args, inputs: what the script finds in `args`; keywords are the short form, for names other than those here.
        timeout: seconds after which the script is stopped; the server's setting when None.
        name: the file name in tracebacks.
        check: whether a script that raises, runs out of time or is cancelled raises `ScriptFailed` here.
        """
        params: dict[str, Any] = {"code": code, "args": {**(args or {}), **inputs}}
        if name is not None:
            params["name"] = name
        result = ScriptResult._read(self.call("script.run", params, timeout=timeout, label=label, effect=effect))
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
