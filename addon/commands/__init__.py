# SPDX-License-Identifier: GPL-3.0-or-later
"""Every method that runs on Blender's main thread: its name and its function.

A function takes the turn and the request's parameters by keyword, and returns a plain dict, or is a generator that
ends with one. The parameters' shapes and ranges have been checked; what they mean in this file has not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import compat, compat_script, data, docs, edit, file, material, object, operator, render, scene, script, view

TABLE: dict[str, Callable[..., Any]] = {
    "script.run": script.run,
    "scene.get": scene.get,
    "object.list": object.list_objects,
    "object.get": object.get,
    "object.create": object.create,
    "object.set": object.set_object,
    "object.delete": object.delete,
    "material.set": material.set_material,
    "data.get": data.get,
    "data.set": data.set_value,
    "operator.call": operator.call,
    "docs.get": docs.get,
    "docs.search": docs.search,
    "view.capture": view.capture,
    "render.image": render.image,
    "render.animation": render.animation,
    "file.new": file.new_file,
    "file.open": file.open_file,
    "file.save": file.save_file,
    "edit.undo": edit.undo,
    "edit.redo": edit.redo,
    "edit.group_begin": edit.group_begin,
    "edit.group_end": edit.group_end,
    "edit.checkpoints": edit.checkpoints,
    "edit.restore": edit.restore,
    "compat.read": compat.read,
    "compat.execute": compat_script.execute,
}
"""In the order of the protocol's methods."""
