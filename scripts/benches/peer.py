# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on that Spindle is compared with: the one inside the PyPI package mcp-for-blender, by the same author as the
first and most used of its kind. It is downloaded into build/ when a benchmark needs it, and never kept elsewhere."""

from __future__ import annotations

import shutil
import socket
import sys
import zipfile
from pathlib import Path

from machine import BUILD, run

from .blender import Blender
from .programs import Target

PIN = "mcp-for-blender==2.2.4"
ADDON = "blender_mcp/bundled/addon.py"
MODULE = "mcp_for_blender"

START = """
bpy.ops.preferences.addon_install(filepath={file!r})
bpy.ops.preferences.addon_enable(module={module!r})
# What it would record for its telemetry costs time, and has nothing to do with answering.
bpy.context.preferences.addons[{module!r}].preferences.telemetry_consent = False
scene = bpy.context.scene
scene.blendermcp_auto_start_server, scene.blendermcp_port = False, {port}
bpy.ops.blendermcp.start_server()
assert scene.blendermcp_server_running, "it did not start"
"""


def start(blender: Blender) -> Target:
    """Install the peer as an add-on in this running Blender, and start its server on a free port."""
    # An add-on of one file has the file's name.
    file = shutil.copy(downloaded(), blender.folder / f"{MODULE}.py")
    port = free_port()
    blender.inside(START.format(file=str(file), module=MODULE, port=port))
    return Target("peer", port)


def downloaded() -> Path:
    """The file of the add-on."""
    folder = BUILD / "peer"
    if not (folder / ADDON).exists():
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        run([*pip, "--only-binary", ":all:", "--dest", folder, PIN])
        with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
            wheel.extract(ADDON, folder)
    return folder / ADDON


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
