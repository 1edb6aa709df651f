# SPDX-License-Identifier: GPL-3.0-or-later
"""compat.read: what clients of the popular add-on (mcp-for-blender) ask for, answered in the shapes that they know.

Of what that add-on only tells in its answer, as the member `error`, the same is done here: its clients close the
connection after what is an error to the protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from ..errors import CommandError
from ..turn import Turn
from . import compat_docs, compat_export, compat_info, compat_scene, compat_snapshot, compat_view
from .compat_params import MOST, Parameter, matrix, members, names, number, switch, taken, text


class Command(NamedTuple):
    """A command: a function that takes the turn and the parameters by keyword, and what these must be."""

    answer: Callable[..., Any]
    parameters: Mapping[str, Parameter] = {}


_PICK = {
    "view_matrix": matrix(),
    "window_matrix": matrix(),
    "width": number(1, MOST),
    "height": number(1, MOST),
    "x": number(0, 1),
    "y": number(0, 1),
    "file": text(None),
    "scene": text(None),
}
_EXPORT = {
    "filepath": text(""),
    "format": text("glb"),
    "object_names": names(),
    "selection_only": switch(False),
    "apply_modifiers": switch(True),
}

COMMANDS = {
    "get_addon_info": Command(compat_info.addon_info),
    "get_scene_info": Command(compat_scene.scene_info),
    "list_scene_items": Command(compat_scene.items, {"query": text(""), "limit": number(-MOST, MOST, 30)}),
    "get_object_info": Command(compat_scene.object_info, {"name": text()}),
    "get_world_state_snapshot": Command(compat_snapshot.snapshot),
    "get_viewport_screenshot": Command(
        compat_view.screenshot, {"max_size": number(1, MOST, 800), "filepath": text(""), "format": text("png")}
    ),
    "pick_viewport_object": Command(compat_view.pick, _PICK),
    "describe_node_type": Command(compat_docs.node_type, {"bl_idname": text(), "property_overrides": members()}),
    "bpy_api_lookup": Command(compat_docs.lookup, {"query": text("")}),
    "export_scene": Command(compat_export.export, _EXPORT),
    "drain_human_activity": Command(compat_info.human_activity),
    "get_telemetry_consent": Command(compat_info.telemetry_consent),
    "set_telemetry_consent": Command(compat_info.set_telemetry_consent, {"consent": switch(False)}),
}
COMMANDS |= {
    f"get_{service}_status": Command(partial(compat_info.service_status, label=label))
    for service, label in compat_info.SERVICES.items()
}


def read(turn: Turn, *, command: str, params: dict[str, Any]) -> Any:
    """Answer a command in that add-on's shape; a generator where it has to render.

    Raises `not_found` for a command that is none of these, `invalid_params` for its parameters, `path_not_allowed`
    for files elsewhere than in the allowed folders, and `not_found`, `command_failed` and `busy` as the commands do.
    """
    if (known := COMMANDS.get(command)) is None:
        # The client takes these words for those of an add-on that is older than the command.
        raise CommandError("not_found", f"Unknown command type: {command}")
    answer = known.answer(turn, **taken(command, known.parameters, params))
    if isinstance(answer, dict) and "error" in answer:
        turn.failure = ("command_failed", answer["error"])
    return answer
