# SPDX-License-Identifier: GPL-3.0-or-later
"""What is animated in the open file, and its drivers. Uses bpy."""

from __future__ import annotations

import operator
from itertools import chain
from typing import Any

import bpy


def _collections(member: str) -> tuple[str, ...]:
    """The collections of `bpy.data` whose data-blocks have this member."""
    properties = bpy.types.BlendData.bl_rna.properties
    return tuple(
        found.identifier for found in properties if found.type == "COLLECTION" and member in found.fixed_type.properties
    )


_read_owners = operator.attrgetter(*_collections("animation_data"))
_read_tree_owners = operator.attrgetter(*_collections("node_tree"))


def animated() -> list[Any]:
    """Every data-block with animation, of which drivers are a part; the node trees inside others too."""
    owners = chain.from_iterable(_read_owners(bpy.data))
    trees = (owner.node_tree for owner in chain.from_iterable(_read_tree_owners(bpy.data)))
    found = [owner for owner in owners if owner.animation_data is not None]
    return found + [tree for tree in trees if tree is not None and tree.animation_data is not None]


def revalidate_drivers() -> None:
    """Have Blender try each scripted driver again that an exception has switched off.

    One that fails by itself is switched off again when it is evaluated.
    """
    for owner in animated():
        for curve in owner.animation_data.drivers:
            if curve.driver.type == "SCRIPTED" and not curve.driver.is_valid:
                curve.driver.expression = curve.driver.expression
