# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients of other add-ons over a plain socket, in each of their dialects, to a Blender without a window.

The dialects byte by byte are in native/core/tests/compat.rs; each command beside the add-on that it is from, in
tests/bpy/test_compat.py.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from benches.peer import free_port
from conftest import Headless

Say = Callable[[bytes], Any]

MAKE = "import bpy\\nbpy.data.objects['Cube'].name = 'Box'\\nprint('made')"

ROWS: list[tuple[bytes, dict[str, Any]]] = [
    (b'{"type": "ping"}', {"status": "success", "result": {"pong": True}}),
    (
        b'{"type": "execute_code", "params": {"code": "%s"}}' % MAKE.encode(),
        {"status": "success", "result": {"executed": True, "result": "made\n"}},
    ),
    (b'{"command": "object.get", "data": {"name": "Box", "fields": ["type"]}}\n', {"success": True}),
    (b'{"command": "object.get", "data": {"name": "Cube"}}\n', {"success": False}),
    (
        b'{"type": "get_object_info", "params": {"name": "Cube"}}',
        {"status": "error", "message": "no object 'Cube' in bpy.data.objects"},
    ),
    (
        b'{"type": "execute", "code": "import bpy\\nresult = {\'n\': len(bpy.data.objects)}", "strict_json": true}\0',
        {"status": "ok", "result": {"n": 3}, "stdout": "", "stderr": ""},
    ),
    (b'{"type": "execute", "code": "print(1); result = 5"}\0', {"status": "error", "stdout": "1\n"}),
    (b'{"type": "execute", "code": "result = {1: print}", "strict_json": false}\0', {"status": "ok"}),
    (b'{"type": "execute_code", "params": {"code": "import os; os.system(\'x\')"}}', {"status": "error"}),
    (
        b'{"type": "search_polyhaven_assets"}',
        {"status": "error", "message": "Unknown command type: search_polyhaven_assets"},
    ),
    (
        b'{"command": "script.run", "data": {"code": "[\'x\' * 1000] * 20000"}}',
        {"success": True},
    ),
    (b'{"type": "execute_code", "params": {"code": "print(\'x\' * 10**7)"}}', {"status": "success"}),
    (b'{"type": "execute", "code": "result = {\'v\': \'x\' * 10**7}", "strict_json": true}\0', {"status": "error"}),
    (b'{"type": "get_polyhaven_status"}', {"status": "success"}),
]


@pytest.fixture
def say(tmp_path: Path) -> Iterator[Say]:
    """Send a message and read the answer, on one connection. The guard's level is `trusted` for everybody else."""
    port = free_port()
    running = Headless(tmp_path, "--compat-port", str(port), "--guard-level", "trusted")
    with socket.create_connection(("127.0.0.1", port), timeout=30) as stream:

        def ask(message: bytes) -> Any:
            stream.sendall(message)
            said = b""
            while True:
                said += stream.recv(65536)
                try:
                    return json.loads(said.rstrip(b"\0"))
                except ValueError:
                    assert said, "it was closed"

        yield ask
    running.close()


def test_each_dialect(say: Say) -> None:
    for message, expected in ROWS:
        answer = say(message)
        assert {name: answer.get(name) for name in expected} == expected, (message, answer)
