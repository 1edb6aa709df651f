# SPDX-License-Identifier: GPL-3.0-or-later
"""The Python client's own methods against a real Blender without a window."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import spindle
from spindle import aio, errors

SMALL = {"engine": "cycles", "width": 32, "height": 16, "samples": 1}


def test_what_is_in_the_file(blender: spindle.Blender) -> None:
    scene = blender.scene()
    assert scene.objects == {"MESH": 1, "CAMERA": 1, "LIGHT": 1} and scene.frames["fps"] == 24
    assert [each["name"] for each in blender.objects()] == ["Camera", "Cube", "Light"]
    assert blender.objects("C*", types=["MESH"], fields=["name", "counts"]) == [
        {"name": "Cube", "counts": {"vertices": 8, "edges": 12, "faces": 6}}
    ]
    assert blender.object("Cube", ["dimensions"]) == {"dimensions": [2.0, 2.0, 2.0]}
    with pytest.raises(errors.NotFound):
        blender.object("Nobody")


def test_more_objects_than_a_page(blender: spindle.Blender) -> None:
    blender.run("for n in range(1200): bpy.context.collection.objects.link(bpy.data.objects.new(f'e{n:04}', None))")
    names = [each["name"] for each in blender.objects("e*", fields=["name"])]
    assert names == [f"e{n:04}" for n in range(1200)]


def test_pictures(blender: spindle.Blender, tmp_path: Path) -> None:
    picture = blender.render(**SMALL, frame=1)
    assert (picture.width, picture.height, picture.source) == (32, 16, "CYCLES") and picture.seconds
    assert picture._repr_png_() == bytes(picture) == picture.data and picture.data.startswith(b"\x89PNG")
    picture.save(tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes() == picture.data
    for where in ({}, {"side": "front", "objects": ["Cube"]}):
        shot = blender.screenshot(width=32, height=16, **where)
        assert (shot.width, shot.height) == (32, 16) and shot.data.startswith(b"\x89PNG")


def test_a_render_as_a_job(blender: spindle.Blender) -> None:
    job = blender.render(**SMALL, detach=True)
    assert isinstance(job.wait(), spindle.Picture)


def test_a_group_is_one_step(blender: spindle.Blender) -> None:
    with pytest.raises(spindle.ScriptFailed), blender.group("Three cubes"):
        for x in range(3):
            blender.call("object.create", {"kind": "cube", "location": [x, 0, 0]})
        blender.run("1 / 0")
    assert len(blender.objects(types=["MESH"])) == 4
    assert blender.undo() == 1 and len(blender.objects(types=["MESH"])) == 1
    assert blender.redo() == 1 and len(blender.objects(types=["MESH"])) == 4


def test_a_task_that_is_cancelled_ends_its_script(blender: spindle.Blender, shared: Any) -> None:
    async def work() -> None:
        async with await aio.connect(shared.process.pid) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await client.run("while True: pass")
            assert (await client.run("1 + 1")).value == 2
            picture = await client.render(**SMALL)
            assert picture.data.startswith(b"\x89PNG")

    asyncio.run(work())


def test_a_stream(blender: spindle.Blender) -> None:
    code = "import time\nfor n in range(3):\n    print(n)\n    spindle.progress(n, 3)\n    time.sleep(0.05)"
    stream = blender.stream(code)
    assert list(stream) == ["0", "1", "2"] and stream.progress is not None and stream.result is not None
