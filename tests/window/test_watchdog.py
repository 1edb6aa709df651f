# SPDX-License-Identifier: GPL-3.0-or-later
"""Stopping scripts in Blender itself, with a window and without: it lives on, and what is the user's stays whole."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest
import spindle
from conftest import Installation, software_gl

RUNAWAYS = (
    "while True: pass",
    "while True:\n try: x = 1\n except BaseException: pass",
    "try:\n x = 0\n while True: x = 1\nfinally:\n while True: x = 2",
    "def f():\n while True:\n  try: f()\n  except BaseException: pass\nf()",
    "import re; re.match(r'(a+)+$', 'a' * 40 + 'b')",
    "x = 3 ** 10**8",
    "{x for x in iter(int, 1)}",
    "import time; time.sleep(60)",
    "while True: bpy.context.view_layer.update()",
    "while True: bpy.ops.wm.redraw_timer(type='DRAW_WIN_SWAP', iterations=1)",
)
"""Those that the guard lets pass; more are in tests/bpy/test_runaways.py."""

DEADLINE_S = 0.4
"""The wait for Blender's loop counts, which takes its time where nothing but the processor draws."""

WITHOUT_A_WINDOW = RUNAWAYS[:-1]

GUESTS = """
import time
seen = bpy.app.driver_namespace['seen'] = [0, 0]
def slow(value):
    end = time.perf_counter() + 0.003
    while time.perf_counter() < end: pass
    return value
def slow_handler(*_):
    seen[0] += 1
    slow(0)
    seen[1] += 1
bpy.app.driver_namespace['slow'] = slow
cube = bpy.data.objects['Cube']
cube.driver_add('location', 0).driver.expression = 'slow(frame)'
bpy.app.handlers.frame_change_post.append(slow_handler)
"""
FRAMES = "scene = bpy.context.scene\nwhile True: scene.frame_set(scene.frame_current + 1)"
LOOK = """
drivers = bpy.data.objects['Cube'].animation_data.drivers
handlers = [function.__name__ for function in bpy.app.handlers.frame_change_post]
result = [all(curve.driver.is_valid for curve in drivers), 'slow_handler' in handlers, seen[0] - seen[1], seen[0] > 0]
"""


def run(client: spindle.Blender, code: str) -> tuple[spindle.ScriptResult, float]:
    """Its result and when it was sent; again where its deadline had passed before its turn came."""
    for _ in range(20):
        start = time.monotonic()
        try:
            return client.run(code, timeout=DEADLINE_S, check=False), start
        except spindle.errors.TimedOut as late:
            assert late.started is False
    raise AssertionError("its turn never came in time")


def stop_all(client: spindle.Blender, codes: tuple[str, ...], rounds: int) -> None:
    client.run("'the first one waits until the window has been drawn'")
    for code in codes * rounds:
        result, start = run(client, code)
        print(f"{(time.monotonic() - start - DEADLINE_S) * 1000:5.0f} ms late: {code!r}")
        assert result.status == "timed_out", code
        assert client.run("sum(i for i in range(1000))").value == 499500


def test_the_window_lives_on(blender) -> None:
    """It draws, its timers run, and no exception of a stop is found anywhere."""
    with blender.connect() as client:
        stop_all(client, RUNAWAYS, 2)
    draws = "bpy.ops.wm.redraw_timer(type='DRAW_WIN_SWAP', iterations=3)\nresult = bpy.app.background"
    assert blender.inside(draws) is False
    assert "KeyboardInterrupt" not in blender.log()


def test_drivers_and_handlers_stay_whole(blender) -> None:
    """Most of the script's time is theirs; none is left half-way, and none is switched off."""
    blender.inside(GUESTS)
    with blender.connect() as client:
        for _ in range(10):
            result, _ = run(client, FRAMES)
            assert (result.status, result.broke_into) == ("timed_out", None)
    assert blender.inside(f"seen = bpy.app.driver_namespace['seen']\n{LOOK}") == [True, True, 0, True]


def test_without_a_window(installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There Blender's own handler of SIGINT stands behind ours, and would end the process."""
    runtime = tmp_path / "runtime"
    monkeypatch.setenv("SPINDLE_RUNTIME_DIR", str(runtime))
    environment = {**os.environ, **software_gl(), "BLENDER_USER_RESOURCES": str(installation.resources)}
    command = [installation.blender, "-b", "--command", "spindle", "--port", "0"]
    with subprocess.Popen(command, env=environment) as process:
        try:
            deadline = time.monotonic() + 60
            while not spindle.servers():
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.05)
            with spindle.connect(process.pid, name="test") as client:
                stop_all(client, WITHOUT_A_WINDOW, 3)
            process.terminate()
            assert process.wait(30) == 0
        finally:
            process.kill()
