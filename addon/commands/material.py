# SPDX-License-Identifier: GPL-3.0-or-later
"""Materials of the Principled kind."""

from __future__ import annotations

from typing import Any

import bpy

from ..errors import CommandError
from ..turn import Turn
from . import lookup

_INPUTS = {
    "base_color": "Base Color",
    "metallic": "Metallic",
    "roughness": "Roughness",
    "transmission": "Transmission Weight",
    "alpha": "Alpha",
    "emission_color": "Emission Color",
    "emission_strength": "Emission Strength",
}
"""Our names and those of the Principled BSDF's inputs, which are the same from Blender 4.2 to 5.2."""


def set_material(turn: Turn, *, name: str, object: str | None, **options: Any) -> dict[str, Any]:
    """Create or change a Principled material, and give it to an object's first slot. The other parameters are
    those of the protocol. Base colour, metallic and roughness apply to its look in solid viewports too.

    Raises `unsupported` for a material without a Principled BSDF, and `command_failed` where a texture or
    another node decides what is to be set.
    """
    values = {key: options[key] for key in _INPUTS if options[key] is not None}
    target = lookup.scene_object(object) if object is not None else None
    if target is not None:
        lookup.require_material_slot(target, "object")
    material = bpy.data.materials.get((name, None)) or bpy.data.materials.get(name)
    created = material is None
    if created:
        lookup.require_name_fits(name, "name")
        material = bpy.data.materials.new(name)
    elif values:
        lookup.require_editable(material, "name")
        _require_free_inputs(material, values)
    if created or values:
        _use_nodes(material)
        _apply(material, values)
    if target is not None:
        lookup.set_first_material(target, material)
    return {"name": material.name, "created": created}


def _use_nodes(material: bpy.types.Material) -> None:
    # From 5.0 on all materials have nodes, and the switch is deprecated.
    if bpy.app.version < (5, 0):
        material.use_nodes = True


def _principled(material: bpy.types.Material) -> Any:
    """The Principled BSDF that the active output shows, else the first one; None if there is none."""
    output = material.node_tree.get_output_node("ALL")
    links = output.inputs["Surface"].links if output is not None else ()
    if links and links[0].from_node.type == "BSDF_PRINCIPLED":
        return links[0].from_node
    return next((node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED"), None)


def _require_free_inputs(material: bpy.types.Material, values: dict[str, Any]) -> None:
    if material.node_tree is None and bpy.app.version < (5, 0):
        # It will get Blender's default nodes.
        return
    node = _principled(material) if material.node_tree is not None else None
    if node is None:
        raise CommandError("unsupported", f"the material {material.name!r} has no Principled BSDF; use data.set")
    for key in values:
        if links := node.inputs[_INPUTS[key]].links:
            source = links[0].from_node.name
            raise CommandError(
                "command_failed", f"{key}: the node {source!r} of {material.name!r} decides it; unlink it"
            )


def _apply(material: bpy.types.Material, values: dict[str, Any]) -> None:
    inputs = _principled(material).inputs
    for key, value in values.items():
        inputs[_INPUTS[key]].default_value = value
    if "base_color" in values:
        material.diffuse_color = values["base_color"]
    if "metallic" in values:
        material.metallic = values["metallic"]
    if "roughness" in values:
        material.roughness = values["roughness"]
