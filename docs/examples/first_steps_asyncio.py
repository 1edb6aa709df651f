# SPDX-License-Identifier: GPL-3.0-or-later
"""First steps with asyncio: `python first_steps_asyncio.py`, with the project's wheel installed."""

import asyncio

import spindle


async def main() -> None:
    """Two calls at once, and one that is told of while it runs."""
    async with await spindle.aio.connect(name="First steps") as blender:
        sum_of, check = await asyncio.gather(
            blender.run("sum(args['numbers'])", numbers=[1, 2, 3]), blender.check("1 / 0")
        )
        print(sum_of.value if check.verdict == "runs" else check.findings)
        try:
            async for line in blender.stream("1 / 0"):
                print(line)
        except spindle.ScriptFailed as failure:
            print(f"{failure.result.exception.type}: {failure.result.exception.message}")
        try:
            await blender.object("Nobody")
        except spindle.errors.NotFound as error:
            print(error.kind)


asyncio.run(main())
