# SPDX-License-Identifier: GPL-3.0-or-later
"""The installed extension without a window: `blender -b [FILE] --command spindle`."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import spindle
from conftest import Installation, software_gl


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_a_signal(
    installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """UNHANDLED_PROMISE_001: it serves the file it was given, and stops in order."""
    runtime, saved = tmp_path / "runtime", tmp_path / "given.blend"
    monkeypatch.setenv("SPINDLE_RUNTIME_DIR", str(runtime))
    resources = {"BLENDER_USER_RESOURCES": str(installation.resources)}
    environment = {**os.environ, **software_gl(), **resources}
    save = f"import bpy; bpy.data.objects['Cube'].name = 'Given'; bpy.ops.wm.save_as_mainfile(filepath={str(saved)!r})"
    subprocess.run([installation.blender, "-b", "--python-expr", save], env=environment, check=True)
    command = [installation.blender, "-b", saved, "--command", "spindle", "--port", "0"]
    with subprocess.Popen(command, env=environment) as process:
        deadline = time.monotonic() + 60
        while not spindle.servers():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        with spindle.connect(str(saved), name="test") as client:
            assert (client.server.pid, client.server.window) == (process.pid, False)
            assert client.call("object.get", {"name": "Given"})["object"]["type"] == "MESH"
            for _loaded in range(2):
                # Without a window nobody gives Blender's context its window back after a load.
                assert client.run("bpy.data.objects['Given'].location.x = 1").undo_step
                time.sleep(0.3)
                assert client.call("edit.undo")["steps"] == 1
                assert client.run("bpy.data.objects['Given'].location.x").value == 0
                client.call("file.open", {"path": str(saved), "discard_changes": True})
            process.send_signal(number)
            assert process.wait(timeout=30) == 0
    assert not list(runtime.iterdir())
