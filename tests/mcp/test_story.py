# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole of what a model does, by each client over each transport, in real Blenders."""

from __future__ import annotations

from pathlib import Path

import pytest
import story
from agents import KINDS, Stdio, Url, live
from servers import over_http


def tell(kind: str, server: Stdio | Url, pid: int) -> None:
    """The story, by a client of this kind."""
    live(kind, server, lambda agent: story.whole(agent, pid))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("transport", ["stdio", "http"])
def test_without_a_window(kind, transport, program, shared, tmp_path):
    place, blender = shared
    if transport == "stdio":
        tell(kind, place.server(program), blender.process.pid)
        return
    with over_http(program, place.environment, tmp_path) as url:
        tell(kind, url, blender.process.pid)


@pytest.mark.parametrize("installation", ["5.2"], indirect=True)
def test_in_a_window(program: Path, window, tmp_path):
    """By the SDK over stdio, then by fastmcp over HTTP, in the same window."""
    environment = {"SPINDLE_RUNTIME_DIR": str(window.runtime_dir)}
    tell("mcp auto", Stdio(program, environment), window.process.pid)
    with over_http(program, environment, tmp_path) as url:
        tell("fastmcp", url, window.process.pid)
