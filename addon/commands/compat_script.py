# SPDX-License-Identifier: GPL-3.0-or-later
"""compat.execute: a script for Blender's own MCP add-on, which leaves its result in a variable, or later in a call."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import bpy

from ..turn import Turn
from ..values import ValueFault, plain
from . import script

FILENAME = "<spindle>"

POLL_S = 0.05
"""How long there is at least between two calls of `check_is_finished`, seconds: that of a render looks for a file."""

JSON_CHARS = 8 * 1024 * 1024
"""What the dictionary may take as JSON: nothing longer fits a frame."""

TOLD = (
    *("status", "result", "stdout", "stderr", "stdout_omitted", "stderr_omitted"),
    *("exception", "findings"),
)
"""Of what is told of scripts, the members of the protocol's `ExecuteResult`."""

Later = Generator[None, None, dict[str, Any]]


def execute(turn: Turn, *, code: str, strict_json: bool) -> dict[str, Any] | Later:
    """Run a script in a fresh `__main__` that has an empty dictionary `result`; that, or what `check_is_finished`
    returns in the end, is the result. Whatever the script raises is part of it.

    Raises what `script.run` does.
    """
    told: script.Result = {"status": "ok", "stdout": "", "stderr": ""}
    prepared = script.prepare(turn, code, FILENAME, {}, told)
    if prepared is None:
        return _answer(turn, told)
    script.save_checkpoint(turn, prepared, told)
    execution = _Execution(prepared, strict_json, told)
    script.call(turn, prepared, execution.run, told)
    return _answer(turn, told) if execution.check is None else _wait(turn, execution)


@dataclass
class _Execution:
    """A script, what is told of it so far, and what to ask for its result. Its methods run the script's own code."""

    prepared: script.Script
    strict: bool
    told: script.Result
    check: Callable[[], Any] | None = None

    def run(self) -> None:
        """Run the script, and take its result, unless it leaves a function that will return one."""
        names = self.prepared.main.__dict__
        names["result"] = {}
        try:
            script.execute(self.prepared)
        except SystemExit as end:
            if not script.is_clean_exit(end):
                raise
        if not callable(check := names.get("check_is_finished")):
            self._take(names.get("result"), "`result` must be a dictionary")
        elif _has_window():
            self.check = check
        else:
            raise RuntimeError("without a window nobody calls check_is_finished; leave a dictionary in `result`")

    def ask(self) -> None:
        """Take the result if there is one now."""
        if self.check is not None and (found := self.check()) is not None:
            self._take(found, "check_is_finished must return a dictionary, or None while it has not finished")

    def _take(self, value: Any, rule: str) -> None:
        if not isinstance(value, dict):
            raise TypeError(f"{rule}, and this is a {type(value).__qualname__}")
        self.told["result"] = _as_json(value, self.strict)


def _wait(turn: Turn, execution: _Execution) -> Later:
    """Ask again and again, in turns of their own, until there is a result or an exception."""
    told = execution.told
    while told["status"] == "ok" and "result" not in told:
        due = time.monotonic() + POLL_S
        yield
        while time.monotonic() < due:
            yield
        script.call(turn, execution.prepared, execution.ask, told)
    return _answer(turn, told)


def _answer(turn: Turn, told: script.Result) -> dict[str, Any]:
    """What the method returns, of all that is told of scripts."""
    script.conclude(turn, told)
    answer: dict[str, Any] = {key: told[key] for key in TOLD if key in told}
    turn.lighten = functools.partial(_leave_out_result, turn, answer)
    return answer


def _leave_out_result(turn: Turn, answer: dict[str, Any], reason: str) -> None:
    """Make an answer that was too large for a frame one that fits. This dialect has no other way to say so."""
    text = f"the script has run, but its result cannot be sent: {reason}"
    exception = {"type": "ValueError", "message": text, "traceback": f"ValueError: {text}\n", "line": None}
    answer |= {"status": "raised", "result": None, "exception": exception}
    turn.failure = ("raised", text)


def _has_window() -> bool:
    return not bpy.app.background


def _as_json(value: dict[Any, Any], strict: bool) -> Any:
    """The dictionary as JSON has it; unless `strict`, `repr()` stands for what JSON has nothing for.

    Raises TypeError or ValueError with what is wrong.
    """
    text, encoder = [], json.JSONEncoder(allow_nan=not strict, default=None if strict else repr)
    # In parts, so that a script can be stopped here, and one object in many places cannot fill the memory.
    left = JSON_CHARS
    for part in encoder.iterencode(value):
        left -= len(part)
        if left < 0:
            raise ValueError(f"the dictionary takes more than {JSON_CHARS} characters as JSON")
        text.append(part)
    try:
        return plain(json.loads("".join(text), parse_constant=lambda name: repr(float(name))), "result")
    except ValueFault as fault:
        raise ValueError(str(fault)) from None
