# SPDX-License-Identifier: GPL-3.0-or-later
"""A small script by MCP, the whole way: the Python SDK, `spindle mcp` over stdio, an open window, and back. Against the
peer's own server and add-on, in the same window, by the same client."""

from __future__ import annotations

import json
import os
import subprocess
import zipfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from machine import DIST, MCP_SDK, ScriptError, environment

from . import blender, peer
from .measuring import Figure, Options, Row, in_turns, mean, percentile
from .programs import MILLI
from .window import READ

CLIENT = Path(__file__).with_name("mcp_client.py")

NEED_MS, NEED_RATIO = 1.5, 30

QUIET = {"DISABLE_TELEMETRY": "true", "BLENDERMCP_NO_UPDATE_CHECK": "1"}
"""The peer's own switches; a benchmark asks no stranger's server."""


@dataclass(frozen=True)
class Chain:
    """An MCP server, and its tool that runs Python. The modes are the SDK's: each server is called in the newest
    revision that it knows."""

    client: Path
    plan: dict[str, Any]

    def call(self, calls: int, warm_up: int) -> list[float]:
        """How long each call took, in milliseconds. Raises ScriptError when one fails."""
        plan = {**self.plan, "calls": calls, "warm_up": warm_up, "tell": "3"}
        ran = subprocess.run([self.client, CLIENT, json.dumps(plan)], capture_output=True, text=True)
        if ran.returncode:
            raise ScriptError(f"{plan['tool']} by MCP failed: {ran.stderr.strip()[-2000:]}")
        return [ns / MILLI for ns in json.loads(ran.stdout)]


def rows(options: Options) -> list[Row]:
    """The rows of this group, in milliseconds."""
    client = environment("mcp-client", [MCP_SDK]) / "python"
    with blender.window(options) as running:
        ours, theirs = _spindle(client, running), _peer(client, running)
        rounds = in_turns(
            options.of(7, 2),
            {
                "ours": partial(ours.call, options.of(2000, 200), warm_up=100),
                "peer": partial(theirs.call, options.of(40, 10), warm_up=2),
            },
        )
    middle, other = (percentile(50, rounds[side]) for side in ("ours", "peer"))
    met = middle.value <= NEED_MS and other.value >= NEED_RATIO * middle.value
    need = f"<= {NEED_MS} ms, and {NEED_RATIO} times as fast as the peer"
    last = tuple(percentile(99, rounds[side]) for side in ("ours", "peer"))
    average = mean(rounds["ours"]), mean(rounds["peer"])
    return [
        _row("p50", (middle, other), need, met),
        _row("p99", last),
        _row("mean", average),
    ]


def _row(name: str, figures: tuple[Figure, Figure], need: str = "", met: bool | None = None) -> Row:
    ours, other = figures
    return Row(f"mcp: execute over stdio, {name}", "ms", ours, "execute_blender_code", other, need, met)


def _spindle(client: Path, running: blender.Blender) -> Chain:
    return Chain(
        client,
        {
            "command": str(_program(running.folder)),
            "arguments": ["mcp"],
            "environment": {"SPINDLE_RUNTIME_DIR": str(running.folder / "runtime")},
            "mode": "2026-07-28",
            "tool": "execute",
            "params": {"code": READ},
        },
    )


def _peer(client: Path, running: blender.Blender) -> Chain:
    home = running.folder / "peer"
    home.mkdir()
    port = peer.start(running).port
    return Chain(
        client,
        {
            "command": str(environment("peer-server", [peer.PIN]) / "mcp-for-blender"),
            "arguments": [],
            "environment": {
                **QUIET,
                "BLENDER_HOST": "127.0.0.1",
                "BLENDER_PORT": str(port),
                **dict.fromkeys(("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"), str(home)),
            },
            # It knows no revision without a handshake.
            "mode": "legacy",
            "tool": "execute_blender_code",
            "params": {"code": READ},
        },
    )


def _program(folder: Path) -> Path:
    """`spindle` out of the package that is in Blender, or the one that $SPINDLE_COMMAND names. Raises ScriptError."""
    given = os.environ.get("SPINDLE_COMMAND")
    if given:
        return Path(given)
    name = "spindle.exe" if os.name == "nt" else "spindle"
    with zipfile.ZipFile(next(DIST.glob("spindle-*.zip"))) as package:
        if f"bin/{name}" not in package.namelist():
            raise ScriptError("the package in dist/ has no program; scripts/package makes one that has")
        program = Path(package.extract(f"bin/{name}", folder / "program"))
    program.chmod(0o755)
    return program
