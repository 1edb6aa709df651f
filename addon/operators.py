# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators: what the panel's buttons do. Each calls one function."""

from __future__ import annotations

import bpy
from bpy.props import IntProperty, StringProperty

from . import preferences, pump, session


class SPINDLE_OT_start(bpy.types.Operator):
    """Let programs on this machine drive this Blender"""

    bl_idname = "spindle.start"
    bl_label = "Start Spindle"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        return session.running() is None

    def execute(self, _context: bpy.types.Context) -> set[str]:
        if pump.start():
            return {"FINISHED"}
        self.report({"ERROR"}, session.last_error())
        return {"CANCELLED"}


class SPINDLE_OT_stop(bpy.types.Operator):
    """Disconnect all clients and stop listening"""

    bl_idname = "spindle.stop"
    bl_label = "Stop Spindle"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        return session.running() is not None

    def execute(self, _context: bpy.types.Context) -> set[str]:
        pump.stop()
        return {"FINISHED"}


class SPINDLE_OT_copy_connection(bpy.types.Operator):
    """Copy port and secret token for a client that cannot find this Blender by itself"""

    bl_idname = "spindle.copy_connection"
    bl_label = "Copy Connection"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        return session.running() is not None

    def execute(self, context: bpy.types.Context) -> set[str]:
        server = session.running()
        if server is None:
            return {"CANCELLED"}
        context.window_manager.clipboard = server.connection_info()
        self.report({"INFO"}, "Copied; whoever has it can do what you can do")
        return {"FINISHED"}


class SPINDLE_OT_cancel(bpy.types.Operator):
    """Cancel this request. One that runs is stopped where it can be"""

    bl_idname = "spindle.cancel"
    bl_label = "Cancel Request"
    bl_options = {"INTERNAL"}

    ticket: StringProperty(options={"HIDDEN"})

    def execute(self, _context: bpy.types.Context) -> set[str]:
        server = session.running()
        if server is None:
            return {"CANCELLED"}
        server.cancel(int(self.ticket))
        return {"FINISHED"}


class SPINDLE_OT_folder_add(bpy.types.Operator):
    """Add a folder that clients may use"""

    bl_idname = "spindle.folder_add"
    bl_label = "Add Folder"
    bl_options = {"INTERNAL"}

    def execute(self, _context: bpy.types.Context) -> set[str]:
        chosen = preferences.get()
        if chosen is None:
            return {"CANCELLED"}
        chosen.allowed_folders.add()
        return {"FINISHED"}


class SPINDLE_OT_folder_remove(bpy.types.Operator):
    """Remove this folder from the list"""

    bl_idname = "spindle.folder_remove"
    bl_label = "Remove Folder"
    bl_options = {"INTERNAL"}

    index: IntProperty(options={"HIDDEN"})

    def execute(self, _context: bpy.types.Context) -> set[str]:
        chosen = preferences.get()
        if chosen is None:
            return {"CANCELLED"}
        chosen.allowed_folders.remove(self.index)
        return {"FINISHED"}


classes = (
    SPINDLE_OT_start,
    SPINDLE_OT_stop,
    SPINDLE_OT_copy_connection,
    SPINDLE_OT_cancel,
    SPINDLE_OT_folder_add,
    SPINDLE_OT_folder_remove,
)
register, unregister = bpy.utils.register_classes_factory(classes)
