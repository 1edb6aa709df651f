# SPDX-License-Identifier: GPL-3.0-or-later
"""A running Blender, as a Python object."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, TypeVar

from . import _requests
from ._job import Job
from ._requests import ObjectPages, Request
from ._results import ScriptResult, Server
from ._stream import Stream
from ._transport import Instance, Transport, new_canceller

P = ParamSpec("P")
T = TypeVar("T")


def _method(build: Callable[P, Request[T]]) -> Callable[Concatenate[Blender, P], T]:
    """The method that makes this request, with its signature and its docstring."""

    @functools.wraps(build)
    def method(self: Blender, /, *args: P.args, **options: P.kwargs) -> T:
        return self._perform(build(*args, **options))

    return method


def _listing(build: Callable[P, ObjectPages]) -> Callable[Concatenate[Blender, P], list[dict[str, Any]]]:
    """The method that asks for all pages of a list."""

    @functools.wraps(build)
    def method(self: Blender, /, *args: P.args, **options: P.kwargs) -> list[dict[str, Any]]:
        pages = build(*args, **options)
        for request in pages:
            pages.add(self._perform(request))
        return pages.objects

    return method


class Blender:
    """A client of one running Blender, for as many threads as share it.

    It finds Blender again after a restart. What may have run and must not run twice is not sent again: it raises
    `Disconnected` then, with `started` None.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @property
    def server(self) -> Server:
        """Who is on the other side; after a restart of Blender, who was reached last."""
        return self._transport.server

    call = _method(_requests.call)
    run = _method(_requests.run)
    check = _method(_requests.check)
    scene = _method(_requests.scene)
    object = _method(_requests.object_)
    objects = _listing(_requests.object_pages)
    render = _method(_requests.render)
    render_animation = _method(_requests.render_animation)
    screenshot = _method(_requests.screenshot)
    undo = _method(_requests.undo)
    redo = _method(_requests.redo)
    jobs = _method(_requests.jobs)

    def job(self, job: str) -> Job[dict[str, Any]]:
        """A job of this program by its id, such as one that `call` has detached."""
        return Job(self, job, _requests.same)

    def stream(self, code: str, /, *args: Any, **options: Any) -> Stream:
        """Run Python in Blender as `run` does, and read its output while it runs::

            for line in blender.stream("for n in range(9): print(n)"):
                print(line)

        A `Line` is a `str` that knows its `stream`; of the stream itself, `progress` is the last that the script has
        told of, and `result` its result after the last line. Leaving the loop cancels the script.
        """
        canceller = new_canceller()

        def run(on_output: Any, on_progress: Any) -> ScriptResult:
            told = {"check": False, "on_output": on_output, "on_progress": on_progress}
            request: Request[ScriptResult] = _requests.run(code, *args, **options | told)
            return request.read(self._transport.exchange(request, canceller))

        return Stream(run, canceller.cancel)

    @contextmanager
    def group(self, label: str, *, timeout: float = 60.0) -> Iterator[None]:
        """Make this program's changes within the `with` block one undo step, also those before an exception in it.

        label: what the undo history shows, 1 to 64 characters.
        timeout: seconds after which the group ends by itself, 0.1 to 600.
        """
        self._perform(_requests.group_begin(label, timeout))
        try:
            yield
        finally:
            self._perform(_requests.group_end())

    def close(self) -> None:
        """Close the connections; calls of other threads have 10 s to end. Idempotent."""
        self._transport.close()

    def __enter__(self) -> Blender:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Blender {self.server.blender}, pid {self.server.pid}, {self.server.file or 'unsaved'}>"

    def _perform(self, request: Request[T]) -> T:
        result = self._transport.exchange(request)
        if request.detach:
            # The signatures say that such a request's result is a job.
            job: Any = Job(self, result["job"], replace(request, detach=False).read)
            return job  # type: ignore[no-any-return]
        return request.read(result)


def connect(
    instance: Instance | None = None, *, timeout: float = 5.0, name: str | None = None, attempts: int | None = None
) -> Blender:
    """Connect to a running Blender.

    instance: its process id, its port, or the name or path of its open file; may be left out when only one runs.
    timeout: seconds for connecting.
    name: this program's name, for the panel, the log and the undo history; the script's own when None.
    attempts: at one call that Blender is too busy for, or whose connection was lost, where repeating it is safe; 1 for
        no repeats, the setting `retry_attempts` (7, in about 5 s) when None.

    Further settings come from `client.json` and the environment, see docs/clients.md.
    Raises `NoServer`, `SeveralServers` and other `NoConnection` errors.
    """
    return Blender(Transport(instance, timeout, name, attempts))
