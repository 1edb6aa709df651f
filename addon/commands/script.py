# SPDX-License-Identifier: GPL-3.0-or-later
"""script.run: any Python, run as in Blender's Text Editor."""

from __future__ import annotations

import ast
import functools
import io
import linecache
import sys
import time
import traceback
import types
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import bpy

from ..moments import refuse_unsafe_moment
from ..turn import Turn
from ..values import ValueFault, plain, resolve_blobs
from .purity import changes_nothing

OUTPUT_CHARS = 256 * 1024
TRACEBACK_CHARS = 20_000
REPR_CHARS = 1_000
KEPT_SOURCES = 64


@dataclass(frozen=True)
class Program:
    """A script that has been read: its statements, and its last expression if it ends with one."""

    body: types.CodeType
    last: types.CodeType | None
    changes_nothing: bool


class Output(io.TextIOBase):
    """A text stream that tells everything as it is written, keeps up to a limit, and counts the rest."""

    def __init__(self, limit: int, tell: Callable[[str], None]) -> None:
        self._parts: list[str] = []
        self._room = limit
        self._tell = tell
        self.tells = True
        self.omitted = 0

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if self.tells:
            self._tell(text)
        kept = text[: self._room]
        if kept:
            self._parts.append(kept)
            self._room -= len(kept)
        self.omitted += len(text) - len(kept)
        return len(text)

    def text(self) -> str:
        """What was kept, without surrogates, which have no UTF-8 form."""
        return "".join(self._parts).encode("utf-8", "replace").decode()


@functools.lru_cache(maxsize=128)
def read(code: str, filename: str) -> Program:
    """Parse and compile a script. Raises SyntaxError, or ValueError for what Python cannot parse."""
    tree = ast.parse(code, filename)
    harmless = changes_nothing(tree)
    last = None
    if tree.body and isinstance(expression := tree.body[-1], ast.Expr):
        tree.body.pop()
        last = compile(ast.Expression(expression.value), filename, "eval")
    return Program(compile(tree, filename, "exec"), last, harmless)


def run(turn: Turn, *, code: str, args: dict[str, Any], name: str | None) -> dict[str, Any]:
    """Run a script in a fresh `__main__`; whatever it raises is part of the result.

    Raises `busy` before it starts, where it may change something and Blender renders or a tool is active.
    """
    filename = f"<spindle: {name}>" if name else "<spindle>"
    result: dict[str, Any] = {"status": "ok", "stdout": "", "stderr": "", "value": None}
    start = time.perf_counter()
    try:
        program = read(code, filename)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        result |= {"status": "raised", "exception": _describe(error, filename)}
    else:
        changes = turn.effect == "write" or not (turn.effect == "read" or program.changes_nothing)
        if changes:
            refuse_unsafe_moment()
        turn.changes = changes
        _keep_source(filename, code)
        _execute(turn, program, filename, resolve_blobs(args, turn.blob), result)
    if result.get("exception"):
        exception = result["exception"]
        turn.failure = (result["status"], f"{exception['type']}: {exception['message']}")
    result["duration_ms"] = (time.perf_counter() - start) * 1000.0
    return result


def _execute(turn: Turn, program: Program, filename: str, args: Any, result: dict[str, Any]) -> None:
    main = types.ModuleType("__main__")
    spindle = types.SimpleNamespace(
        client=turn.client, output_folder=turn.preferences.output_folder, progress=turn.progress
    )
    main.__dict__.update(bpy=bpy, spindle=spindle, args=args, __file__=filename)
    stdout, stderr = (Output(OUTPUT_CHARS, functools.partial(turn.output, stream)) for stream in ("stdout", "stderr"))
    saved = sys.modules.get("__main__"), sys.stdout, sys.stderr
    sys.modules["__main__"], sys.stdout, sys.stderr = main, stdout, stderr
    try:
        exec(program.body, main.__dict__)
        if program.last is not None:
            _describe_value(eval(program.last, main.__dict__), result)
    except BaseException as error:  # A script may raise anything; SystemExit must not end Blender.
        if not (isinstance(error, SystemExit) and error.code in (None, 0)):
            result |= {"status": "raised", "exception": _describe(error, filename)}
    finally:
        if saved[0] is not None:
            sys.modules["__main__"] = saved[0]
        sys.stdout, sys.stderr = saved[1:]
        # A thread that the script leaves behind may hold on to them, and tells nobody any more.
        stdout.tells = stderr.tells = False
        result |= {"stdout": stdout.text(), "stderr": stderr.text()}
        result |= {"stdout_omitted": stdout.omitted, "stderr_omitted": stderr.omitted}


def _describe_value(value: Any, result: dict[str, Any]) -> None:
    if value is None:
        return
    result["value_repr"] = _clean(repr(value), REPR_CHARS)
    try:
        result["value"] = plain(value)
    except ValueFault as fault:
        result["value_error"] = {"path": fault.path, "reason": fault.reason}


def _describe(error: BaseException, filename: str) -> dict[str, Any]:
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename != filename:
        frames = frames.tb_next
    lines = [frame.tb_lineno for frame in _walk(frames) if frame.tb_frame.f_code.co_filename == filename]
    line = error.lineno if isinstance(error, SyntaxError) else (lines or [None])[-1]
    try:
        text = "".join(traceback.format_exception(type(error), error, frames))
        message = str(error)
    except Exception as fault:  # The script's own `__str__` may fail.
        text = message = f"<the exception cannot be shown: {type(fault).__name__}>"
    return {
        "type": type(error).__qualname__,
        "message": _clean(message, TRACEBACK_CHARS),
        "traceback": _clean(text, TRACEBACK_CHARS),
        "line": line,
    }


def _walk(frame: types.TracebackType | None) -> Any:
    while frame is not None:
        yield frame
        frame = frame.tb_next


def _clean(text: str, limit: int) -> str:
    cut = text if len(text) <= limit else f"{text[: limit // 2]}\n…\n{text[-(limit // 2 - 3) :]}"
    return cut.encode("utf-8", "replace").decode()


_kept: deque[str] = deque()


def _keep_source(filename: str, code: str) -> None:
    """Let tracebacks show the script's lines, also those of a handler that it leaves behind."""
    if filename not in _kept:
        _kept.append(filename)
        if len(_kept) > KEPT_SOURCES:
            linecache.cache.pop(_kept.popleft(), None)
    if not isinstance(linecache.cache, dict):  # A script may have had its way with it.
        linecache.cache = {}
    linecache.cache[filename] = (len(code), None, code.splitlines(keepends=True), filename)
