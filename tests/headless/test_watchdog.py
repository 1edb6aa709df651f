# SPDX-License-Identifier: GPL-3.0-or-later
"""Stopping scripts through the socket, and what SIGINT means then. The many ways to run away are in
tests/bpy/test_runaways.py."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import spindle
from conftest import Headless

SOON_S = 30.0
"""On a machine that does other things, too."""

LOOP = "while True:\n try: x = 1\n except BaseException: pass"
SPIN = "import time\nend = time.perf_counter() + args['s']\nwhile time.perf_counter() < end: pass\n'done'"
NATIVE = "sum(range(6 * 10**7)), 1"
"""A second or two in which Python never looks up."""


def until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + SOON_S
    while not (value := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return value


def running(client: spindle.Blender) -> dict[str, Any] | None:
    """The request that runs, once it does so for long enough to be in the middle of its script."""
    found: list[dict[str, Any]] = client.call("health")["running"]
    return found[0] if found and found[0]["for_ms"] > 100 else None


def test_a_deadline_stops_scripts_and_the_server_serves_on(blender: spindle.Blender, shared: Headless) -> None:
    """No SIGINT of the watchdog's is taken for a person's, which would end the server."""
    for code in (LOOP, "import re; re.match(r'(a+)+$', 'a' * 40 + 'b')", "3 ** 10**8", "while True: pass") * 3:
        start = time.monotonic()
        assert blender.run(code, timeout=0.1, check=False).status == "timed_out"
        assert time.monotonic() - start < SOON_S
    assert blender.run("import time; time.sleep(0.3); 2 + 2").value == 4
    assert shared.process.poll() is None


def test_a_cancel_stops_a_script(blender: spindle.Blender, shared: Headless) -> None:
    job = blender.call("script.run", {"code": f"print('begun')\n{LOOP}"}, detach=True)["job"]
    until(lambda: running(blender))
    assert blender.call("job.cancel", {"job": job})["outcome"] == "interrupting"
    result = blender.call("job.wait", {"job": job})["result"]
    assert (result["status"], result["stdout"]) == ("cancelled", "begun\n")
    traceback = result["exception"]["traceback"]
    assert 'File "<spindle>", line' in traceback and "headless.py" not in traceback, traceback


def test_native_code_is_told_truthfully_while_it_lasts(blender: spindle.Blender) -> None:
    """It cannot be stopped; the reply to the cancel and health say so, and the result is what it was told to be."""
    job = blender.call("script.run", {"code": NATIVE}, detach=True)["job"]
    assert "stopping_ms" not in until(lambda: running(blender))
    assert blender.call("job.cancel", {"job": job})["outcome"] == "interrupting"
    first = until(lambda: (running(blender) or {}).get("stopping_ms"))
    assert first < SOON_S * 1000
    result = blender.call("job.wait", {"job": job})["result"]
    assert result["status"] == "cancelled"


def test_a_persons_sigint_lets_the_script_end(headless: Headless) -> None:
    """Ctrl-C: what runs comes to its end and is answered, then the server stops in order."""
    with headless.connect() as client, ThreadPoolExecutor() as threads:
        result = threads.submit(client.run, SPIN, s=1.0)
        with headless.connect("other") as other:
            until(lambda: running(other))
        headless.process.send_signal(signal.SIGINT)
        assert result.result(SOON_S).value == "done"
        assert headless.process.wait(SOON_S) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_persons_signal_while_a_script_is_being_stopped(headless: Headless, number: signal.Signals) -> None:
    """Both take effect: the script is stopped, and then the server."""
    with headless.connect() as client, headless.connect("other") as other, ThreadPoolExecutor() as threads:
        result = threads.submit(client.run, NATIVE, timeout=0.2, check=False)
        until(lambda: (running(other) or {}).get("stopping_ms"))
        headless.process.send_signal(number)
        assert result.result(SOON_S).status == "timed_out"
        assert headless.process.wait(SOON_S) == 0
