# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs, live output, progress, kept answers and the log, with a real main thread."""

from __future__ import annotations

import json
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import spindle

SPEAKS = """
import time
print("first line")
for step in range(5):
    spindle.progress(step + 1, 5, f"step {step + 1}")
    time.sleep(0.1)
print("last line")
"the value"
"""


def log_lines(headless: Any) -> list[dict[str, Any]]:
    """Every line of the request log, oldest first."""
    files = sorted(Path(f"{headless.runtime_dir}-log").glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]


def test_output_and_progress_come_while_a_script_runs(blender: spindle.Blender) -> None:
    """And its result has all of the output again."""
    heard: list[tuple[float, str, str]] = []
    progress: list[tuple[float, float | None, str]] = []
    result = blender.run(
        SPEAKS,
        on_output=lambda stream, text: heard.append((time.monotonic(), stream, text)),
        on_progress=lambda done, total, message: progress.append((done, total, message)),
    )
    ended = time.monotonic()
    assert "".join(text for _, _, text in heard) == result.stdout == "first line\nlast line\n"
    assert heard[0][0] < ended - 0.3, "long before its end"
    assert {stream for _, stream, _ in heard} == {"stdout"}
    assert progress[-1] == (5.0, 5.0, "step 5") and progress[0][0] < 5


def test_a_quick_script_is_told_by_its_result_alone(blender: spindle.Blender) -> None:
    heard: list[str] = []
    assert blender.run("print('x')", on_output=lambda _stream, text: heard.append(text)).stdout == "x\n"
    assert heard == []


def test_what_a_listener_raises_ends_the_wait(blender: spindle.Blender) -> None:
    def listener(_stream: str, _text: str) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        blender.run(SPEAKS, on_output=listener)
    assert blender.run("1").value == 1


def test_a_job_outlives_its_connection_and_a_key_runs_once(shared: Any, blender: spindle.Blender) -> None:
    """The client of this process is one session, whatever connection it uses."""
    code = "import bpy; bpy.context.scene['runs'] = bpy.context.scene.get('runs', 0) + 1"
    with shared.connect() as first:
        job = first.call("script.run", {"code": code, "args": {}}, detach=True)["job"]
    report = blender.call("job.wait", {"job": job, "timeout_ms": 10_000})
    assert report["state"] == "done" and report["result"]["status"] == "ok"
    for _ in range(3):
        blender.call("script.run", {"code": code, "args": {}}, idempotency_key="once")
    assert blender.run("bpy.context.scene['runs']").value == 2
    with pytest.raises(spindle.SpindleError) as caught:
        blender.call("script.run", {"code": code + "\n", "args": {}}, idempotency_key="once")
    assert caught.value.kind == "idempotency_conflict"
    assert [row["job"] for row in blender.call("job.list")["jobs"]].count(job) == 1


def test_a_kept_answer_says_how_old_it_is_and_whether_the_scene_has_moved(blender: spindle.Blender) -> None:
    before = blender.call("object.get", {"name": "Cube"})
    kept = blender.call("object.get", {"name": "Cube"}, max_age=60)
    assert kept.pop("cached")["moved"] is False and kept == before
    blender.run("bpy.data.objects['Cube'].location.x = 3")
    stale = blender.call("object.get", {"name": "Cube"}, max_age=60)
    assert stale.pop("cached")["moved"] is True and stale == before
    blender.run("bpy.data.objects['Cube']['silent'] = 1")
    assert blender.call("object.get", {"name": "Cube"})["object"]["location"][0] == 3.0
    assert blender.call("cache.clear", {"containing": "Cube"})["cleared"] == 1
    assert "cached" not in blender.call("object.get", {"name": "Cube"}, max_age=60)


def test_a_kept_answer_comes_while_the_main_thread_is_busy(shared: Any, blender: spindle.Blender) -> None:
    blender.call("scene.get")
    with shared.connect() as other:
        worker = threading.Thread(target=lambda: other.run("import time; time.sleep(1)"))
        worker.start()
        while blender.call("health")["state"] != "busy":
            time.sleep(0.01)
        assert blender.call("scene.get", max_age=60)["cached"]["age_ms"] >= 0
        assert blender.call("health")["state"] == "busy", "it was answered in the middle of the other's script"
        worker.join()


def kill_while_it_runs(headless: Any, label: str) -> None:
    """End Blender in the middle of a request."""
    with headless.connect("killer") as client:
        while not any(running["label"] == label for running in client.call("health")["running"]):
            pass
    headless.process.kill()


def test_the_log_survives_a_kill(headless: Any, tmp_path: Path) -> None:
    """REQUEST_LOG: every request up to the kill is there, and the next start names what Blender did not survive."""
    with headless.connect("pipeline") as client:
        for number in range(20):
            client.run(f"{number}", label=f"Step {number}")
        with pytest.raises(spindle.ScriptFailed):
            client.run("1 / 0")
        killer = threading.Thread(target=kill_while_it_runs, args=(headless, "Fatal"))
        killer.start()
        with pytest.raises(spindle.SpindleError):
            client.run("import time\ntime.sleep(60)", label="Fatal")
        killer.join()
    assert headless.process.wait(timeout=20) == -signal.SIGKILL
    lines = [line for line in log_lines(headless) if "method" in line]
    assert [line["label"] for line in lines if line.get("label")] == [f"Step {number}" for number in range(20)]
    assert [line["outcome"] for line in lines] == ["ok"] * 20 + ["raised"]
    assert all(len(line["script"]["digest"]) == 64 and line["client"] == "pipeline" for line in lines)

    again = type(headless)(headless.runtime_dir)
    try:
        with again.connect() as client:
            (alert,) = client.call("health")["alerts"]
            assert alert["name"] == "previous_crash"
            assert "Fatal" in alert["text"] and "import time" in alert["text"]
        (died,) = [line for line in log_lines(headless) if line.get("outcome") == "blender_died"]
        assert died["label"] == "Fatal" and died["pid"] == headless.process.pid
    finally:
        again.close()
