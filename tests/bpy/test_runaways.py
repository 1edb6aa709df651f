# SPDX-License-Identifier: GPL-3.0-or-later
"""Scripts that would not end: each is stopped at its deadline, whatever it does in Python, and nothing of the stop
reaches whoever runs next."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
import pytest
import spindle
from conftest import Call
from served import Served, served
from spindle._native import native

DEADLINE_S = 0.15
SOON_S = 1.0
"""On a machine that does other things, too; scripts/bench runaway measures."""


# A statement before each loop in a `try`: without one, Python 3.11 takes the exception for one from before the `try`.


def nested(depth: int) -> str:
    """A loop of so many `try` in each other, each with an `except`."""
    opens = [" " * level + "try:" for level in range(1, depth + 1)]
    closes = [" " * level + "except BaseException: pass" for level in range(depth, 0, -1)]
    return "\n".join(["while True:", *opens, " " * (depth + 1) + "x = 1", *closes])


RUNAWAYS = {
    "a tight loop": "while True: pass",
    "a swallower": "while True:\n try: x = 1\n except BaseException: pass",
    "eight swallowers in each other": nested(8),
    "a finally that loops": "try:\n x = 0\n while True: x = 1\nfinally:\n while True: x = 2",
    "a context manager that swallows": (
        "class C:\n def __enter__(self): pass\n def __exit__(self, *_): return True\n"
        "while True:\n with C():\n  while True: x = 1"
    ),
    "a generator": (
        "def g():\n while True:\n  try: yield\n  except GeneratorExit: return\n  except BaseException: pass\n"
        "for _ in g(): pass"
    ),
    "recursion": "def f():\n while True:\n  try: f()\n  except BaseException: pass\nf()",
    "re": "import re; re.match(r'(a+)+$', 'a' * 40 + 'b')",
    "a power": "x = 3 ** 10**8",
    "the text of a big integer": "import sys; sys.set_int_max_str_digits(0); x = str(7 ** 2_000_000)",
    "a comprehension": "{x for x in iter(int, 1)}",
    "a growing dict and text": (
        "d, i, s = {}, 0, ''\nwhile True:\n i += 1; d[i % 1000] = 'x' * 1000; s = (s + 'x')[-1000:]"
    ),
    "a callback of a property": (
        "def loop(self, context):\n try:\n  while True: x = 1\n except BaseException: pass\n"
        "bpy.types.Scene.runaway = bpy.props.IntProperty(update=loop)\nwhile True: bpy.context.scene.runaway += 1"
    ),
    "calls of bpy in a swallower": (
        "while True:\n try: bpy.ops.object.select_all(action='SELECT'); bpy.context.view_layer.update()\n"
        " except BaseException: pass"
    ),
    "SIGINT ignored": (
        "import signal\nold = signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "try:\n x = 0\n while True: pass\nfinally: signal.signal(signal.SIGINT, old)"
    ),
    "a __repr__": "class C:\n def __repr__(self):\n  while True: pass\nC()",
    "an exception's __str__": "class C(Exception):\n def __str__(self):\n  while True: pass\nraise C",
}
UNIX = {
    "sleep": "import time; time.sleep(5)",
    "a lock": "import threading; lock = threading.Lock(); lock.acquire(); lock.acquire(timeout=5)",
}
"""Where a signal wakes a thread from a system call."""

NATIVE = {
    "a sum": "sum(range(2 * 10**7))",
    "itertools into a deque": "import collections, itertools as i; collections.deque(i.islice(i.count(), 10**7), 0)",
}
"""What never returns to Python until it is done, and is on the list in docs/security.md."""

if sys.platform != "win32":
    RUNAWAYS |= UNIX


@pytest.fixture(scope="module")
def module_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("runtime")) as found:
        yield found


@pytest.fixture
def here(module_server: Served, empty_file: None) -> Served:
    """The server in this process, with a cube in the open file."""
    bpy.ops.mesh.primitive_cube_add()
    bpy.context.object.name = "Cube"
    return module_server


@pytest.mark.parametrize("name", RUNAWAYS)
def test_a_runaway_is_stopped_at_its_deadline(here: Served, name: str) -> None:
    result = here.run(RUNAWAYS[name], DEADLINE_S)
    print(f"{name}: {here.late * 1000:.0f} ms after its deadline")
    assert result.status == "timed_out" and here.late < SOON_S
    assert result.exception is not None and "<spindle>" in result.exception.traceback
    assert here.run("2 + 2").value == 4


@pytest.mark.parametrize("name", NATIVE)
def test_native_code_ends_by_itself_and_the_script_with_it(here: Served, name: str) -> None:
    """It is told, too, where the script had come to its end by then."""
    result = here.run(f"{NATIVE[name]}\nprint('not reached')\nx = [1 for _ in range(9)]", 0.01)
    assert (result.status, result.stdout) == ("timed_out", "")
    assert here.run("2 + 2").value == 4


QUICK = ("a tight loop", "a swallower", "a finally that loops", "a generator", "re", "a comprehension")


def test_two_hundred_in_a_row_leave_blender_as_it_was(here: Served) -> None:
    before = here.run("sorted(bpy.data.objects.keys())").value
    for number in range(200):
        name = QUICK[number % len(QUICK)]
        assert here.run(RUNAWAYS[name], 0.01).status == "timed_out", name
    assert here.run("sorted(bpy.data.objects.keys())").value == before
    assert here.run("import time; time.sleep(0.3); sum(i for i in range(10**6))").value == 499999500000
    bpy.ops.mesh.primitive_cube_add()
    gc.collect()
    assert native.answer_interrupt() is False, "no signal is left"


def test_scripts_that_end_about_their_deadline_end_either_way(here: Served) -> None:
    """A stop that comes too late hits nobody."""
    code = "import time\nend = time.perf_counter() + args['s']\nwhile time.perf_counter() < end: pass\n'done'"
    seen = set()
    for number in range(150):
        result = here.run(code, 0.02, s=0.0185 + number % 15 / 5000)
        seen.add(result.status)
        assert result.status in {"ok", "timed_out"} and (result.status == "ok") <= (result.value == "done")
    assert seen == {"ok", "timed_out"}


def test_native_code_that_looks_for_signals_gets_another_where_the_first_was_swallowed(here: Served) -> None:
    """Such code keeps the interpreter's lock, so nobody who signals may wait for that."""
    code = (
        "import time\nend = time.perf_counter() + args['s']\ntry:\n while time.perf_counter() < end: pass\n"
        "except BaseException: pass\nx = 3 ** 10**8"
    )
    for number in range(60):
        assert here.run(code, 0.02, s=0.02 + number / 10_000).status == "timed_out"
        assert here.late < SOON_S


def test_finally_has_time_and_what_was_changed_is_an_undo_step(here: Served) -> None:
    code = (
        "bpy.context.object.location.x = 5\ntry:\n x = 0\n while True: x = 1\n"
        "finally:\n bpy.context.object.location.y = sum(range(100))\n print('cleaned up')"
    )
    result = here.run(code, DEADLINE_S)
    assert (result.status, result.stdout, result.undo_step) == (
        "timed_out",
        "cleaned up\n",
        "Spindle: test: Script Run",
    )
    assert result.exception is not None and (result.exception.type, result.exception.line) == ("KeyboardInterrupt", 4)
    assert tuple(bpy.context.object.location) == (5, 4950, 0)


def test_the_watchdog_tells_and_not_the_exceptions_type(here: Served) -> None:
    """A script may raise what a stop raises, and turn a stop into what it likes."""
    assert here.run("raise KeyboardInterrupt").status == "raised"
    turned = here.run("try:\n x = 0\n while True: x = 1\nexcept BaseException: raise ValueError('mine')", DEADLINE_S)
    assert turned.status == "timed_out" and turned.exception is not None and turned.exception.type == "ValueError"
    quiet = here.run("try:\n x = 0\n while True: x = 1\nexcept BaseException: pass\n'value'", DEADLINE_S)
    assert (quiet.status, quiet.value, quiet.exception) == ("timed_out", "value", None)


DRIVEN = """
import time
def slow(value):
    end = time.perf_counter() + bpy.app.driver_namespace['seconds']
    while time.perf_counter() < end: pass
    return value
bpy.app.driver_namespace.update(slow=slow, seconds=0.004)
bpy.data.objects['Cube'].driver_add('location', 0).driver.expression = 'slow(frame)'
bpy.context.view_layer.update()
"""
HANDLED = """
import time
def slow(*_):
    count = bpy.app.driver_namespace['count']
    count[0] += 1
    end = time.perf_counter() + bpy.app.driver_namespace['seconds']
    while time.perf_counter() < end: pass
    count[1] += 1
bpy.app.driver_namespace.update(count=[0, 0], seconds=0.004)
bpy.app.handlers.frame_change_post.append(slow)
"""
FRAMES = "scene = bpy.context.scene\nwhile True: scene.frame_set(scene.frame_current + 1)"


@pytest.fixture
def guests() -> Iterator[dict[str, Any]]:
    """The names that drivers know; without what a test has added, and without its handlers, afterwards."""
    names, handlers = bpy.app.driver_namespace, bpy.app.handlers.frame_change_post
    before = dict(names)
    yield names
    names.clear()
    names.update(before)
    handlers.clear()


def is_valid() -> bool:
    return all(curve.driver.is_valid for curve in bpy.data.objects["Cube"].animation_data.drivers)


def test_drivers_that_a_script_sets_off_stay_valid(here: Served, guests: dict[str, Any]) -> None:
    """They take nearly all of its time, and an exception in one would switch it off in the user's file."""
    here.run(DRIVEN).check()
    for _ in range(10):
        result = here.run(FRAMES, 0.05)
        assert (result.status, result.broke_into, is_valid()) == ("timed_out", None, True)
        assert here.late < SOON_S
    assert here.run("bpy.context.scene.frame_set(7); bpy.data.objects['Cube'].location.x").value == 7.0


def test_a_driver_that_does_not_end_holds_its_script_up_at_most_so_long(here: Served, guests: dict[str, Any]) -> None:
    """On the main thread it is broken into, as the result says. Blender evaluates drivers on other threads, too, where
    nothing reaches them; that is on the list in docs/security.md."""
    here.run(DRIVEN).check()
    guests["seconds"] = 1.5
    result = here.run(FRAMES, 0.05)
    assert result.status == "timed_out" and here.late > 0.45 and result.broke_into in {None, "a driver"}
    guests["seconds"] = 0
    assert is_valid()
    assert here.run("bpy.context.scene.frame_set(9); bpy.data.objects['Cube'].location.x").value == 9.0


def test_drivers_that_were_switched_off_are_tried_again(here: Served, guests: dict[str, Any]) -> None:
    here.run(DRIVEN).check()
    works, guests["slow"] = guests["slow"], lambda value: 1 / 0
    bpy.context.scene.frame_set(3)
    assert not is_valid()
    guests["slow"] = works
    assert here.run(RUNAWAYS["a tight loop"], 0.05).status == "timed_out" and is_valid()
    assert here.run("bpy.context.scene.frame_set(9); bpy.data.objects['Cube'].location.x").value == 9.0


def test_handlers_that_a_script_sets_off_come_to_their_end(here: Served, guests: dict[str, Any]) -> None:
    here.run(HANDLED).check()
    for _ in range(10):
        result = here.run(FRAMES, 0.05)
        assert (result.status, result.broke_into) == ("timed_out", None)
        assert guests["count"][0] == guests["count"][1] > 0 and here.late < SOON_S


def test_a_handler_that_does_not_end_is_broken_into(here: Served, guests: dict[str, Any]) -> None:
    here.run(HANDLED).check()
    guests["seconds"] = 30
    result = here.run(FRAMES, 0.05)
    assert (result.status, result.broke_into) == ("timed_out", "the handler slow") and here.late > 0.45
    assert guests["count"][0] > 0 == guests["count"][1]


LARGE = {
    "text": ("'x' * (9 << 20)", "bytes of JSON, and at most 8384512"),
    "bytes": ("b'x' * (65 << 20)", "bytes of bulk data, and at most 67108864"),
    "list": ("list(range(10**6))", "more than 100000 items"),
    "integer": ("10 ** 10**5", "does not fit 64 bits"),
}


@pytest.mark.parametrize("name", LARGE)
def test_a_value_that_is_too_large_is_no_error(here: Served, name: str) -> None:
    """The script ran; its result tells the size and the limit."""
    code, reason = LARGE[name]
    result = here.run(f"print('ran')\n{code}")
    assert (result.status, result.stdout, result.value) == ("ok", "ran\n", None)
    assert result.value_error is not None and reason in result.value_error["reason"]
    assert result.value_repr is not None and len(result.value_repr) <= 1001


HOSTILE = {
    "fails": "def __repr__(self): raise OSError",
    "is no text": "def __repr__(self): return 1",
    "is huge": "def __repr__(self): return 'x' * 10**7",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_value_that_cannot_be_shown(here: Served, name: str) -> None:
    result = here.run(f"class C:\n {HOSTILE[name]}\nC()")
    assert (result.status, result.value) == ("ok", None) and result.value_error is not None
    assert result.value_repr is not None and len(result.value_repr) <= 1001


def test_a_script_that_stops_the_server_while_it_is_to_stop(tmp_path: Path, empty_file: None) -> None:
    """UNHANDLED_PROMISE_001: stopping waits for a thread that waits for the interpreter's lock, and lets go of it."""
    with served(tmp_path) as own:
        bpy.app.driver_namespace["stop"] = own.server.stop
        code = "try:\n x = 0\n while True: x = 1\nfinally: bpy.app.driver_namespace.pop('stop')()\nprint('over')"
        with pytest.raises(spindle.SpindleError):
            own.run(code, 0.05)


def test_a_script_cannot_run_another(here: Served) -> None:
    bpy.app.driver_namespace["server"] = here.server
    code = "bpy.app.driver_namespace.pop('server').run_script(10**6, print, {'level': 'trusted', 'folders': []})"
    result = here.run(code)
    assert result.exception is not None and "cannot run another" in result.exception.message
    assert here.run(RUNAWAYS["a tight loop"], 0.05).status == "timed_out"


def test_where_nobody_listens_a_script_just_runs(call: Call) -> None:
    assert call("script.run", code="1 + 1", args={})["value"] == 2
    assert call("script.run", code="1 / 0", args={})["exception"]["type"] == "ZeroDivisionError"
