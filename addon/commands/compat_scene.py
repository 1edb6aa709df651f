# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients of the popular add-on read of the scene: an overview, its objects one by one, and names to mention.

Numbers that are not finite are null, which that add-on sends as JSON that most programs cannot read.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import bpy

from ..turn import Turn
from .describe import describe, finite
from .lookup import block

OVERVIEW = 10
"""Objects that an overview tells at most, as clients expect it."""
ITEMS = 100
"""Names to mention at most."""
USERS = 3
"""Objects that are told of a material."""


def scene_info(turn: Turn) -> dict[str, Any]:
    """The open scene at a glance; locations in hundredths."""
    scene = bpy.context.scene
    objects = describe(itertools.islice(scene.objects, OVERVIEW), ("name", "type", "location"))
    return {
        "name": scene.name,
        "object_count": len(scene.objects),
        "objects": [told | {"location": rounded(told["location"], 2)} for told in objects],
        "materials_count": len(bpy.data.materials),
    }


def object_info(turn: Turn, *, name: str) -> dict[str, Any]:
    """An object of the open file. Raises `not_found`."""
    item = block("objects", name)
    told = describe([item], ("name", "type", "location", "scale", "visible", "materials", "bounds", "counts"))[0]
    info = {key: told[key] for key in ("name", "type", "location", "scale", "visible")}
    info["rotation"] = finite(item.rotation_euler)
    info["materials"] = used_materials(told)
    if item.type == "MESH":
        counts = told["counts"]
        info["world_bounding_box"] = told["bounds"]
        info["mesh"] = {"vertices": counts["vertices"], "edges": counts["edges"], "polygons": counts["faces"]}
    return info


def items(turn: Turn, *, query: str, limit: float) -> dict[str, Any]:
    """Objects, materials and collections with the text in their names, those that begin with it first. A limit of 0
    stands for none, as one that was not given."""
    needle = query.strip().lower()
    most = max(1, min(int(limit or 30), ITEMS))
    found = [item for item in _items() if needle in item["name"].lower()]
    found.sort(key=lambda item: not item["name"].lower().startswith(needle))
    return {"items": found[:most], "total": len(found)}


def detail(kind: str, collections: Sequence[str]) -> str:
    """What an object is, for people."""
    return f"{kind.title()} in the collection {collections[0]!r}" if collections else f"{kind.title()} in no collection"


def rounded(values: Iterable[float | None], digits: int) -> list[float | None]:
    """The same with so many digits behind the point."""
    return [rounded_one(value, digits) for value in values]


def rounded_one(value: float | None, digits: int) -> float | None:
    """A number with so many digits behind the point, or None for what is none."""
    return round(value, digits) if value is not None and math.isfinite(value) else None


def used_materials(told: dict[str, Any]) -> list[str]:
    """Of what `describe` tells the materials, without the slots that are empty."""
    return [name for name in told["materials"] if name is not None]


def _items() -> Iterator[dict[str, str]]:
    objects = describe(bpy.context.scene.objects, ("name", "type", "collections", "materials"))
    users: dict[str, list[str]] = {}
    for told in objects:
        yield {"kind": "object", "name": told["name"], "detail": detail(told["type"], told["collections"])}
        for material in used_materials(told):
            users.setdefault(material, []).append(told["name"])
    for material in bpy.data.materials:
        yield {"kind": "material", "name": material.name, "detail": _material_detail(users.get(material.name, []))}
    for collection in bpy.data.collections:
        count = len(collection.all_objects)
        yield {"kind": "collection", "name": collection.name, "detail": f"Collection with objects: {count}"}


def _material_detail(users: list[str]) -> str:
    if not users:
        return "Material that no object of this scene has"
    more = f" and {len(users) - USERS} more" if len(users) > USERS else ""
    return f"Material of {', '.join(users[:USERS])}{more}"
