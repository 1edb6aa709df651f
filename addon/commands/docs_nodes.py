# SPDX-License-Identifier: GPL-3.0-or-later
"""The sockets of a node, as a new node has them: RNA does not tell them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import bpy

from .. import moments
from ..errors import CommandError
from ..values import ValueFault, plain
from .docs_rna import number

_TREES = (
    ("ShaderNode", "ShaderNodeTree"),
    ("CompositorNode", "CompositorNodeTree"),
    ("TextureNode", "TextureNodeTree"),
    ("GeometryNode", "GeometryNodeTree"),
    ("FunctionNode", "GeometryNodeTree"),
)
"""Which trees take the nodes whose types begin so. The others, such as frames and groups, are at home in each."""
_OF_THE_SCENE = ("CompositorNodeRLayers", "CompositorNodeSwitchView")
"""Nodes whose sockets are a scene's passes or views. A new one also leaves the scene a user too many (5.0)."""


class NotMade(Exception):
    """Why a node cannot be made only to look at it, in a sentence about its sockets."""


def sockets(kind: type[bpy.types.Node]) -> tuple[list[dict[str, Any]], str | None]:
    """The inputs and outputs of a node, as the protocol's `Socket`; or none of them and why."""
    try:
        with made(kind) as (node, _):
            told = [_row(socket, "input") for socket in node.inputs]
            return told + [_row(socket, "output") for socket in node.outputs], None
    except NotMade as fault:
        return [], str(fault)


@contextmanager
def made(kind: type[bpy.types.Node]) -> Iterator[tuple[bpy.types.Node, str]]:
    """A new node of this type, and the type of the tree that it is in. Raises `NotMade`.

    It is made among data that is not the open file's, so nothing there changes and nothing is left.
    """
    if not _is_blenders(kind):
        raise NotMade("its sockets are not told: making one would run the code of the add-on that it comes with")
    identifier = kind.bl_rna.identifier
    if identifier in _OF_THE_SCENE:
        raise NotMade("its sockets are not told: they are the passes or the views of the scene that it shows")
    try:
        moments.refuse_while_rendering()
    except CommandError:
        raise NotMade("its sockets are not told while Blender renders; ask again later") from None
    kind_of_tree = _tree_for(identifier)
    with _without_strays(), bpy.data.temp_data() as data:
        tree = data.node_groups.new("Spindle Docs", kind_of_tree)
        try:
            node = tree.nodes.new(identifier)
        except RuntimeError as error:
            reason = " ".join(str(error).removeprefix("Error: ").split())
            raise NotMade(f"its sockets are not told, as it cannot be made in a tree of its own: {reason}") from None
        try:
            yield node, kind_of_tree
        finally:
            if getattr(node, "scene", None) is not None:
                # Else the scene would keep a user.
                node.scene = None


@contextmanager
def _without_strays() -> Iterator[None]:
    """Undo what some nodes do to the open file when they are made: a viewer adds its image, or a user to one that has
    none, and a text node adds its font."""
    collections = (bpy.data.images, bpy.data.fonts)
    users = {item.session_uid: item.users for collection in collections for item in collection}
    try:
        yield
    finally:
        for collection in collections:
            for item in list(collection):
                if item.session_uid not in users:
                    collection.remove(item)
                elif item.users > users[item.session_uid] == 0:
                    item.user_clear()


def tree_of(identifier: str) -> str:
    """Python for a tree that takes such a node; `tree` where it depends."""
    return "material.node_tree" if identifier.startswith("ShaderNode") else "tree"


def _tree_for(identifier: str) -> str:
    return next((tree for prefix, tree in _TREES if identifier.startswith(prefix)), "GeometryNodeTree")


def _is_blenders(kind: type) -> bool:
    return kind.__module__ in ("bpy.types", "bpy_types", "_bpy_types")


def _row(socket: bpy.types.NodeSocket, direction: str) -> dict[str, Any]:
    row = {"name": socket.name, "identifier": socket.identifier, "direction": direction, "type": socket.bl_idname}
    definition = socket.bl_rna.properties.get("default_value")
    if definition is not None and direction == "input":
        row |= _given_default(socket.default_value)
        if definition.type in ("INT", "FLOAT"):
            bounds = {"min": definition.hard_min, "max": definition.hard_max}
            row |= {key: number(value) for key, value in bounds.items() if abs(value) < 2**31 - 1}
    if not socket.enabled or getattr(socket, "is_unavailable", False):
        row["available"] = False
    return row


def _given_default(value: Any) -> dict[str, Any]:
    """The default as JSON; nothing where it has no such form, or is no data-block."""
    try:
        found = plain(value)
    except ValueFault:
        return {}
    found = [number(item) for item in found] if isinstance(found, list) else number(found)
    return {} if found is None else {"default": found}
