# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients of the popular add-on ask about the add-on itself, its services and its telemetry.

Spindle has neither services nor telemetry, and says so.
"""

from __future__ import annotations

from typing import Any

import bpy

from .. import native
from ..turn import Turn

PROTOCOL_VERSION = 15
"""That of mcp-for-blender 2.2.4: the oldest that its server takes for up to date."""

CAPABILITIES = (
    *("bpy_api_lookup", "describe_node_type", "drain_human_activity", "execute_code", "get_addon_info"),
    *("get_object_info", "get_scene_info", "get_telemetry_consent", "get_viewport_screenshot"),
    *("get_world_state_snapshot", "list_scene_items", "pick_viewport_object", "set_telemetry_consent"),
)
"""The commands that belong to that version."""

SERVICES = {
    "polyhaven": "Poly Haven",
    "hyper3d": "Hyper3D Rodin",
    "sketchfab": "Sketchfab",
    "polypizza": "Poly Pizza",
    "hunyuan3d": "Hunyuan3D",
    "tripo": "Tripo",
    "meshy": "Meshy",
}
"""By the words in the names of the commands that ask for their status."""


def addon_info(turn: Turn) -> dict[str, Any]:
    """Who answers, and which commands."""
    return {
        "name": "Spindle",
        "spindle": native.load().VERSION,
        "addon_version": [int(part) for part in native.load().VERSION.split(".")],
        "protocol_version": PROTOCOL_VERSION,
        "capabilities": list(CAPABILITIES),
        "blender_version": bpy.app.version_string,
        "premium_generators": [],
    }


def service_status(turn: Turn, label: str) -> dict[str, Any]:
    """That a service is not there."""
    text = f"{label} is not available: Spindle, which runs in this Blender, fetches and generates no assets itself"
    return {"enabled": False, "message": text}


def human_activity(turn: Turn) -> dict[str, Any]:
    """What the user has done in Blender: nobody records it."""
    return {"events": []}


def telemetry_consent(turn: Turn) -> dict[str, Any]:
    """Whether the user allows the client to send home what they do: nobody can ask them here."""
    return {"consent": False}


def set_telemetry_consent(turn: Turn, *, consent: bool) -> dict[str, Any]:
    """Keep it at no. A client that were told yes or nothing would go on and send."""
    if consent:
        return {"error": "Spindle records nothing of what the user does, and gives no consent to send it anywhere"}
    return {"consent": False}
