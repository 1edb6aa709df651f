# SPDX-License-Identifier: GPL-3.0-or-later
"""The asyncio client: the same names, and a loop that goes on."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable

import pytest
import spindle
from spindle import aio, errors

Start = Callable[[str], int]
Work = Callable[[aio.Blender], Awaitable[None]]


@pytest.fixture
def play(start: Start) -> Callable[[Work], None]:
    """Run a coroutine function with a client of the only server."""
    start("")

    async def connected(work: Work) -> None:
        async with await aio.connect() as blender:
            await work(blender)

    return lambda work: asyncio.run(connected(work))


def test_the_same_names() -> None:
    for blocking, awaited in [(spindle.Blender, aio.Blender), (spindle.Job, aio.Job)]:
        names = {name for name in dir(blocking) if not name.startswith("_")}
        assert names == {name for name in dir(awaited) if not name.startswith("_")}
        for name in names - {"server"}:
            assert inspect.getdoc(getattr(awaited, name)), name


def test_calls_at_once(play: Callable[[Work], None]) -> None:
    async def work(blender: aio.Blender) -> None:
        results = await asyncio.gather(*(blender.run("1", n=n) for n in range(30)), blender.call("ping"))
        assert [result.value["n"] for result in results[:-1]] == list(range(30)) and results[-1] == {"pong": True}
        with pytest.raises(errors.NotFound, match="Lamp"):
            await blender.object("Lamp")
        with pytest.raises(spindle.ScriptFailed, match="ValueError"):
            await blender.run("fail")
        assert (await blender.check("1")).verdict == "runs" and blender.server.blender == "5.2.2"

    play(work)


def test_the_loop_goes_on(play: Callable[[Work], None]) -> None:
    async def work(blender: aio.Blender) -> None:
        waiting = asyncio.ensure_future(blender.run("sleep"))
        turns = 0
        while not waiting.done():
            await asyncio.sleep(0.001)
            turns += 1
        assert turns > 100 and waiting.result().status == "ok"

    play(work)


def test_a_cancelled_task_cancels_in_blender(play: Callable[[Work], None]) -> None:
    async def work(blender: aio.Blender) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await blender.run("loop")
        assert (await blender.call("health"))["running"] == []
        deaf = asyncio.ensure_future(blender.run("deaf"))
        await asyncio.sleep(0.3)
        begin = time.monotonic()
        for _ in range(2):
            deaf.cancel()
            await asyncio.sleep(0.2)
        with pytest.raises(asyncio.CancelledError):
            await deaf
        assert time.monotonic() - begin < 1.9

    play(work)


def test_a_task_that_is_cancelled_before_its_turn(play: Callable[[Work], None]) -> None:
    """More calls than threads: one that none has taken is never sent."""

    async def work(blender: aio.Blender) -> None:
        sleeping = [asyncio.ensure_future(blender.run("sleep")) for _ in range(aio.THREADS)]
        await asyncio.sleep(0.1)
        late = asyncio.ensure_future(blender.run("sleep"))
        await asyncio.sleep(0.05)
        for task in (late, *sleeping):
            task.cancel()
        results = await asyncio.gather(late, *sleeping, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results)

    play(work)


def test_jobs(play: Callable[[Work], None]) -> None:
    async def work(blender: aio.Blender) -> None:
        job = await blender.run("loop", detach=True)
        async for progress in job.follow(every=0.01):
            assert progress.message == "looping"
            break
        with pytest.raises(errors.TimedOut):
            await job.wait(timeout=0.05)
        assert not await job.done() and await job.cancel() == "interrupting"
        with pytest.raises(spindle.ScriptFailed, match="cancelled"):
            await job.wait()
        assert [each.job for each in await blender.jobs()] == [job.id] and await job.progress() is None

    play(work)


def test_lines_as_they_come(play: Callable[[Work], None]) -> None:
    async def work(blender: aio.Blender) -> None:
        stream = blender.stream("count", n=1)
        lines = [line async for line in stream if line.stream == "stdout"]
        assert lines == ["line 1", "and line 2", "and line 3", "and "]
        assert stream.result is not None and stream.result.value == {"n": 1}
        assert stream.progress == spindle.Progress(3.0, 3.0, "counting")
        assert [line async for line in blender.stream("1")] == ["out"]
        with pytest.raises(spindle.ScriptFailed):
            assert [line async for line in blender.stream("fail")] == []

    play(work)


def test_a_stream_that_is_left_cancels_its_script(play: Callable[[Work], None]) -> None:
    async def work(blender: aio.Blender) -> None:
        lines = aiter(blender.stream("loop"))
        assert await anext(lines) == "begun"
        await lines.aclose()
        assert (await blender.call("health"))["running"] == []

    play(work)
