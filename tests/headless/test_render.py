# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders without a window, in the bpy modules. In Blenders, which can break a render off: tests/window."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import spindle

LOOK = {"engine": "cycles", "width": 64, "height": 48, "samples": 4}


def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_animation_and_its_progress(blender: spindle.Blender, tmp_path: Path) -> None:
    told: list[tuple[float, float | None, str]] = []
    params = {"folder": str(tmp_path / "new"), "prefix": "shot_", "frame_start": 9, "frame_end": 13, "frame_step": 2}
    result = blender.call("render.animation", LOOK | params, on_progress=lambda *row: told.append(row))
    assert result["files"] == [str(tmp_path / "new" / f"shot_{frame:04}.png") for frame in (9, 11, 13)]
    assert sorted(result["files"]) == sorted(str(path) for path in (tmp_path / "new").iterdir())
    assert all(Path(file).read_bytes().startswith(b"\x89PNG") for file in result["files"])
    assert (result["width"], result["height"], result["engine"]) == (64, 48, "CYCLES")
    assert told and told == sorted(told, key=lambda row: row[0])
    assert {total for _, total, _ in told} == {3}
    assert blender.call("scene.get")["frames"]["current"] == 1


def test_between_two_frames(blender: spindle.Blender, shared: Any, tmp_path: Path) -> None:
    """Others are served, changes are answered busy, and a cancel takes effect; what is complete stays."""
    params = LOOK | {"folder": str(tmp_path), "frame_start": 1, "frame_end": 10_000, "samples": 64}
    with shared.connect("renderer") as renderer:
        job = renderer.call("render.animation", params, detach=True)["job"]
    until((tmp_path / "0002.png").exists)
    assert blender.call("scene.get")["name"] == "Scene"
    for method, change in [
        ("object.create", {"kind": "cube"}),
        ("file.new", {"discard_changes": True}),
        ("render.image", LOOK),
        ("script.run", {"code": "bpy.data.objects['Cube'].location.x = 1"}),
    ]:
        with pytest.raises(spindle.errors.Busy):
            blender.call(method, change)
    assert blender.call("job.cancel", {"job": job})["outcome"] == "interrupting"
    error = blender.call("job.wait", {"job": job})["error"]
    assert (error["data"]["kind"], error["data"]["started"]) == ("cancelled", True)
    assert error["data"]["files"] == sorted(str(path) for path in tmp_path.iterdir())
    assert [Path(file).name for file in error["data"]["files"][:2]] == ["0001.png", "0002.png"]
    assert blender.run("[scene.name for scene in bpy.data.scenes]").value == ["Scene"]
    assert blender.call("object.create", {"kind": "cube"})["undo_step"]


def test_an_image_cannot_be_broken_off(blender: spindle.Blender) -> None:
    """The bpy module has no handler of Blender's, and says so; the render goes on to its end."""
    look = LOOK | {"samples": 600, "width": 320, "height": 240}
    job = blender.call("render.image", look, detach=True)["job"]
    until(lambda: (blender.call("job.get", {"job": job}).get("progress") or {}).get("total"))
    assert blender.call("job.cancel", {"job": job})["outcome"] == "not_interruptible"
    assert blender.call("job.wait", {"job": job})["result"]["width"] == 320


def test_bad_animations_say_what_to_do(blender: spindle.Blender, tmp_path: Path) -> None:
    good = LOOK | {"folder": str(tmp_path)}
    for params, error, remedy in [
        ({"frame_start": 2, "frame_end": 1}, spindle.errors.InvalidCall, "later"),
        ({"frame_start": 0, "frame_end": 10_000}, spindle.errors.InvalidCall, "frame_step"),
        ({"prefix": "a/b"}, spindle.errors.InvalidCall, "folder"),
        ({"folder": "/etc"}, spindle.errors.SpindleError, "allowed"),
        ({"camera": "Nobody"}, spindle.errors.NotFound, "Nobody"),
    ]:
        with pytest.raises(error, match=remedy) as refusal:
            blender.call("render.animation", good | params)
        assert refusal.value.started is False
    assert os.listdir(tmp_path) == []
