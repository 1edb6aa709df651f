# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders of a Blender without a window, where its own break handler lets them be broken off."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import spindle
from conftest import Installation, software_gl

LONG = {"engine": "cycles", "width": 320, "height": 240, "samples": 65536}
"""Minutes of it; with the factory's adaptive sampling a break takes effect after some 16 samples."""
SOON_S = 30.0
"""A few seconds, on a machine that does other things too."""


class Serving:
    """The process, with a client for its socket."""

    def __init__(self, process: subprocess.Popen[bytes], runtime: Path) -> None:
        self.process, self.runtime = process, runtime
        self.until(spindle.servers)
        self.client = spindle.connect(process.pid, name="test")

    def until(self, condition: Callable[[], Any], timeout: float = 60.0) -> Any:
        """Wait for a true value."""
        deadline = time.monotonic() + timeout
        while not (value := condition()):
            assert self.process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        return value

    def start(self, method: str, params: dict[str, Any]) -> str:
        """Start a job on a connection of its own, and wait until Cycles samples."""
        with spindle.connect(self.process.pid, name="renderer") as renderer:
            job: str = renderer.call(method, params, detach=True)["job"]
        self.until(lambda: "ample" in (self.client.call("job.get", {"job": job})["progress"] or {}).get("message", ""))
        return job


@pytest.fixture
def serving(installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serving]:
    """A Blender without a window that serves the default scene; `spindle` here finds only it."""
    runtime = tmp_path / "runtime"
    monkeypatch.setenv("SPINDLE_RUNTIME_DIR", str(runtime))
    # A batch of samples takes long on a machine that does other things too, and the answer comes after it.
    monkeypatch.setenv("SPINDLE_CLIENT_GRACE_S", str(SOON_S))
    environment = {**os.environ, **software_gl(), "BLENDER_USER_RESOURCES": str(installation.resources)}
    command = [installation.blender, "-b", "--command", "spindle", "--port", "0"]
    with subprocess.Popen(command, env=environment) as process:
        try:
            yield Serving(process, runtime)
        finally:
            process.kill()


def test_a_render_is_broken_off_as_often_as_asked(serving: Serving) -> None:
    """By cancels and by a deadline; each leaves nothing behind, and the process ends in order."""
    client = serving.client
    before = client.run("[len(bpy.data.scenes), len(bpy.data.images)]").value
    for _ in range(2):
        job = serving.start("render.image", LONG)
        asked = time.monotonic()
        assert client.call("job.cancel", {"job": job})["outcome"] == "interrupting"
        error = client.call("job.wait", {"job": job})["error"]
        assert (error["data"]["kind"], error["data"]["started"]) == ("cancelled", True)
        assert time.monotonic() - asked < SOON_S
    with pytest.raises(spindle.errors.TimedOut) as timeout:
        client.call("render.image", LONG, timeout=1.0)
    assert timeout.value.started is True
    assert client.run("[len(bpy.data.scenes), len(bpy.data.images)]").value == before
    assert client.call("render.image", LONG | {"samples": 1})["image"].startswith(b"\x89PNG")
    serving.process.send_signal(signal.SIGTERM)
    assert serving.process.wait(SOON_S) == 0


def test_progress_arrives_while_it_renders(serving: Serving) -> None:
    told: list[tuple[float, tuple[float, float | None, str]]] = []
    start = time.monotonic()
    look = LONG | {"samples": 512}
    serving.client.call("render.image", look, on_progress=lambda *row: told.append((time.monotonic() - start, row)))
    end = time.monotonic() - start
    counted = [row for row in told if row[1][1] == 512]
    assert counted[0][0] < end / 2, "not all at the end"
    assert [row[1][0] for row in counted] == sorted(row[1][0] for row in counted)
    assert any(0 < done < 512 and message == f"Sample {done:.0f}/512" for _, (done, _, message) in counted)


def test_an_animation_is_broken_off_within_a_frame(serving: Serving, tmp_path: Path) -> None:
    """The file that is complete stays, and is named; of the frame that was rendered there is nothing."""
    client, folder = serving.client, tmp_path / "made"
    small = {"folder": str(folder), "frame_end": 3, "engine": "cycles", "width": 64, "height": 48, "samples": 4}
    assert len(client.call("render.animation", small)["files"]) == 3
    long = LONG | {"folder": str(folder), "prefix": "long", "frame_start": 7, "frame_end": 9, "samples": 512}
    job = serving.start("render.animation", long)
    serving.until((folder / "long0007.png").exists)
    message = "frame 8: Sample"
    serving.until(lambda: client.call("job.get", {"job": job})["progress"]["message"].startswith(message))
    assert client.call("job.cancel", {"job": job})["outcome"] == "interrupting"
    error = client.call("job.wait", {"job": job})["error"]
    assert (error["data"]["kind"], error["data"]["files"]) == ("cancelled", [str(folder / "long0007.png")])
    assert sorted(os.listdir(folder)) == ["0001.png", "0002.png", "0003.png", "long0007.png"]
    assert client.call("scene.get")["frames"]["current"] == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_mid_render(serving: Serving, number: signal.Signals) -> None:
    """UNHANDLED_PROMISE_001: the render is broken off, its client is told, and the process ends in order."""
    job = serving.start("render.image", LONG)
    serving.process.send_signal(number)
    try:
        error = serving.client.call("job.wait", {"job": job})["error"]
        assert error["data"]["started"] is True
    except spindle.errors.SpindleError as told:
        assert told.kind in {"shutting_down", "stopping", "disconnected"}
    assert serving.process.wait(SOON_S) == 0
    assert not list(serving.runtime.iterdir())
