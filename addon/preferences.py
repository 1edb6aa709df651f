# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user may choose, kept in Blender's preferences."""

from __future__ import annotations

import os
from typing import Any

import bpy
from bpy.props import BoolProperty, CollectionProperty, FloatProperty, IntProperty, StringProperty

from .turn import TurnPreferences

SERVER_SETTINGS = (
    "port",
    "max_connections",
    "max_sessions",
    "max_queued",
    "max_in_flight",
    "max_queued_mib",
    "max_unread_mib",
    "stall_s",
    "session_ttl_s",
    "drain_s",
    "script_deadline_s",
    "raise_descriptor_limit",
)
"""The properties that the server takes under the same names; it checks them as a whole."""


class SpindleAllowedFolder(bpy.types.PropertyGroup):
    """A folder that clients may read from and write to."""

    path: StringProperty(
        name="Folder", subtype="DIR_PATH", description="Clients may read and write files in this folder and below"
    )


class SpindlePreferences(bpy.types.AddonPreferences):
    """The page in Blender's preferences. Changes apply at the next start of the server."""

    bl_idname = __package__

    autostart: BoolProperty(
        name="Start with Blender",
        default=False,
        description="Switch Spindle on whenever Blender starts with a window",
    )
    port: IntProperty(
        name="Port",
        default=27182,
        min=0,
        max=65535,
        description="The TCP port on this machine to prefer; 0 lets the system choose. Clients find it by themselves",
    )
    script_deadline_s: FloatProperty(
        name="Script Deadline",
        default=180.0,
        min=1.0,
        max=86400.0,
        description="Seconds after which a script is due, unless its request says otherwise",
    )
    run_file_scripts: BoolProperty(
        name="Run Scripts of Opened Files",
        default=False,
        description="Let .blend files that clients open run the scripts inside them",
    )
    allowed_folders: CollectionProperty(type=SpindleAllowedFolder)
    max_connections: IntProperty(
        name="Connections",
        default=128,
        min=1,
        max=10000,
        description="Connections at once; Blender keeps 128 files for itself",
    )
    raise_descriptor_limit: BoolProperty(
        name="Raise the Descriptor Limit",
        default=False,
        description="Let Blender's process open more files than the system's default, to fit the connections above",
    )
    max_sessions: IntProperty(
        name="Clients",
        default=1000,
        min=1,
        max=100000,
        description="Clients remembered at once, connected or lately so; at least as many as connections",
    )
    max_queued: IntProperty(
        name="Waiting Requests", default=4096, min=1, max=100000, description="Requests that wait, over all clients"
    )
    max_in_flight: IntProperty(
        name="Requests per Connection",
        default=1024,
        min=1,
        max=100000,
        description="Requests of one connection that are not yet answered",
    )
    max_queued_mib: IntProperty(
        name="Waiting Data", default=512, min=73, max=16384, description="MiB that all waiting requests may hold"
    )
    max_unread_mib: IntProperty(
        name="Unread Replies",
        default=128,
        min=73,
        max=4096,
        description="MiB of replies that one client may leave unread before it is disconnected",
    )
    stall_s: FloatProperty(
        name="Stall",
        default=30.0,
        min=0.1,
        max=3600.0,
        description="Seconds without progress in the middle of a message before a client is disconnected",
    )
    session_ttl_s: FloatProperty(
        name="Remember Clients",
        default=300.0,
        min=1.0,
        max=86400.0,
        description="Seconds that a client is remembered after its last connection",
    )

    drain_s: FloatProperty(
        name="Farewell",
        default=1.0,
        min=0.0,
        max=60.0,
        description="Seconds that stopping waits for the last replies to leave",
    )

    def draw(self, _context: bpy.types.Context) -> None:
        """Draw the page."""
        layout = self.layout
        layout.use_property_split = True
        layout.prop(self, "autostart")
        layout.prop(self, "port")
        layout.prop(self, "script_deadline_s")
        layout.prop(self, "run_file_scripts")
        self._draw_folders(layout)
        header, body = layout.panel("spindle_limits", default_closed=True)
        header.label(text="Limits")
        if body is not None:
            for name in SERVER_SETTINGS:
                if name not in {"port", "script_deadline_s"}:
                    body.prop(self, name)

    def _draw_folders(self, layout: bpy.types.UILayout) -> None:
        row = layout.row()
        row.label(text="Allowed Folders")
        row.operator("spindle.folder_add", text="", icon="ADD")
        for index, folder in enumerate(self.allowed_folders):
            row = layout.row(align=True)
            row.prop(folder, "path", text="")
            row.operator("spindle.folder_remove", text="", icon="REMOVE").index = index


def get() -> SpindlePreferences | None:
    """This add-on's preferences; None where it runs without being enabled, as from the bpy module."""
    addon = bpy.context.preferences.addons.get(__package__)
    return addon.preferences if addon is not None else None


def server_settings() -> dict[str, Any]:
    """The settings that the server takes; empty, for its defaults, where there are no preferences."""
    preferences = get()
    return {} if preferences is None else {name: getattr(preferences, name) for name in SERVER_SETTINGS}


def output_folder() -> str:
    """Spindle's own folder for what it writes, created at need."""
    try:
        return bpy.utils.extension_path_user(__package__, path="output", create=True)
    except ValueError:
        # Outside an extension repository, as from the bpy module, there is no such folder.
        folder = os.path.join(bpy.app.tempdir, "spindle")
        os.makedirs(folder, exist_ok=True)
        return folder


def for_turn() -> TurnPreferences:
    """What commands may know of the preferences."""
    preferences = get()
    if preferences is None:
        return TurnPreferences(allowed_folders=(), run_file_scripts=False, output_folder=_output())
    folders = tuple(bpy.path.abspath(folder.path) for folder in preferences.allowed_folders if folder.path)
    return TurnPreferences(
        allowed_folders=folders, run_file_scripts=preferences.run_file_scripts, output_folder=_output()
    )


_known_output = ""


def _output() -> str:
    global _known_output
    if not _known_output:
        _known_output = output_folder()
    return _known_output


classes = (SpindleAllowedFolder, SpindlePreferences)
register, unregister = bpy.utils.register_classes_factory(classes)
