# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests that go on while their program does something else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, Generic, Protocol, TypeVar

from . import _requests
from ._requests import LONGEST_WAIT, OnOutput, OnProgress, Request
from ._results import JobStatus, Progress
from .errors import TimedOut, from_wire

T = TypeVar("T")
U = TypeVar("U")


class Performs(Protocol):
    """A client, as a job needs it."""

    def _perform(self, request: Request[U]) -> U: ...


class Job(Generic[T]):
    """A request that Blender goes on with, whether anybody waits or not; its `id` finds it again by `blender.job`.

    Its outcome is kept for 10 minutes after its end (the server's setting `job_ttl_s`).
    """

    def __init__(self, client: Performs, job: str, read: Callable[[dict[str, Any]], T]) -> None:
        self._client = client
        self._read = read
        self.id = job

    def status(self) -> JobStatus:
        """What it is, and how far it has come."""
        return JobStatus._read(self._client._perform(_requests.job_get(self.id)))

    def progress(self) -> Progress | None:
        """How far it has come, by its own account; None before it says so, and after its end."""
        return self.status().progress

    def done(self) -> bool:
        """Whether it has ended, well or not."""
        return self.status().state == "done"

    def wait(
        self,
        timeout: float | None = None,
        *,
        on_output: OnOutput | None = None,
        on_progress: OnProgress | None = None,
    ) -> T:
        """Its result, once it has ended; what went wrong is raised, as by the call itself.

        timeout: seconds after which `TimedOut` is raised, and the job goes on; for ever when None. So does Ctrl-C.
        on_output, on_progress: as in `call`, from now on.
        """
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            left = LONGEST_WAIT if until is None else until - time.monotonic()
            report = self._client._perform(_requests.job_wait(self.id, left, on_output, on_progress))
            if report["state"] == "done":
                return outcome(report, self._read)
            if until is not None and time.monotonic() >= until:
                raise not_ended(self.id, timeout)

    def cancel(self) -> str:
        """Cancel it: `dequeued`, `interrupting`, `not_interruptible` or `finished`. What became of it tells `wait`."""
        return self._client._perform(_requests.job_cancel(self.id))

    def follow(self, every: float = 0.1) -> Iterator[Progress]:
        """Each new progress until its end, looked for every so many seconds; `wait` has the result then."""
        last = None
        while (status := self.status()).state != "done":
            if status.progress is not None and status.progress != last:
                last = status.progress
                yield last
            time.sleep(every)

    def __repr__(self) -> str:
        return f"<Job {self.id}>"


def outcome(report: dict[str, Any], read: Callable[[dict[str, Any]], T]) -> T:
    """The result of a job that has ended. Raises what it ended with."""
    if report.get("error") is not None:
        raise from_wire(report["error"])
    return read(report["result"])


def not_ended(job: str, timeout: float | None) -> TimedOut:
    """That a wait's time is over."""
    return TimedOut(f"{job} has not ended within {timeout} s, and goes on", kind="timed_out", started=None)
