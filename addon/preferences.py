# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user may choose, kept in Blender's preferences."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from itertools import groupby
from typing import Any

import bpy
from bpy.props import BoolProperty, CollectionProperty, EnumProperty, FloatProperty, IntProperty, StringProperty

from . import connect_ui, native, session
from .turn import TurnPreferences

SERVER_SETTINGS = ("port", "metrics_port", "log", "log_dir", "guard_level", "raise_descriptor_limit")
"""The properties that the server takes under the same names, besides the limits; it checks all of them as a whole."""

DEADLINE = "script_deadline_s"
"""The limit that is on top of the page, for it is changed most often."""

GUARD_LEVELS = (
    ("trusted", "Trusted", "Run every script; what the checks find is told to the client and logged"),
    ("guarded", "Guarded", "Refuse scripts in which the checks find something dangerous, and run all others"),
    ("ask", "Ask", "Ask you about scripts in which the checks find something dangerous, and run all others"),
    ("locked", "Locked", "Run no scripts at all; clients have only the methods with a fixed purpose"),
)
"""The guard's levels under their names in the settings, the laxest first."""

PROMISE = (
    "An authenticated client can do what you can do. The checks stop accidents and make attacks visible; they do not "
    "contain a determined script."
)

COMPAT_WARNING = (
    "These clients prove nothing about themselves: any program on this machine can drive Blender through this port, "
    "as far as the guard lets it. At Trusted, this port is still Guarded"
)

_LABELS = {"mib": "MiB", "ttl": "TTL", "per": "per"}


def _known_limits() -> tuple[list[native.Limit], str]:
    """The server's table of limits, or why it cannot be read: the page is there in any case."""
    try:
        return native.limits(), ""
    except native.NativeError as error:
        return [], str(error)


LIMITS, LIMITS_MISSING = _known_limits()


def limit_properties(limits: Iterable[native.Limit]) -> dict[str, Any]:
    """A property for each limit, with the same name."""
    return {limit.name: _limit_property(limit) for limit in limits}


def _limit_property(limit: native.Limit) -> Any:
    words = limit.name.removeprefix("max_").removesuffix("_s").split("_")
    shown = {
        "name": " ".join(_LABELS.get(word, word.capitalize()) for word in words),
        "description": f"{limit.summary.removesuffix('.')} ({limit.unit})",
        "default": limit.default,
        "min": limit.least,
        "max": limit.most,
    }
    if isinstance(limit.default, int):
        return IntProperty(**shown)
    return FloatProperty(**shown, subtype="TIME_ABSOLUTE", precision=3)


class SpindleAllowedFolder(bpy.types.PropertyGroup):
    """A folder that clients may read from and write to."""

    path: StringProperty(
        name="Folder", subtype="DIR_PATH", description="Clients may read and write files in this folder and below"
    )


# A base with annotations that are made at run time gives the page its properties in every version of Python: from 3.14
# on, a class's own are evaluated late.
_LimitProperties: Any = type("_LimitProperties", (), {"__annotations__": limit_properties(LIMITS)})


class SpindlePreferences(_LimitProperties, bpy.types.AddonPreferences):
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
    metrics_port: IntProperty(
        name="Metrics Port",
        default=0,
        min=0,
        max=65535,
        description="The TCP port on this machine where Prometheus finds the metrics; 0 for none",
    )
    compat: BoolProperty(
        name="Compatibility: Serve Other Add-ons' Clients",
        default=False,
        description="Listen on a port of its own for programs that were made for other add-ons",
    )
    compat_port: IntProperty(
        name="Compatibility Port",
        default=9876,
        min=1024,
        max=65535,
        description="The TCP port on this machine where other add-ons' clients look for Blender",
    )
    log: BoolProperty(
        name="Log Requests",
        default=True,
        description="Keep a log of all requests, so that it is known what ran, also after a crash",
    )
    log_dir: StringProperty(
        name="Log Folder", subtype="DIR_PATH", description="Where the log goes; empty for the usual place"
    )
    guard_level: EnumProperty(
        name="Scripts",
        items=GUARD_LEVELS,
        default="guarded",
        description="What becomes of the scripts that clients send",
    )
    checkpoint_before_scripts: BoolProperty(
        name="Checkpoint Before Scripts",
        default=False,
        description="Save a copy of the file before each script that may change it, to which a client can return",
    )
    run_file_scripts: BoolProperty(
        name="Run Scripts of Opened Files",
        default=False,
        description="Let .blend files that clients open run the scripts inside them",
    )
    allowed_folders: CollectionProperty(type=SpindleAllowedFolder)
    mcp_server: BoolProperty(
        name="MCP Server",
        default=False,
        description=(
            "Serve AI clients that take a URL, while Spindle is on. Programs on this machine that have the token reach "
            "it, and nobody from outside. Clients that are connected by their own settings do not need it"
        ),
    )
    mcp_port: IntProperty(
        name="MCP Port",
        default=9878,
        min=0,
        max=65535,
        description="The TCP port on this machine that AI clients are told; 0 lets the system choose",
    )
    mcp_token_file: StringProperty(
        name="Token File",
        subtype="FILE_PATH",
        description="Where the secret is that AI clients show. It is made if it is missing; empty for the usual place",
    )
    raise_descriptor_limit: BoolProperty(
        name="Raise the Descriptor Limit",
        default=False,
        description="Let Blender's process open more files than the system's default, to fit the connections above",
    )

    def draw(self, _context: bpy.types.Context) -> None:
        """Draw the page."""
        layout = self.layout
        layout.use_property_split = True
        for name in ("autostart", "port", "metrics_port", "log", "log_dir"):
            layout.prop(self, name)
        layout.separator()
        self._draw_guard(layout)
        for name in (DEADLINE, "checkpoint_before_scripts", "run_file_scripts"):
            if hasattr(self, name):
                layout.prop(self, name)
        self._draw_folders(layout)
        self._draw_compat(layout)
        connect_ui.draw(layout, self)
        header, body = layout.panel("spindle_limits", default_closed=True)
        header.label(text="Limits")
        if body is not None:
            self._draw_limits(body)

    def _draw_guard(self, layout: bpy.types.UILayout) -> None:
        layout.row().prop(self, "guard_level", expand=True)
        chosen = next(description for name, _, description in GUARD_LEVELS if name == self.guard_level)
        connect_ui.draw_text(layout, chosen, "BLANK1")
        server = session.running()
        if server is not None and server.guard() != self.guard_level:
            now = next(label for name, label, _ in GUARD_LEVELS if name == server.guard())
            connect_ui.draw_text(layout, f"It is {now} until Spindle is stopped and started again", "ERROR")
        connect_ui.draw_text(layout, PROMISE, "INFO")

    def _draw_compat(self, layout: bpy.types.UILayout) -> None:
        layout.prop(self, "compat")
        if self.compat:
            layout.prop(self, "compat_port")
            connect_ui.draw_text(layout, COMPAT_WARNING, "ERROR")

    def _draw_limits(self, layout: bpy.types.UILayout) -> None:
        connect_ui.draw_text(layout, LIMITS_MISSING, "ERROR")
        for group, limits in groupby(LIMITS, key=lambda limit: limit.group):
            header, body = layout.panel(f"spindle_limits_{group}", default_closed=True)
            header.label(text=group)
            if body is None:
                continue
            for limit in limits:
                if limit.name != DEADLINE:
                    body.prop(self, limit.name)
                if limit.name == "max_connections":
                    body.prop(self, "raise_descriptor_limit")

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
    """The settings that the user has set, as the server takes them; it knows the defaults of the others."""
    preferences = get()
    if preferences is None:
        return {}
    names = [*SERVER_SETTINGS, *(limit.name for limit in LIMITS)]
    chosen = {name: _chosen(preferences, name) for name in names if preferences.is_property_set(name)}
    if preferences.is_property_set("compat"):
        chosen["compat_port"] = preferences.compat_port if preferences.compat else 0
    return chosen


def _chosen(preferences: SpindlePreferences, name: str) -> Any:
    value = getattr(preferences, name)
    if isinstance(value, float):
        return _as_typed(value)
    return bpy.path.abspath(value) if name.endswith("_dir") else value


def _as_typed(value: float) -> float:
    """The shortest number that single precision, which Blender keeps, cannot tell from this one: 0.1 is 0.1."""
    shortened = (float(f"{value:.{digits}g}") for digits in range(1, 9))
    return next((number for number in shortened if struct.unpack("f", struct.pack("f", number))[0] == value), value)


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
        allowed_folders=folders,
        run_file_scripts=preferences.run_file_scripts,
        output_folder=_output(),
        checkpoint_before_scripts=preferences.checkpoint_before_scripts,
    )


_known_output = ""


def _output() -> str:
    global _known_output
    if not _known_output:
        _known_output = output_folder()
    return _known_output


classes = (SpindleAllowedFolder, SpindlePreferences)
register, unregister = bpy.utils.register_classes_factory(classes)
