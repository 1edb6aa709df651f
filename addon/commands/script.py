# SPDX-License-Identifier: GPL-3.0-or-later
"""script.run: any Python, run as in Blender's Text Editor."""

from __future__ import annotations

import functools
import sys
import time
import types
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import bpy

from ..aftermath import Snapshot
from ..animation import revalidate_drivers
from ..checkpoint import save
from ..errors import CommandError
from ..moments import refuse_unsafe_moment
from ..paths import allowed_folders
from ..turn import Ended, Turn
from ..values import resolve_blobs
from .program import Program, keep_source, read
from .script_result import OUTPUT_CHARS, Output, describe, describe_unasked, describe_value, leave_out_value


@dataclass(frozen=True, slots=True)
class Script:
    """A script about to run: its code, its name in tracebacks, and the module that it runs in."""

    program: Program
    filename: str
    main: types.ModuleType


def run(
    turn: Turn, *, code: str, args: dict[str, Any], name: str | None = None, checkpoint: bool = False
) -> dict[str, Any]:
    """Run a script in a fresh `__main__`; whatever it raises is part of the result.

    Raises `busy` before it starts, where it may change something and Blender renders or a tool is active, and
    `script_refused` for one that Python can read and the guard cannot.
    """
    filename = f"<spindle: {name}>" if name else "<spindle>"
    result: dict[str, Any] = {"status": "ok", "stdout": "", "stderr": "", "value": None}
    start = time.perf_counter()
    try:
        program = read(code, filename)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        result |= {"status": "raised", "exception": describe(error, filename)}
    else:
        _refuse_unread(turn)
        changes = turn.effect == "write" or not (turn.effect == "read" or program.changes_nothing)
        if changes:
            refuse_unsafe_moment()
        script = Script(program, filename, _main(turn, filename, resolve_blobs(args, turn.blob)))
        if checkpoint or (changes and turn.preferences.checkpoint_before_scripts):
            result["checkpoint"] = _save_checkpoint(turn, name)
        turn.changes = changes
        keep_source(filename, code)
        # To look takes about as long as the smallest scripts.
        before = None if program.leaves_nothing else Snapshot.take(program.touched if changes else None)
        _execute(turn, script, result)
        if before is not None:
            _tell_aftermath(turn, before.difference(script.main.__dict__), result)
        turn.lighten = functools.partial(leave_out_value, result)
    if result["status"] != "ok":
        exception = result.get("exception")
        turn.failure = (result["status"], f"{exception['type']}: {exception['message']}" if exception else "")
    if turn.findings:
        result["findings"] = turn.findings
    result["duration_ms"] = (time.perf_counter() - start) * 1000.0
    return result


def _refuse_unread(turn: Turn) -> None:
    """The guard lets a script that it cannot read pass, for Python to say what is wrong with it."""
    if turn.unreadable and turn.level != "trusted":
        raise CommandError(
            "script_refused",
            "the guard cannot read this script, though Python can, so it is not run. Write it in simpler Python",
            findings=turn.findings,
            level=turn.level,
        )


def _save_checkpoint(turn: Turn, name: str | None) -> str:
    """Save a copy of the open file; its name. Raises `command_failed`."""
    most = turn.limit("max_checkpoints", alone=1)
    return save(f"{turn.client}: {turn.label or name or 'a script'}", int(most)).name


def _main(turn: Turn, filename: str, args: Any) -> types.ModuleType:
    main = types.ModuleType("__main__")
    spindle = types.SimpleNamespace(
        client=turn.client, output_folder=turn.preferences.output_folder, progress=turn.progress
    )
    main.__dict__.update(bpy=bpy, spindle=spindle, args=args, __file__=filename)
    return main


def _execute(turn: Turn, script: Script, result: dict[str, Any]) -> None:
    folders = allowed_folders(turn.preferences)
    with _stage(turn, script.main, result):
        ended = turn.run_script(functools.partial(_call, script, result), folders)
        _tell_end(turn, ended, result)
        if ended.error is None or _is_clean_exit(ended.error):
            return
        if ended.stopped is None:
            result["status"] = "raised"
            # To show an exception runs the script's own code, too.
            show = functools.partial(_show, ended.error, script.filename, result)
            _tell_end(turn, turn.run_script(show, folders), result)
        result.setdefault("exception", describe_unasked(ended.error, script.filename))


def _call(script: Script, result: dict[str, Any]) -> None:
    """What runs the script's own code. Where the watchdog stops it, it may end at any of these lines."""
    program, names = script.program, script.main.__dict__
    exec(program.body, names)
    if program.last is not None:
        result |= describe_value(eval(program.last, names))


def _show(error: BaseException, filename: str, result: dict[str, Any]) -> None:
    result["exception"] = describe(error, filename)


def _is_clean_exit(error: BaseException) -> bool:
    """SystemExit must not end Blender, and without a code it is no failure."""
    return isinstance(error, SystemExit) and (error.code is None or (type(error.code) is int and error.code == 0))


def _tell_end(turn: Turn, ended: Ended, result: dict[str, Any]) -> None:
    if ended.stopped is not None:
        result["status"] = ended.stopped
        # One that was hit all the same Blender has switched off.
        revalidate_drivers()
    if ended.broke_into is not None:
        result["broke_into"] = ended.broke_into
    if ended.watched:
        result["watched"] = result.get("watched", []) + ended.watched
        result["watched_omitted"] = result.get("watched_omitted", 0) + ended.watched_omitted
        turn.notes += [f"watch:{row['event']}" for row in ended.watched if row["refused"]]


def _tell_aftermath(turn: Turn, left: dict[str, list[str]] | None, result: dict[str, Any]) -> None:
    if left is not None:
        result["aftermath"] = left
        turn.notes += [f"left:{kind}" for kind in left]


@contextmanager
def _stage(turn: Turn, main: types.ModuleType, result: dict[str, Any]) -> Iterator[None]:
    """The process as a script expects it; as it was afterwards."""
    stdout, stderr = (Output(OUTPUT_CHARS, functools.partial(turn.output, stream)) for stream in ("stdout", "stderr"))
    saved = sys.modules.get("__main__"), sys.stdout, sys.stderr
    sys.modules["__main__"], sys.stdout, sys.stderr = main, stdout, stderr
    try:
        yield
    finally:
        if saved[0] is not None:
            sys.modules["__main__"] = saved[0]
        sys.stdout, sys.stderr = saved[1:]
        # A thread that the script leaves behind may hold on to them, and tells nobody any more.
        stdout.tells = stderr.tells = False
        result |= {"stdout": stdout.text(), "stderr": stderr.text()}
        result |= {"stdout_omitted": stdout.omitted, "stderr_omitted": stderr.omitted}
