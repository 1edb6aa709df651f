# SPDX-License-Identifier: GPL-3.0-or-later
"""A client that goes in the middle of a call leaves no script running in Blender (UNHANDLED_PROMISE_001)."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import spindle
from servers import Bpy, Place

CALL = (
    '{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "execute", "arguments": '
    '{"code": "while True: pass"}, "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28", '
    '"io.modelcontextprotocol/clientCapabilities": {}, '
    '"io.modelcontextprotocol/clientInfo": {"name": "leaves", "version": "1"}}}}\n'
)
DEADLINE_S = 30.0
LEAVES_S = 8.0
"""It takes two or three seconds; ten where its calls are waited for."""


@pytest.mark.parametrize("way", ["the input ends", "SIGTERM", "SIGINT"])
def test_its_script_ends_with_it(
    way: str, program: Path, shared: tuple[Place, Bpy], monkeypatch: pytest.MonkeyPatch
) -> None:
    place, _ = shared
    for name, value in place.environment.items():
        monkeypatch.setenv(name, value)
    with (
        spindle.connect(name="watches") as blender,
        subprocess.Popen(
            [program, "mcp"], env={**os.environ}, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process,
    ):
        assert process.stdin is not None
        process.stdin.write(CALL.encode())
        process.stdin.flush()
        until = time.monotonic() + DEADLINE_S
        while not blender.call("health")["running"]:
            assert time.monotonic() < until
        if way == "the input ends":
            process.stdin.close()
        else:
            process.send_signal(getattr(signal, way))
        assert process.wait(LEAVES_S) == 0
        assert blender.run("1 + 1", timeout=DEADLINE_S).value == 2
