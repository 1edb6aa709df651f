# SPDX-License-Identifier: GPL-3.0-or-later
"""The same for asyncio: `spindle.aio.connect()`, the same names, to be awaited.

For example::

    async with await spindle.aio.connect() as blender:
        scene, result = await asyncio.gather(blender.scene(), blender.run("1 + 1"))

The loop is never blocked: calls wait in up to 8 threads. Cancelling a task, also by `asyncio.timeout`, cancels its
request in Blender, and waits up to 2 s for what became of it; cancelling it a second time does not.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Concatenate, Generic, Literal, ParamSpec, TypeVar, overload

from . import _requests
from ._job import not_ended, outcome
from ._requests import LONGEST_WAIT, ObjectPages, OnOutput, OnProgress, Request
from ._results import Animation, JobStatus, Picture, Progress, ScriptResult, Server
from ._stream import Line, Lines
from ._transport import Instance, Transport, new_canceller
from .errors import SpindleError

__all__ = ["Blender", "Job", "Stream", "connect"]

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 8
"""As many as the native client has connections by default."""


def _method(build: Callable[P, Request[T]]) -> Callable[Concatenate[Blender, P], Coroutine[Any, Any, T]]:
    """The method that makes this request, with its signature and its docstring."""

    @functools.wraps(build)
    async def method(self: Blender, /, *args: P.args, **options: P.kwargs) -> T:
        return await self._perform(build(*args, **options))

    return method


def _listing(
    build: Callable[P, ObjectPages],
) -> Callable[Concatenate[Blender, P], Coroutine[Any, Any, list[dict[str, Any]]]]:
    """The method that asks for all pages of a list."""

    @functools.wraps(build)
    async def method(self: Blender, /, *args: P.args, **options: P.kwargs) -> list[dict[str, Any]]:
        pages = build(*args, **options)
        for request in pages:
            pages.add(await self._perform(request))
        return pages.objects

    return method


class Job(Generic[T]):
    """As `spindle.Job`, to be awaited."""

    def __init__(self, client: Blender, job: str, read: Callable[[dict[str, Any]], T]) -> None:
        self._client = client
        self._read = read
        self.id = job

    async def status(self) -> JobStatus:
        """What it is, and how far it has come."""
        return JobStatus._read(await self._client._perform(_requests.job_get(self.id)))

    async def progress(self) -> Progress | None:
        """How far it has come, by its own account; None before it says so, and after its end."""
        return (await self.status()).progress

    async def done(self) -> bool:
        """Whether it has ended, well or not."""
        return (await self.status()).state == "done"

    async def wait(
        self,
        timeout: float | None = None,
        *,
        on_output: OnOutput | None = None,
        on_progress: OnProgress | None = None,
    ) -> T:
        """Its result, once it has ended; what went wrong is raised. Cancelling the wait leaves the job alone."""
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            left = LONGEST_WAIT if until is None else until - time.monotonic()
            report = await self._client._perform(_requests.job_wait(self.id, left, on_output, on_progress))
            if report["state"] == "done":
                return outcome(report, self._read)
            if until is not None and time.monotonic() >= until:
                raise not_ended(self.id, timeout)

    async def cancel(self) -> str:
        """Cancel it: `dequeued`, `interrupting`, `not_interruptible` or `finished`."""
        return await self._client._perform(_requests.job_cancel(self.id))

    async def follow(self, every: float = 0.1) -> AsyncIterator[Progress]:
        """Each new progress until its end, looked for every so many seconds; `wait` has the result then."""
        last = None
        while (status := await self.status()).state != "done":
            if status.progress is not None and status.progress != last:
                last = status.progress
                yield last
            await asyncio.sleep(every)

    def __repr__(self) -> str:
        return f"<Job {self.id}>"


class Stream:
    """As `spindle.Stream`: `async for line in stream`. It starts with the first line that is asked for."""

    def __init__(self, run: Callable[..., Awaitable[ScriptResult]]) -> None:
        self.progress: Progress | None = None
        self.result: ScriptResult | None = None
        self._run = run

    async def __aiter__(self) -> AsyncIterator[Line]:
        loop, lines, told = asyncio.get_running_loop(), Lines(), asyncio.Queue[Line | None]()

        def on_output(stream: str, text: str) -> None:
            for line in lines.feed("stderr" if stream == "stderr" else "stdout", text):
                loop.call_soon_threadsafe(told.put_nowait, line)

        def on_progress(*progress: Any) -> None:
            self.progress = Progress(*progress)

        task = asyncio.ensure_future(self._run(on_output=on_output, on_progress=on_progress))
        task.add_done_callback(lambda _: told.put_nowait(None))
        try:
            while (line := await told.get()) is not None:
                yield line
            failed = task.cancelled() or task.exception() is not None
            for line in lines.end(None if failed else task.result()):
                yield line
            self.result = task.result().check()
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait([task])


class Blender:
    """As `spindle.Blender`, to be awaited."""

    def __init__(self, transport: Transport, executor: ThreadPoolExecutor) -> None:
        self._transport = transport
        self._executor = executor

    @property
    def server(self) -> Server:
        """Who is on the other side; after a restart of Blender, who was reached last."""
        return self._transport.server

    call = _method(_requests.call)
    check = _method(_requests.check)
    scene = _method(_requests.scene)
    object = _method(_requests.object_)
    objects = _listing(_requests.object_pages)
    screenshot = _method(_requests.screenshot)
    undo = _method(_requests.undo)
    redo = _method(_requests.redo)
    jobs = _method(_requests.jobs)

    # Their requests are typed for the blocking client's jobs.

    @overload
    async def run(self, code: str, /, *args: Any, detach: Literal[False] = False, **options: Any) -> ScriptResult: ...
    @overload
    async def run(self, code: str, /, *args: Any, detach: Literal[True], **options: Any) -> Job[ScriptResult]: ...
    async def run(self, code: str, /, *args: Any, detach: bool = False, **options: Any) -> Any:
        return await self._perform(_requests.run(code, *args, detach=detach, **options))  # type: ignore[call-overload]

    @overload
    async def render(self, *, detach: Literal[False] = False, **settings: Any) -> Picture: ...
    @overload
    async def render(self, *, detach: Literal[True], **settings: Any) -> Job[Picture]: ...
    async def render(self, *, detach: bool = False, **settings: Any) -> Any:
        return await self._perform(_requests.render(detach=detach, **settings))  # type: ignore[call-overload]

    @overload
    async def render_animation(
        self, folder: str, /, *args: Any, detach: Literal[False] = False, **settings: Any
    ) -> Animation: ...
    @overload
    async def render_animation(
        self, folder: str, /, *args: Any, detach: Literal[True], **settings: Any
    ) -> Job[Animation]: ...
    async def render_animation(self, folder: str, /, *args: Any, detach: bool = False, **settings: Any) -> Any:
        request: Request[Any] = _requests.render_animation(  # type: ignore[call-overload]
            folder, *args, detach=detach, **settings
        )
        return await self._perform(request)

    run.__doc__ = _requests.run.__doc__
    render.__doc__ = _requests.render.__doc__
    render_animation.__doc__ = _requests.render_animation.__doc__

    def job(self, job: str) -> Job[dict[str, Any]]:
        """A job of this program by its id, such as one that `call` has detached."""
        return Job(self, job, _requests.same)

    def stream(self, code: str, /, *args: Any, **options: Any) -> Stream:
        """Run Python in Blender as `run` does, and read its output while it runs::

        async for line in blender.stream("for n in range(9): print(n)"):
            print(line)
        """
        return Stream(functools.partial(self.run, code, *args, **options, check=False))

    @asynccontextmanager
    async def group(self, label: str, *, timeout: float = 60.0) -> AsyncIterator[None]:
        """Make this program's changes within the `async with` block one undo step; see `spindle.Blender.group`."""
        await self._perform(_requests.group_begin(label, timeout))
        try:
            yield
        finally:
            await self._perform(_requests.group_end())

    async def close(self) -> None:
        """Close the connections; calls under way have 10 s to end. Idempotent."""
        await asyncio.to_thread(self._transport.close)
        self._executor.shutdown(wait=False)

    async def __aenter__(self) -> Blender:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<aio.Blender {self.server.blender}, pid {self.server.pid}, {self.server.file or 'unsaved'}>"

    async def _perform(self, request: Request[T]) -> T:
        result = await self._exchange(request)
        if request.detach:
            # The signatures say that such a request's result is a job.
            job: Any = Job(self, result["job"], request.read)
            return job  # type: ignore[no-any-return]
        return request.read(result)

    async def _exchange(self, request: Request[Any]) -> dict[str, Any]:
        canceller = new_canceller()
        work = self._executor.submit(self._transport.exchange, request, canceller)
        waiting = asyncio.wrap_future(work)
        try:
            return await asyncio.shield(waiting)
        except asyncio.CancelledError:
            if not work.cancel():
                canceller.cancel()
                await _settled(waiting, canceller)
            raise


async def _settled(waiting: asyncio.Future[Any], canceller: Any) -> None:
    """Wait until a cancelled request has ended; not any longer when this is cancelled too."""
    try:
        await asyncio.shield(waiting)
    except asyncio.CancelledError:
        canceller.cancel()
        waiting.cancel()
        raise
    except SpindleError:
        # Why it ended is known: it was cancelled.
        return


async def connect(
    instance: Instance | None = None, *, timeout: float = 5.0, name: str | None = None, attempts: int | None = None
) -> Blender:
    """Connect to a running Blender; see `spindle.connect`."""
    transport = await asyncio.to_thread(Transport, instance, timeout, name, attempts)
    return Blender(transport, ThreadPoolExecutor(THREADS, thread_name_prefix="spindle"))
