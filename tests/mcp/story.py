# SPDX-License-Identifier: GPL-3.0-or-later
"""What a model does with Blender from beginning to end, and what it must see at each step."""

from __future__ import annotations

import struct
import time

import anyio
from agents import Agent, Answer

WRONG = "ball = bpy.data.objects['Bal']\nball.location.z = 2"
MENDED = """
ball = bpy.data.objects.new('Ball', None)
bpy.context.collection.objects.link(ball)
ball.location.z = 2
ball.name
"""
HAS_BALL = "'Ball' in bpy.data.objects"

RUNAWAY = "import time\nwhile True:\n    bpy.context.scene['beat'] = time.time()"
BEAT = "bpy.context.scene['beat']"

CANCELLED_WITHIN_S = 1.0
USUAL_PIXELS = 768


async def whole(agent: Agent, pid: int) -> None:
    """All of it, with the Blender of this process id, which has its first scene, and has it again
    in the end, but for a property."""
    await find(agent, pid)
    await look(agent)
    await mend(agent)
    await undo(agent)
    await render(agent)
    await cancel(agent)


async def find(agent: Agent, pid: int) -> None:
    """Which Blender is it, and what does it show?"""
    (found,) = (await done(agent, "status")).data["blenders"]
    assert (found["pid"], found["healthy"], found["guard"]) == (pid, True, "guarded"), found
    names = [item["name"] for item in (await done(agent, "scene", type="MESH")).data["objects"]]
    assert names == ["Cube"]


async def look(agent: Agent) -> None:
    """A picture that no client refuses."""
    answer = await done(agent, "look")
    (picture,) = answer.pictures
    width, height = jpeg_size(picture)
    assert (width, height) == (answer.data["width"], answer.data["height"]) == (USUAL_PIXELS, 576)


async def mend(agent: Agent) -> None:
    """A script that fails says why and where; mended, it changes the scene by one undo step."""
    failed = await agent.call("execute", code=WRONG, label="Add a ball")
    assert failed.is_error and failed.data["status"] == "raised"
    for told in ("KeyError", "line 1: ball = bpy.data.objects['Bal']", "hint: no item of this name"):
        assert told in failed.text, failed.text
    mended = await done(agent, "execute", code=MENDED, label="Add a ball")
    assert mended.data["value"] == "Ball"
    assert mended.data["undo_step"].endswith("Add a ball"), mended.data
    assert (await done(agent, "object", name="Ball", fields=["location"])).data["object"]["location"] == [0, 0, 2]


async def undo(agent: Agent) -> None:
    """It is taken back, and nothing else is."""
    assert (await done(agent, "undo")).data == {"steps": 1}
    assert await value(agent, HAS_BALL) is False
    assert await value(agent, "'Cube' in bpy.data.objects") is True


async def render(agent: Agent) -> None:
    """With progress; a small copy at once, and the whole picture by its link."""
    answer = await done(agent, "render", engine="cycles", width=800, height=400, samples=1)
    progress = answer.progress
    while answer.data["state"] != "done":
        # A machine with much to do, and a call that waits no longer than every client does.
        answer = await done(agent, "job", job=answer.data["job"])
        progress = answer.progress
    steps = [step for step, _, _ in progress]
    assert steps and steps == sorted(set(steps)), "progress was told, and never went back"
    (picture,), (link,) = answer.pictures, answer.links
    assert jpeg_size(picture) == (USUAL_PIXELS, 384)
    for uri in (link, "spindle://render/last"):
        assert png_size(await agent.read(uri)) == (800, 400)


async def cancel(agent: Agent) -> None:
    """To cancel the call ends the script in Blender, not only the wait for it."""
    ended = anyio.Event()
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(runaway, agent, ended)
            await is_running(agent)
            start = time.monotonic()
            scope.cancel()
    assert ended.is_set(), "the call came to an end"
    beat = await value(agent, BEAT)
    assert time.monotonic() - start < CANCELLED_WITHIN_S, "Blender is free again"
    # The script and this process have the same clock.
    assert await value(agent, BEAT) == beat, "it has stopped"


async def runaway(agent: Agent, ended: anyio.Event) -> None:
    """Run what never ends."""
    try:
        answer = await agent.call("execute", code=RUNAWAY, timeout_s=60)
        raise AssertionError(f"it ended by itself: {answer.text}")
    finally:
        ended.set()


async def is_running(agent: Agent) -> None:
    """Wait until the script runs: `status` is answered meanwhile."""
    with anyio.fail_after(20):
        while "script.run" not in (await done(agent, "status")).data["blenders"][0]["running"]:
            await anyio.sleep(0.02)


async def done(agent: Agent, tool: str, **arguments: object) -> Answer:
    """Call a tool that must do its work."""
    answer = await agent.call(tool, **arguments)
    assert not answer.is_error, answer.text
    return answer


async def value(agent: Agent, code: str) -> object:
    """What Python in Blender says of an expression."""
    return (await done(agent, "execute", code=code)).data.get("value")


def png_size(png: bytes) -> tuple[int, int]:
    """Width and height of a PNG file, by its first chunk."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def jpeg_size(jpeg: bytes) -> tuple[int, int]:
    """Width and height of a JPEG file, by the segment that starts its frame."""
    assert jpeg[:2] == b"\xff\xd8"
    at = 2
    while True:
        mark, kind, length = struct.unpack(">BBH", jpeg[at : at + 4])
        assert mark == 0xFF
        # SOF0 and SOF2: sequential, progressive.
        if kind in (0xC0, 0xC2):
            height, width = struct.unpack(">HH", jpeg[at + 5 : at + 9])
            return width, height
        at += 2 + length
