# SPDX-License-Identifier: GPL-3.0-or-later
"""A running script's output as lines, as it comes."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Literal, Self

from ._results import Progress, ScriptResult

STEP = 0.05
"""Seconds of a wait between two looks at the signals."""


class Line(str):
    """A line of output without its end; `stream` is where it was written."""

    __slots__ = ("stream",)
    stream: Literal["stdout", "stderr"]

    def __new__(cls, text: str, stream: Literal["stdout", "stderr"]) -> Self:
        line = super().__new__(cls, text)
        line.stream = stream
        return line


class Lines:
    """Pieces of output in, whole lines out."""

    def __init__(self) -> None:
        self._rest = {"stdout": "", "stderr": ""}
        self._begun = False

    def feed(self, stream: Literal["stdout", "stderr"], text: str) -> list[Line]:
        """The lines that this piece has ended."""
        self._begun = True
        *whole, self._rest[stream] = (self._rest[stream] + text).split("\n")
        return [Line(line, stream) for line in whole]

    def end(self, result: ScriptResult | None) -> list[Line]:
        """What has no end of a line. All of it, if a quick script's output came with its result only."""
        lines: list[Line] = []
        if result is not None and not self._begun:
            lines += self.feed("stdout", result.stdout) + self.feed("stderr", result.stderr)
        streams: tuple[Literal["stdout", "stderr"], ...] = ("stdout", "stderr")
        return lines + [Line(self._rest[stream], stream) for stream in streams if self._rest[stream]]


Run = Callable[[Callable[[str, str], None], Callable[[float, float | None, str], None]], ScriptResult]
"""Run the script in the calling thread, and tell of its output and progress."""


class Stream:
    """A script that runs while its lines are read: `for line in stream`. Leaving it cancels the script.

    progress: the last that the script has told of, or None.
    result: the script's, after the last line. A script that did not end well raises `ScriptFailed` there.
    """

    def __init__(self, run: Run, cancel: Callable[[], None]) -> None:
        self.progress: Progress | None = None
        self.result: ScriptResult | None = None
        self._told: queue.SimpleQueue[Line | ScriptResult | BaseException] = queue.SimpleQueue()
        self._lines = Lines()
        self._cancel = cancel
        self._thread = threading.Thread(target=self._work, args=(run,), name="spindle stream", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Line]:
        try:
            while self.result is None:
                told = self._next()
                if isinstance(told, Line):
                    yield told
                    continue
                yield from self._lines.end(told if isinstance(told, ScriptResult) else None)
                if isinstance(told, BaseException):
                    raise told
                self.result = told.check()
        finally:
            self.close()

    def close(self) -> None:
        """Cancel the script if it runs, and wait until it has ended, 2 s at most. Idempotent."""
        if self._thread.is_alive():
            self._cancel()
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _next(self) -> Line | ScriptResult | BaseException:
        while True:
            try:
                # Ctrl-C ends no wait without a deadline on Windows.
                return self._told.get(timeout=STEP)
            except queue.Empty:
                continue

    def _work(self, run: Run) -> None:
        try:
            self._told.put(run(self._on_output, self._on_progress))
        except BaseException as error:
            # It is raised where the lines are read.
            self._told.put(error)

    def _on_output(self, stream: str, text: str) -> None:
        for line in self._lines.feed("stderr" if stream == "stderr" else "stdout", text):
            self._told.put(line)

    def _on_progress(self, done: float, total: float | None, message: str) -> None:
        self.progress = Progress(done, total, message)
