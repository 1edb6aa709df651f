# SPDX-License-Identifier: GPL-3.0-or-later
"""What takes long goes on as a task for clients that know them (extension `io.modelcontextprotocol/tasks`), by plain
messages: the SDK's Python client has no tasks."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from servers import Bpy, Place

TASKS = "io.modelcontextprotocol/tasks"
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {"extensions": {TASKS: {}}},
    "io.modelcontextprotocol/clientInfo": {"name": "tasks", "version": "1"},
}
DEADLINE_S = 60.0

Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def ask(program: Path, shared: tuple[Place, Bpy]) -> Iterator[Ask]:
    """Send a request to `spindle mcp` and return its result."""
    place, _ = shared
    environment = {**os.environ, **place.environment}
    with subprocess.Popen(
        [program, "mcp"], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        sent, received = process.stdin, process.stdout
        numbers = iter(range(1, 10_000))

        def ask(method: str, /, meta: dict[str, Any] = META, **params: Any) -> dict[str, Any]:
            number = next(numbers)
            request = {"jsonrpc": "2.0", "id": number, "method": method, "params": {**params, "_meta": meta}}
            sent.write(json.dumps(request) + "\n")
            sent.flush()
            while (reply := json.loads(received.readline())).get("id") != number:
                pass
            found: dict[str, Any] = reply["result"]
            return found

        yield ask
        sent.close()


def ended(ask: Ask, task: str) -> dict[str, Any]:
    """How a task has ended."""
    until = time.monotonic() + DEADLINE_S
    while (found := ask("tasks/get", taskId=task))["status"] == "working":
        assert time.monotonic() < until
        time.sleep(0.1)
    return found


def test_a_long_call_goes_on_as_a_task(ask: Ask) -> None:
    arguments = {"code": "import time\ntime.sleep(7)\n6 * 7"}
    task = ask("tools/call", name="execute", arguments=arguments)
    assert (task["resultType"], task["status"]) == ("task", "working")
    found = ended(ask, task["taskId"])
    assert found["status"] == "completed" and found["result"]["structuredContent"]["value"] == 42


def test_a_task_that_is_cancelled_stops_its_script(ask: Ask) -> None:
    task = ask("tools/call", name="execute", arguments={"code": "while True: pass"})["taskId"]
    ask("tasks/cancel", taskId=task)
    assert ended(ask, task)["status"] == "cancelled"
    start = time.monotonic()
    answer = ask("tools/call", name="execute", arguments={"code": "1 + 1"})
    assert answer["structuredContent"]["value"] == 2 and time.monotonic() - start < 5.0


def test_who_does_not_know_tasks_gets_the_answer(ask: Ask) -> None:
    meta = META | {"io.modelcontextprotocol/clientCapabilities": {}}
    answer = ask("tools/call", meta=meta, name="execute", arguments={"code": "import time\ntime.sleep(6)\n'late'"})
    assert answer["structuredContent"]["value"] == "late"


def test_a_short_call_is_answered_at_once(ask: Ask) -> None:
    assert ask("tools/call", name="execute", arguments={"code": "'soon'"})["structuredContent"]["value"] == "soon"
