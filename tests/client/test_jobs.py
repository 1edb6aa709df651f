# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs while its program does something else: jobs, and output as it comes."""

import pytest
import spindle
from spindle import errors


def test_a_job(blender: spindle.Blender) -> None:
    job = blender.run("count", detach=True, label="Count", n=1)
    assert isinstance(job, spindle.Job)
    told: list[object] = []
    result = job.wait(on_progress=lambda *progress: told.append(progress))
    assert isinstance(result, spindle.ScriptResult) and result.value == {"n": 1}
    assert told == [] or told[-1] == (3.0, 3.0, "counting")
    assert job.done() and job.progress() is None and job.cancel() == "finished"
    status = job.status()
    assert (status.job, status.method, status.label, status.state) == (job.id, "script.run", "Count", "done")
    assert [each.job for each in blender.jobs()] == [job.id]
    assert blender.job(job.id).wait()["value"] == {"n": 1}


def test_a_job_that_is_cancelled(blender: spindle.Blender) -> None:
    job = blender.run("loop", detach=True)
    progress = next(job.follow(every=0.01))
    assert progress == spindle.Progress(1.0, None, "looping") and not job.done()
    with pytest.raises(errors.TimedOut, match="goes on"):
        job.wait(timeout=0.05)
    assert job.cancel() == "interrupting"
    with pytest.raises(spindle.ScriptFailed, match="cancelled"):
        job.wait()
    assert list(job.follow()) == []


def test_a_job_that_fails(blender: spindle.Blender) -> None:
    job = blender.job(blender.call("object.get", {"name": "Lamp"}, detach=True)["job"])
    with pytest.raises(errors.NotFound, match="Lamp"):
        job.wait()
    with pytest.raises(errors.NotFound):
        blender.job("job-0").status()


def test_lines_as_they_come(blender: spindle.Blender) -> None:
    stream = blender.stream("count", n=1)
    lines = list(stream)
    of = {name: [line for line in lines if line.stream == name] for name in ("stdout", "stderr")}
    assert of["stdout"] == ["line 1", "and line 2", "and line 3", "and "]
    assert of["stderr"] == ["warning 1", "warning 2", "warning 3"]
    assert stream.result is not None and stream.result.value == {"n": 1}
    assert stream.progress == spindle.Progress(3.0, 3.0, "counting")


def test_lines_of_a_quick_script(blender: spindle.Blender) -> None:
    """It ends before anything was told, so its output comes with its result."""
    assert list(blender.stream("1")) == ["out"]


def test_a_stream_that_is_left_cancels_its_script(blender: spindle.Blender) -> None:
    for line in blender.stream("loop"):
        assert line == "begun"
        break
    assert blender.call("health")["running"] == []
    with blender.stream("loop"):
        pass
    assert blender.run("1", n=1).value == {"n": 1}


def test_a_stream_whose_script_fails(blender: spindle.Blender) -> None:
    with pytest.raises(spindle.ScriptFailed, match="ValueError: no"):
        list(blender.stream("fail"))
    with pytest.raises(errors.InvalidCall, match="label"):
        list(blender.stream("1", label="x" * 65))
