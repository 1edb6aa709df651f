# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender may come, go and come again while a client stays; and there may be two."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from agents import Agent, Answer, live
from conftest import Start
from servers import Bpy, Place
from story import done, value

PID = "import os\nos.getpid()"
WAIT_S = 30.0


async def asks_the_user(answer: Answer) -> None:
    """The answer while no Blender runs."""
    for told in ("No Blender with Spindle runs", "Ask the user to open Blender", "spindle doctor"):
        assert told in answer.text, answer.text


async def reaches(agent: Agent, blender: Bpy) -> None:
    """The next call works, and does so in this Blender."""
    assert await value(agent, PID) == blender.process.pid


async def in_thread(function, *arguments):
    """Do something that waits, while the client lives on."""
    return await anyio.to_thread.run_sync(function, *arguments)


@pytest.mark.parametrize("kind", ["mcp legacy", "mcp 2026-07-28"])
def test_a_client_outlives_blenders(kind: str, program: Path, place: Place, start: Start) -> None:
    """Client first, then Blender; then Blender is started again; then it is killed and started again."""

    async def story(agent: Agent) -> None:
        status = await done(agent, "status")
        assert status.data["blenders"] == []
        await asks_the_user(status)
        for tool, arguments in (("execute", {"code": "1"}), ("scene", {}), ("look", {}), ("render", {})):
            answer = await agent.call(tool, **arguments)
            assert answer.is_error
            await asks_the_user(answer)
        first = await in_thread(start, place)
        await reaches(agent, first)
        await in_thread(first.end)
        answer = await agent.call("execute", code="1")
        assert answer.is_error
        await asks_the_user(answer)
        second = await in_thread(start, place)
        await reaches(agent, second)
        second.process.kill()
        await in_thread(second.process.wait)
        answer = await agent.call("execute", code="1")
        assert answer.is_error and "Blender" in answer.text
        await reaches(agent, await in_thread(start, place))

    live(kind, place.server(program), story)


def test_of_two_blenders_one_is_chosen(program: Path, place: Place, start: Start) -> None:
    """The error lists both, and each can be named by what it lists."""

    async def story(agent: Agent) -> None:
        both = [start(place), start(place)]
        answer = await agent.call("execute", code="1")
        assert answer.is_error and "Several Blenders run" in answer.text
        listed = {blender["pid"]: blender["port"] for blender in (await done(agent, "status")).data["blenders"]}
        assert set(listed) == {blender.process.pid for blender in both}
        for pid, port in listed.items():
            assert str(pid) in answer.text, answer.text
            for instance in (pid, port):
                ran = await done(agent, "execute", code=PID, instance=str(instance))
                assert ran.data["value"] == pid
        with pytest.raises(Exception, match="Call the tool `scene` or `object`"):
            await agent.read("spindle://scene")
        wrong = await agent.call("execute", code="1", instance="chair.blend")
        assert wrong.is_error and all(str(pid) in wrong.text for pid in listed), wrong.text

    live("mcp auto", place.server(program), story)
