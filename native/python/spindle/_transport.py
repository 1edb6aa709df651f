# SPDX-License-Identifier: GPL-3.0-or-later
"""One exchange with Blender over the native client, which blocks with the interpreter's lock released."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from ._blobs import pack, unpack
from ._native import native
from ._requests import OnOutput, OnProgress, Request
from ._results import Server
from .errors import from_native

Instance = int | str | os.PathLike[str]
"""A process id or port, or the name or path of an open file."""


class Transport:
    """A native client. Threads may share it: up to 8 requests are in flight, the setting `pool_size`."""

    def __init__(self, instance: Instance | None, timeout: float, name: str | None, attempts: int | None) -> None:
        name = name or os.path.basename(sys.argv[0] or "") or "python"
        try:
            self._client = native.Client.connect(instance, timeout=timeout, name=name[:64], attempts=attempts)
        except native.ClientError as error:
            raise from_native(error) from None

    @property
    def server(self) -> Server:
        """Who was reached last."""
        return Server(**self._client.server)

    def exchange(self, request: Request[Any], canceller: Any = None) -> dict[str, Any]:
        """Send a request and wait for its result, with blob references resolved. Raises `SpindleError`."""
        options = dict(request.options)
        listener = _listener(options.pop("on_output", None), options.pop("on_progress", None))
        options["detach"] = options.get("detach", False) or request.detach
        params = pack(request.params)
        try:
            result, blob, cached = self._client.call(
                request.method, params, listener=listener, canceller=canceller, **options
            )
        except native.ClientError as error:
            raise from_native(error) from None
        unpacked: dict[str, Any] = unpack(result, memoryview(blob))
        if cached is not None:
            unpacked["cached"] = dict(zip(("age_ms", "moved"), cached, strict=True))
        return unpacked

    def close(self) -> None:
        """Wait for the calls of other threads, and close the connections."""
        self._client.close()


def new_canceller() -> Any:
    """What ends the wait of an exchange from another thread, by its method `cancel`."""
    return native.Canceller()


def _listener(on_output: OnOutput | None, on_progress: OnProgress | None) -> Callable[..., None] | None:
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


def servers() -> list[Server]:
    """The running Blenders of this user."""
    try:
        return [Server(**server) for server in native.servers()]
    except native.ClientError as error:
        raise from_native(error) from None
