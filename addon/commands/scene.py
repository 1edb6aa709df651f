# SPDX-License-Identifier: GPL-3.0-or-later
"""The open scene at a glance."""

from __future__ import annotations

import collections
import itertools
from typing import Any

import bpy

from .. import undo
from ..turn import Turn
from .lookup import collection_tree

SELECTED = 100
COLLECTIONS = 1_000
"""How many names are told at most."""


def get(turn: Turn) -> dict[str, Any]:
    """Describe the open scene; see `Scene` in the protocol."""
    scene, view_layer = bpy.context.scene, bpy.context.view_layer
    active, render = view_layer.objects.active, scene.render
    trees = itertools.islice(collection_tree(scene.collection), COLLECTIONS)
    return {
        "name": scene.name,
        "file": bpy.data.filepath,
        # What no undo step holds yet, Blender does not count.
        "dirty": bpy.data.is_dirty or undo.keeper.holds_changes,
        "mode": bpy.context.mode,
        "active_object": active.name if active else None,
        "selected": [selected.name for selected in itertools.islice(view_layer.objects.selected, SELECTED)],
        "objects": dict(collections.Counter(item.type for item in scene.objects)),
        "collections": [collection.name for collection in trees],
        "camera": scene.camera.name if scene.camera else None,
        "world": scene.world.name if scene.world else None,
        "frames": {
            "current": scene.frame_current,
            "start": scene.frame_start,
            "end": scene.frame_end,
            "fps": render.fps / render.fps_base,
        },
        "render": {
            "engine": render.engine,
            "width": render.resolution_x,
            "height": render.resolution_y,
            "percentage": render.resolution_percentage,
        },
        "unit_system": scene.unit_settings.system,
        "unit_scale": scene.unit_settings.scale_length,
    }
