# SPDX-License-Identifier: GPL-3.0-or-later
"""The unmodified server of mcp-for-blender, against Spindle's compatibility listener and against its own add-on, in one
window and over one scene: every tool that needs no account answers the same."""

from __future__ import annotations

import base64
import json
import re
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import machine
import mcp
import pytest
from benches import peer
from handle import RunningBlender

QUIET = {"DISABLE_TELEMETRY": "true", "BLENDERMCP_NO_UPDATE_CHECK": "1"}
"""The peer's own switches; a test asks no stranger's server."""

SCENE = """
import math
bpy.ops.mesh.primitive_uv_sphere_add(segments=12, ring_count=6, location=(2, 1, 0.5))
ball = bpy.context.object
ball.name = "Ball"
material = bpy.data.materials.new("Red paint")
material.use_nodes = True
material.node_tree.nodes["Principled BSDF"].inputs["Base Color"].default_value = (0.8, 0.05, 0.05, 1)
ball.data.materials.append(material)
ball.modifiers.new("Smooth", "SUBSURF")
bpy.data.objects["Cube"].rotation_euler = (0, 0, math.radians(30))
bpy.data.objects["Cube"].keyframe_insert("location", frame=1)
empty = bpy.data.objects.new("Holder", None)
bpy.context.scene.collection.objects.link(empty)
ball.parent = empty
for other in bpy.context.selected_objects:
    other.select_set(other == ball)
bpy.context.view_layer.update()
"""

READ = "import bpy\nprint(sorted(o.name for o in bpy.data.objects))"
RAISES = "import bpy\nprint('before')\nbpy.data.objects['nobody'].location.x = 1"
CHANGES = "import bpy\nbpy.data.objects['Cube'].location.z = 0.25\nprint(bpy.data.objects['Cube'].location.z)"

CALLS: list[tuple[str, dict[str, Any]]] = [
    ("get_addon_status", {}),
    ("disable_telemetry", {}),
    ("get_scene_info", {}),
    ("get_scene_info", {"fields": ["location", "size", "ground", "rotation", "scale", "parent", "settings"]}),
    (
        "get_scene_info",
        {"query": "a", "fields": ["children", "hidden", "details", "materials", "modifiers", "animation"]},
    ),
    ("get_scene_info", {"root": "Holder", "fields": ["topology", "weights"]}),
    ("get_scene_info", {"root": "nobody"}),
    ("execute_blender_code", {"code": READ}),
    ("execute_blender_code", {"code": RAISES}),
    ("execute_blender_code", {"code": "def"}),
    ("execute_blender_code", {"code": CHANGES}),
    ("record_trajectory_feedback", {"feedback": "accept"}),
    ("look", {}),
    ("look", {"mode": "camera", "max_size": 320}),
    ("look", {"mode": "angles", "target": ["Ball"], "shading": "solid", "max_size": 400}),
    ("look", {"mode": "frames", "frames": [1, 2], "max_size": 320}),
    ("look", {"mode": "nothing"}),
    ("generate_3d", {"prompt": "a chair"}),
    ("search_assets", {"source": "polyhaven", "query": "wood"}),
    ("import_asset", {"source": "sketchfab", "id": "x", "target_size": 1}),
    ("search_mentions", {"query": "ba"}),
    ("viewport_capture", {"max_size": 300}),
    ("viewport_latest", {}),
    ("viewport_pick", {"seq": 1, "x": 0.5, "y": 0.5}),
]

RESOURCES = [
    "blender://object/Ball",
    "blender://object/Camera",
    "blender://material/Red%20paint",
    "blender://collection/Collection",
]

OWN = {"captured_at", "addon_version", "detail", "description", "traceback"}
"""Times, the add-on's own version, and texts for people."""

FILE = re.compile("<(spindle|string)>")
"""A script's name in what Python says about it."""

ALIKE = 0.03
"""The root mean square of the pixels' difference, of 1; that of two views of the same scene was 0.001 to 0.01."""


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> int:
    """Where Spindle is to serve other add-ons' clients; to be asked for before the window."""
    number = peer.free_port()
    monkeypatch.setenv("SPINDLE_COMPAT_PORT", str(number))
    return number


@pytest.fixture
def theirs(port: int, window: RunningBlender, tmp_path: Path) -> int:
    """Where the peer's own add-on serves the same scene, in the same Blender."""
    file = shutil.copy(peer.downloaded(), tmp_path / f"{peer.MODULE}.py")
    number = peer.free_port()
    window.inside(peer.START.format(file=str(file), module=peer.MODULE, port=number))
    window.inside(SCENE)
    return number


@asynccontextmanager
async def served(port: int, home: Path) -> AsyncIterator[mcp.Client]:
    """The peer's server, told that its add-on is at this port, and a client of it."""
    home.mkdir()
    environment = {
        **QUIET,
        "BLENDER_HOST": "127.0.0.1",
        "BLENDER_PORT": str(port),
        **dict.fromkeys(("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"), str(home)),
    }
    command = str(machine.environment("peer-server", [peer.PIN]) / "mcp-for-blender")
    server = mcp.StdioServerParameters(command=command, args=[], env=environment)
    async with mcp.Client(server, mode="legacy") as client:
        yield client


async def conversation(port: int, home: Path) -> list[Any]:
    """What each call and resource came to."""
    said: list[Any] = []
    async with served(port, home) as client:
        for tool, arguments in CALLS:
            answer = await client.call_tool(tool, arguments)
            said.append(answer.model_dump(mode="json"))
        for uri in RESOURCES:
            try:
                said.append((await client.read_resource(uri)).model_dump(mode="json"))
            except Exception as error:
                said.append(str(error))
    return said


@pytest.mark.parametrize("installation", machine.WINDOWED[-1:], indirect=True)
def test_every_tool_answers_as_with_its_own_add_on(
    port: int, window: RunningBlender, theirs: int, tmp_path: Path
) -> None:
    """In the newest Blender only, as two servers draw two dozen pictures."""
    ours = anyio.run(conversation, port, tmp_path / "ours")
    window.inside("bpy.data.objects['Cube'].location.z = 0")
    others = anyio.run(conversation, theirs, tmp_path / "theirs")
    asked = [f"{tool} {arguments}" for tool, arguments in CALLS] + RESOURCES
    for what, said, other in zip(asked, ours, others, strict=True):
        check(what, said, other, tmp_path)


DEFERRED = """
import bpy
bpy.data.objects['Cube'].location.y = 1
left = 3
def check_is_finished():
    global left
    left -= 1
    return {'left': left} if left == 0 else None
"""


def test_a_deferred_result_of_blenders_own_dialect(port: int, window: RunningBlender) -> None:
    """Blender goes on between two looks whether it is there."""
    message = json.dumps({"type": "execute", "code": DEFERRED, "strict_json": True}).encode() + b"\0"
    with socket.create_connection(("127.0.0.1", port), timeout=60) as stream:
        stream.sendall(message)
        said = b""
        while not said.endswith(b"\0"):
            said += stream.recv(65536)
    assert json.loads(said[:-1]) == {"status": "ok", "result": {"left": 0}, "stdout": "", "stderr": ""}
    assert "Spindle: other add-ons' clients: Compat Execute" in window.undo_history()


def check(what: str, ours: Any, theirs: Any, folder: Path) -> None:
    """Field by field; pictures pixel by pixel, as Blender smooths the same view a little otherwise each time."""
    assert comparable(ours) == comparable(theirs), what
    pictures = [list(pictures_of(said)) for said in (ours, theirs)]
    for pair in zip(*pictures, strict=True):
        files = [folder / "ours.png", folder / "theirs.png"]
        for file, data in zip(files, pair, strict=True):
            file.write_bytes(base64.b64decode(data))
        metric = ["compare", "-metric", "RMSE", *files, "null:"]
        told = subprocess.run(metric, capture_output=True, text=True).stderr
        match = re.search(r"\(([\d.e-]+)\)", told)
        assert match is not None, f"{what}: {told}"
        assert float(match[1]) < ALIKE, what


def comparable(said: Any) -> Any:
    """What was said, without what each side says in its own way. Texts that hold JSON count as that."""
    if isinstance(said, dict):
        is_picture = said.get("type") == "image"
        own = OWN | ({"data"} if is_picture else set())
        return {name: comparable(value) for name, value in said.items() if name not in own}
    if isinstance(said, list):
        return [comparable(value) for value in said]
    if isinstance(said, str):
        begin = said.find("{")
        try:
            return [said[:begin], comparable(json.loads(said[begin:]))] if begin >= 0 else FILE.sub("<code>", said)
        except ValueError:
            return FILE.sub("<code>", said)
    return said


def pictures_of(said: Any) -> Iterator[str]:
    """The pictures in an answer, as base64."""
    blocks = said.get("content", []) if isinstance(said, dict) else []
    return (block["data"] for block in blocks if block["type"] == "image")
