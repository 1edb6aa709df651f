# SPDX-License-Identifier: GPL-3.0-or-later
"""material.set in a real Blender: the Principled BSDF's inputs differ between versions."""

from __future__ import annotations

from typing import Any

import bpy
import pytest
from conftest import Call, close

EVERYTHING: dict[str, Any] = {
    "base_color": [0.1, 0.2, 0.3, 1],
    "metallic": 0.5,
    "roughness": 0.25,
    "transmission": 0.75,
    "alpha": 0.5,
    "emission_color": [1, 0, 0, 1],
    "emission_strength": 3,
}


def principled(name: str) -> bpy.types.Node:
    return next(node for node in bpy.data.materials[name].node_tree.nodes if node.type == "BSDF_PRINCIPLED")


def test_create_and_change(call: Call) -> None:
    assert call("material.set", name="Glass", **EVERYTHING) == {"name": "Glass", "created": True}
    inputs = principled("Glass").inputs
    found = {
        key: list(value) if hasattr(value, "__len__") else value
        for key, value in (
            (name.lower().replace(" ", "_").removesuffix("_weight"), inputs[name].default_value)
            for name in (
                "Base Color",
                "Metallic",
                "Roughness",
                "Transmission Weight",
                "Alpha",
                "Emission Color",
                "Emission Strength",
            )
        )
    }
    assert found == {key: close(value) for key, value in EVERYTHING.items()}
    # Solid viewports show it too.
    assert list(bpy.data.materials["Glass"].diffuse_color) == close([0.1, 0.2, 0.3, 1])
    # What is absent stays.
    assert call("material.set", name="Glass", roughness=1) == {"name": "Glass", "created": False}
    assert inputs["Roughness"].default_value == 1 and inputs["Metallic"].default_value == close(0.5)
    # The material shows, in every version: its node tree is used and its output linked.
    tree = bpy.data.materials["Glass"].node_tree
    assert tree.get_output_node("ALL").inputs["Surface"].links[0].from_node == principled("Glass")


def test_give_it_to_an_object(call: Call, refuses: Call) -> None:
    for name in ("One", "Two"):
        call("object.create", kind="cube", name=name)
    call("object.create", kind="camera")
    call("material.set", name="Red", object="One")
    call("material.set", name="Blue", object="One")
    assert [slot.name for slot in bpy.data.objects["One"].material_slots] == ["Blue"]
    two = bpy.data.objects["Two"]
    two.data.materials.append(None)
    two.material_slots[0].link = "OBJECT"
    call("material.set", name="Red", object="Two")
    assert two.material_slots[0].material.name == "Red" and two.data.materials[0] is None
    refuses("invalid_params", "no materials", "material.set", name="Green", object="Camera")
    refuses("not_found", "'None'", "material.set", name="Green", object="None")
    assert "Green" not in bpy.data.materials


def test_the_shown_principled_is_the_one(call: Call) -> None:
    call("material.set", name="M")
    tree = bpy.data.materials["M"].node_tree
    second = tree.nodes.new("ShaderNodeBsdfPrincipled")
    tree.links.new(second.outputs[0], tree.get_output_node("ALL").inputs["Surface"])
    call("material.set", name="M", metallic=1)
    assert second.inputs["Metallic"].default_value == 1 and principled("M").inputs["Metallic"].default_value == 0


def test_refused(call: Call, refuses: Call) -> None:
    call("material.set", name="M", metallic=0.5)
    tree = bpy.data.materials["M"].node_tree
    texture = tree.nodes.new("ShaderNodeTexNoise")
    tree.links.new(texture.outputs[0], principled("M").inputs["Roughness"])
    refuses("command_failed", "decides it", "material.set", name="M", metallic=1, roughness=0)
    assert principled("M").inputs["Metallic"].default_value == 0.5
    tree.nodes.clear()
    refuses("unsupported", "no Principled BSDF", "material.set", name="M", metallic=1)
    # Only to give it away needs none.
    call("object.create", kind="cube")
    call("material.set", name="M", object="Cube")
    refuses("invalid_params", "bytes", "material.set", name="é" * 128)


@pytest.mark.skipif(bpy.app.version >= (5, 0), reason="all materials have nodes")
def test_material_without_nodes(call: Call) -> None:
    material = bpy.data.materials.new("Plain")
    call("material.set", name="Plain", metallic=1)
    assert material.use_nodes and principled("Plain").inputs["Metallic"].default_value == 1
