# SPDX-License-Identifier: GPL-3.0-or-later
"""compat.execute: scripts for Blender's own MCP add-on, which leave a dictionary, or a function that returns one later.
What they share with those of script.run is tested there."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import spindle
from conftest import Call
from served import served

from addon.commands import TABLE, compat_script
from addon.turn import Turn

OK: list[tuple[str, bool, Any, str]] = [
    ("result = {'a': (1, 2.5, None, True), 'd': {3: 'x'}}", True, {"a": [1, 2.5, None, True], "d": {"3": "x"}}, ""),
    ("import bpy\nprint('hello')\nresult['scene'] = bpy.context.scene.name", True, {"scene": "Scene"}, "hello\n"),
    ("1 + 1", True, {}, ""),
    ("result = {'n': 1}\nraise SystemExit", True, {"n": 1}, ""),
    ("if __name__ == '__main__':\n    result = {'main': True}", True, {"main": True}, ""),
    ("result = {'o': bpy.context.scene}", False, {"o": "bpy.data.scenes['Scene']"}, ""),
    ("result = {'x': float('nan'), 'y': -float('inf'), 's': {1}}", False, {"x": "nan", "y": "-inf", "s": "{1}"}, ""),
]  # fmt: skip


@pytest.mark.parametrize(("code", "strict", "result", "printed"), OK, ids=range(len(OK)))
def test_scripts_that_leave_a_result(call: Call, code: str, strict: bool, result: Any, printed: str) -> None:
    told = call("compat.execute", code=code, strict_json=strict)
    assert told == {
        "status": "ok",
        "result": result,
        "stdout": printed,
        "stderr": "",
        "stdout_omitted": 0,
        "stderr_omitted": 0,
    }


LOOP = "result = {}; result['self'] = result"
RAISED: list[tuple[str, bool, str, str]] = [
    ("1 +", True, "SyntaxError", "invalid syntax"),
    ("print('before'); 1 / 0", True, "ZeroDivisionError", "division by zero"),
    ("result = [1]", True, "TypeError", "`result` must be a dictionary, and this is a list"),
    ("result = None", False, "TypeError", "this is a NoneType"),
    ("del result", True, "TypeError", "this is a NoneType"),
    ("result = {'o': bpy.context.scene}", True, "TypeError", "Scene is not JSON serializable"),
    ("result = {'x': float('nan')}", True, "ValueError", "nan"),
    (LOOP, True, "ValueError", "Circular"),
    (LOOP, False, "ValueError", "Circular"),
    ("result = {(1, 2): 3}", False, "TypeError", "keys must be str"),
    ("result = {'n': 2 ** 70}", True, "ValueError", "does not fit 64 bits"),
    ("result = {'$blob': [0, 9]}", True, "ValueError", "$blob"),
    ("result = {'t': '\\ud800'}", True, "ValueError", "lone surrogate"),
    ("a = []\nfor _ in range(100): a = [a]\nresult = {'a': a}", True, "ValueError", "nested deeper"),
    ("a = ['x' * 1000]\nfor _ in range(9): a = [a] * 10\nresult = {'a': a}", True, "ValueError", "more than 8388608"),
    ("class A:\n  def __repr__(self): raise OSError('no')\nresult = {'a': A()}", False, "OSError", "no"),
    ("raise SystemExit(3)", True, "SystemExit", "3"),
    ("def check_is_finished(): return {}", True, "RuntimeError", "without a window"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "strict", "kind", "text"), RAISED, ids=range(len(RAISED)))
def test_scripts_that_leave_none(call: Call, code: str, strict: bool, kind: str, text: str) -> None:
    told = call("compat.execute", code=code, strict_json=strict)
    assert told["status"] == "raised" and told.get("result") is None
    assert told["exception"]["type"] == kind and text in told["exception"]["message"], told["exception"]
    assert set(told) <= set(compat_script.TOLD)


LATER = """
print("started")
calls = []
def check_is_finished():
    import sys, time
    assert sys.modules["__main__"].calls is calls
    calls.append(time.monotonic())
    print("asked")
    return {answer} if len(calls) == 3 else None
"""

DEFERRED: list[tuple[str, str, Any, int]] = [
    ("{'least': min(b - a for a, b in zip(calls, calls[1:])) >= 0.05}", "ok", {"least": True}, 3),
    ("{'x': float('nan')}", "raised", "ValueError", 3),
    ("[1]", "raised", "TypeError", 3),
    ("1 / 0", "raised", "ZeroDivisionError", 3),
]


@pytest.fixture
def window(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if there were one: what is deferred needs nothing else of it here."""
    monkeypatch.setattr(compat_script, "_has_window", lambda: True)


@pytest.mark.usefixtures("window")
@pytest.mark.parametrize(("answer", "status", "result", "asked"), DEFERRED, ids=range(len(DEFERRED)))
def test_a_result_that_comes_later(call: Call, answer: str, status: str, result: Any, asked: int) -> None:
    told = call("compat.execute", code=LATER.replace("{answer}", answer), strict_json=True)
    assert told["status"] == status and told["stdout"] == "started\n" + "asked\n" * asked
    assert (told["result"] if status == "ok" else told["exception"]["type"]) == result


@pytest.fixture
def executing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripts that arrive through a socket run as compat.execute does."""

    def command(turn: Turn, *, code: str, **_: Any) -> Generator[None, None, Any]:
        answer = compat_script.execute(turn, code=code, strict_json=True)
        told = answer if isinstance(answer, dict) else (yield from answer)
        told |= {"value": None, "duration_ms": 0.0}
        return told

    monkeypatch.setitem(TABLE, "script.run", command)


STOPPED = [
    ("while True: pass", "timed_out"),
    ("def check_is_finished():\n    while True: pass", "timed_out"),
    ("def check_is_finished():\n  while True:\n    try: pass\n    except BaseException: pass", "timed_out"),
    ("n = []\ndef check_is_finished():\n    n.append(1)\n    return {'n': len(n)} if len(n) > 2 else None", "ok"),
]  # fmt: skip


@pytest.mark.usefixtures("window", "executing")
def test_a_call_for_the_result_is_stopped_as_a_script_is(tmp_path: Path) -> None:
    """On a real server: the watchdog stops each call, in whatever turn; what waits between two is closed."""
    with served(tmp_path) as server:
        for code, status in STOPPED:
            result = server.run(code, deadline=1.0)
            assert result.status == status and server.late < 3.0, (code, result)
        answer = server.threads.submit(server.client.run, "check_is_finished = lambda: None", timeout=0.5)
        while not answer.done():
            server.dispatcher.step(0.0, 0.05, 0.02)
        with pytest.raises(spindle.errors.TimedOut) as expired:
            answer.result()
        assert expired.value.started is True


@pytest.mark.usefixtures("window", "executing")
def test_what_a_call_changes_gets_an_undo_step(tmp_path: Path) -> None:
    code = "def check_is_finished():\n    bpy.context.scene.frame_current += 1\n    return {}"
    with served(tmp_path) as server:
        assert server.run(code).undo_step is not None
        assert server.run("result = {'n': len(bpy.data.objects)}").undo_step is None


@pytest.mark.usefixtures("executing")
def test_a_result_that_is_too_large_for_a_frame(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        result = server.run(f"result = {{'a': 'x' * {compat_script.JSON_CHARS - 20}}}")
        assert result.status == "raised" and "has run, but its result cannot be sent" in result.exception.message
