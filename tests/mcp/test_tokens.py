# SPDX-License-Identifier: GPL-3.0-or-later
"""What the list of tools costs a model in every conversation, beside that of the most used server of its kind."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import machine
import pytest
from agents import Stdio, connected
from benches.mcp_chain import QUIET
from benches.peer import PIN

MOST_TOKENS = 2_500

# The tokenizer reads its vocabulary in a way that Python would rather see replaced.
pytestmark = pytest.mark.filterwarnings("ignore:open_binary is deprecated")


def cost(server: Stdio, kind: str = "mcp auto") -> dict[str, int]:
    """The tokens of each tool, as the server lists it to a client, in the encoding o200k_base."""
    # Here, as it reads its vocabulary when it is imported, and the mark is for tests.
    import bpe_openai

    encoding = bpe_openai.get_encoding("o200k_base")

    async def listed() -> list[dict[str, object]]:
        async with connected(kind, server) as agent:
            return [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in await agent.tools()]

    tools = anyio.run(listed)
    texts = {str(tool["name"]): json.dumps(tool, ensure_ascii=False, separators=(",", ":")) for tool in tools}
    return {name: len(encoding.encode(text)) for name, text in texts.items()}


def test_the_list_of_tools_is_cheap(program: Path, place, record_property) -> None:
    """In tokens; no Blender is needed for it."""
    ours = cost(place.server(program))
    record_property("tokens", sum(ours.values()))
    print(f"{sum(ours.values())} tokens: {ours}")
    assert sum(ours.values()) <= MOST_TOKENS, ours


def test_it_is_cheaper_than_the_peers(program: Path, place, tmp_path: Path, record_property) -> None:
    """The same count of what mcp-for-blender's own server lists."""
    try:
        peer = machine.environment("peer-server", [PIN]) / "mcp-for-blender"
    except machine.ScriptError as error:
        pytest.skip(f"the package index does not give {PIN}: {error}")
    home = {**QUIET, "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    theirs = cost(Stdio(peer, home, ()), "mcp legacy")
    record_property("tokens", sum(theirs.values()))
    print(f"{sum(theirs.values())} tokens: {theirs}")
    assert sum(cost(place.server(program)).values()) < sum(theirs.values())
