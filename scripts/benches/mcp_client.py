# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls one tool of an MCP server over stdio, one call after the other, by the official Python SDK.

A program of its own, as it runs in an environment with the SDK. It is told by its one argument what to do, as JSON:
`command`, `arguments` and `environment` of the server, the `mode` of the SDK, `tool`, `params`, what each answer must
`tell`, how many calls to `warm_up` with, and how many `calls` to measure. It prints their times, nanoseconds, as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import anyio
import mcp


async def measure(plan: dict[str, Any]) -> list[int]:
    """The time of each call, from the SDK's caller and back to it."""
    server = mcp.StdioServerParameters(command=plan["command"], args=plan["arguments"], env=plan["environment"])
    taken = []
    async with mcp.Client(server, mode=plan["mode"]) as client:
        # The SDK checks answers against the schemas of the list, and would fetch it during the first call.
        await client.list_tools()
        for _ in range(plan["warm_up"] + plan["calls"]):
            start = time.perf_counter_ns()
            answer = await client.call_tool(plan["tool"], plan["params"])
            taken.append(time.perf_counter_ns() - start)
            text = "".join(block.text for block in answer.content)
            if answer.is_error or plan["tell"] not in text:
                raise SystemExit(f"{plan['tool']} answered: {text}")
    return taken[plan["warm_up"] :]


if __name__ == "__main__":
    print(json.dumps(anyio.run(measure, json.loads(sys.argv[1]))))
