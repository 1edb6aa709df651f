# SPDX-License-Identifier: GPL-3.0-or-later
"""From names to what they name. Names compare exactly; what is local wins over what is linked."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import bpy

from ..errors import CommandError, invalid


def not_found(what: str, name: str, place: str, names: Iterable[str]) -> CommandError:
    """`not_found`, with the most similar of the names that do exist."""
    # Only the first thousand: a suggestion is not worth more time.
    similar = difflib.get_close_matches(name, itertools.islice(names, 1_000), 3)
    hint = f"; similar: {', '.join(similar)}" if similar else ""
    return CommandError("not_found", f"no {what} {name!r} in {place}{hint}", name=name, similar=similar)


def scene_object(name: str) -> bpy.types.Object:
    """The object of the open scene with this name."""
    # The view layer finds names by hash, the scene by search; only the scene has all.
    found = bpy.context.view_layer.objects.get(name)
    if found is not None and found.library is None:
        return found
    scene = bpy.context.scene
    named = [candidate for candidate in scene.objects if candidate.name == name]
    if not named:
        raise not_found("object", name, f"the scene {scene.name!r}", (other.name for other in scene.objects))
    return next((candidate for candidate in named if candidate.library is None), named[0])


def collection_tree(root: bpy.types.Collection) -> Iterator[bpy.types.Collection]:
    """The collections below `root`, depth first, each once."""
    seen = set()
    waiting = list(reversed(root.children))
    while waiting:
        collection = waiting.pop()
        if collection not in seen:
            seen.add(collection)
            yield collection
            waiting.extend(reversed(collection.children))


def scene_collection(name: str) -> bpy.types.Collection:
    """The collection of the open scene with this name; its root counts."""
    scene = bpy.context.scene
    known = [scene.collection, *collection_tree(scene.collection)]
    named = [collection for collection in known if collection.name == name]
    if not named:
        raise not_found("collection", name, f"the scene {scene.name!r}", (other.name for other in known))
    return next((collection for collection in named if collection.library is None), named[0])


def block(collection: str, name: str) -> bpy.types.ID:
    """The data-block `name` of `bpy.data.<collection>`."""
    definition = bpy.types.BlendData.bl_rna.properties.get(collection)
    if definition is None or definition.type != "COLLECTION":
        known = [item.identifier for item in bpy.types.BlendData.bl_rna.properties if item.type == "COLLECTION"]
        raise invalid("block.collection", f"no collection {collection!r} of bpy.data; known: {', '.join(known)}")
    blocks = getattr(bpy.data, collection)
    found = blocks.get((name, None)) or blocks.get(name)
    if found is None:
        raise not_found(definition.fixed_type.name.lower(), name, f"bpy.data.{collection}", blocks.keys())
    return found


def require_editable(item: bpy.types.ID, where: str) -> None:
    """Refuse what is linked from another file."""
    if not item.is_editable:
        origin = f"linked from {item.library.filepath}" if item.library is not None else "read-only"
        raise invalid(where, f"{item.name!r} is {origin}; only local data, or a library override, can be changed")


def require_name_fits(name: str, where: str) -> None:
    """Refuse a name that Blender would cut."""
    # The definition counts the terminator.
    limit = bpy.types.ID.bl_rna.properties["name"].length_max - 1
    if len(name.encode()) > limit:
        raise invalid(where, f"{len(name.encode())} bytes, this Blender keeps {limit}")


def material_for(name: str, target: bpy.types.Object, where: str) -> bpy.types.Material:
    """The material `name`, if `target` can have it in its first slot."""
    material = block("materials", name)
    require_material_slot(target, where)
    return material


def require_material_slot(target: bpy.types.Object, where: str) -> None:
    """Refuse an object whose first material cannot be set."""
    require_editable(target, where)
    if not hasattr(target.data, "materials"):
        raise invalid(where, f"{target.name!r} is of type {target.type}, which has no materials")
    if not target.material_slots or target.material_slots[0].link == "DATA":
        require_editable(target.data, where)


def set_first_material(target: Any, material: bpy.types.Material) -> None:
    """Put the material into the first slot, made if there is none."""
    if target.material_slots:
        target.material_slots[0].material = material
    else:
        target.data.materials.append(material)
