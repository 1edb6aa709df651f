# SPDX-License-Identifier: GPL-3.0-or-later
"""script.run: any Python, run as in Blender's Text Editor. What other methods that run scripts share with it."""

from __future__ import annotations

import functools
import sys
import time
import types
from collections.abc import Callable, Iterator
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

Result = dict[str, Any]
"""What is told of a script, as the protocol's `RunResult`; it is added to as the script goes on."""


@dataclass(frozen=True, slots=True)
class Script:
    """A script about to run: its code, its name in tracebacks, the module that it runs in, whether it may change
    something, and what it prints to stdout and stderr."""

    program: Program
    filename: str
    main: types.ModuleType
    changes: bool
    printed: tuple[Output, Output]


def run(
    turn: Turn, *, code: str, args: dict[str, Any], name: str | None = None, checkpoint: bool = False
) -> dict[str, Any]:
    """Run a script in a fresh `__main__`; whatever it raises is part of the result.

    Raises `busy` before it starts, where it may change something and Blender renders or a tool is active, and
    `script_refused` for one that Python can read and the guard cannot.
    """
    filename = f"<spindle: {name}>" if name else "<spindle>"
    result: Result = {"status": "ok", "stdout": "", "stderr": "", "value": None}
    start = time.perf_counter()
    script = prepare(turn, code, filename, args, result)
    if script is not None:
        save_checkpoint(turn, script, result, name, asked=checkpoint)
        call(turn, script, functools.partial(_run, script, result), result)
        turn.lighten = functools.partial(leave_out_value, result)
    conclude(turn, result)
    result["duration_ms"] = (time.perf_counter() - start) * 1000.0
    return result


def prepare(turn: Turn, code: str, filename: str, args: dict[str, Any], result: Result) -> Script | None:
    """Read a script, and make the module that it will run in; None where Python cannot read it, as the result says
    then. Raises what `run` does."""
    try:
        program = read(code, filename)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        result |= {"status": "raised", "exception": describe(error, filename)}
        return None
    _refuse_unread(turn)
    changes = turn.effect == "write" or not (turn.effect == "read" or program.changes_nothing)
    if changes:
        refuse_unsafe_moment()
    main = _main(turn, filename, resolve_blobs(args, turn.blob))
    keep_source(filename, code)
    stdout, stderr = (Output(OUTPUT_CHARS, functools.partial(turn.output, stream)) for stream in ("stdout", "stderr"))
    return Script(program, filename, main, changes, (stdout, stderr))


def save_checkpoint(turn: Turn, script: Script, result: Result, name: str | None = None, asked: bool = False) -> None:
    """Save a copy of the open file before a script, where it is asked for or the user wants one. Raises
    `command_failed`."""
    if asked or (script.changes and turn.preferences.checkpoint_before_scripts):
        most = turn.limit("max_checkpoints", alone=1)
        result["checkpoint"] = save(f"{turn.client}: {turn.label or name or 'a script'}", int(most)).name


def call(turn: Turn, script: Script, function: Callable[[], None], result: Result) -> None:
    """Call a function that runs the script's own code, with the process as scripts expect it, and add to the result
    what came of it. A script may be called several times; its output is gathered."""
    turn.changes = script.changes
    # To look takes about as long as the smallest scripts.
    touched = script.program.touched if script.changes else None
    before = None if script.program.leaves_nothing else Snapshot.take(touched)
    _execute(turn, script, function, result)
    if before is not None:
        _tell_aftermath(turn, before.difference(script.main.__dict__), result)


def conclude(turn: Turn, result: Result) -> None:
    """Say for people how the script ended, and add what the guard found in it."""
    if result["status"] != "ok":
        exception = result.get("exception")
        turn.failure = (result["status"], f"{exception['type']}: {exception['message']}" if exception else "")
    if turn.findings:
        result["findings"] = turn.findings


def execute(script: Script) -> Any:
    """Run the script's own code; its last expression's value, None where it does not end with one. Only for a function
    that `call` calls: where the watchdog stops it, it may end at any of these lines."""
    program, names = script.program, script.main.__dict__
    exec(program.body, names)
    return eval(program.last, names) if program.last is not None else None


def _refuse_unread(turn: Turn) -> None:
    """The guard lets a script that it cannot read pass, for Python to say what is wrong with it."""
    if turn.unreadable and turn.level != "trusted":
        raise CommandError(
            "script_refused",
            "the guard cannot read this script, though Python can, so it is not run. Write it in simpler Python",
            findings=turn.findings,
            level=turn.level,
        )


def _main(turn: Turn, filename: str, args: Any) -> types.ModuleType:
    main = types.ModuleType("__main__")
    spindle = types.SimpleNamespace(
        client=turn.client, output_folder=turn.preferences.output_folder, progress=turn.progress
    )
    main.__dict__.update(bpy=bpy, spindle=spindle, args=args, __file__=filename)
    return main


def _run(script: Script, result: Result) -> None:
    result |= describe_value(execute(script))


def _execute(turn: Turn, script: Script, function: Callable[[], None], result: Result) -> None:
    folders = allowed_folders(turn.preferences)
    with _stage(script, result):
        ended = turn.run_script(function, folders)
        _tell_end(turn, ended, result)
        if ended.error is None or is_clean_exit(ended.error):
            return
        if ended.stopped is None:
            result["status"] = "raised"
            # To show an exception runs the script's own code, too.
            show = functools.partial(_show, ended.error, script.filename, result)
            _tell_end(turn, turn.run_script(show, folders), result)
        result.setdefault("exception", describe_unasked(ended.error, script.filename))


def _show(error: BaseException, filename: str, result: Result) -> None:
    result["exception"] = describe(error, filename)


def is_clean_exit(error: BaseException) -> bool:
    """SystemExit must not end Blender, and without a code it is no failure."""
    return isinstance(error, SystemExit) and (error.code is None or (type(error.code) is int and error.code == 0))


def _tell_end(turn: Turn, ended: Ended, result: Result) -> None:
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


def _tell_aftermath(turn: Turn, left: dict[str, list[str]] | None, result: Result) -> None:
    if left is not None:
        result["aftermath"] = left
        turn.notes += [f"left:{kind}" for kind in left]


@contextmanager
def _stage(script: Script, result: Result) -> Iterator[None]:
    """The process as a script expects it; as it was afterwards."""
    stdout, stderr = script.printed
    saved = sys.modules.get("__main__"), sys.stdout, sys.stderr
    sys.modules["__main__"], sys.stdout, sys.stderr = script.main, stdout, stderr
    stdout.tells = stderr.tells = True
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
