# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients of the popular add-on look up: types of nodes with their sockets, and Blender's Python API.

Names of what add-ons have defined are told as `docs.get` tells them: none of their code runs for it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

import bpy

from ..errors import CommandError
from ..turn import Turn
from ..values import ValueFault, plain
from . import docs_names, docs_nodes, docs_rna, docs_types, rna_value

SIMILAR = 15
"""Names that are offered for one that there is not."""

NOTE = (
    "The sockets are those that the node has with these values of its properties. Others can bring, take away or "
    "move sockets: give property_overrides to see them"
)

_FLAGS = ("is_required", "is_readonly", "is_argument_optional", "array_length")
_OF_NUMBERS = ("hard_min", "hard_max", "soft_min", "soft_max", "subtype", "unit", "step")
_SETTABLE = ("BOOLEAN", "ENUM", "FLOAT", "INT")
"""Types of properties that decide what sockets there are. Others reach for files and data-blocks."""


def node_type(turn: Turn, *, bl_idname: str, property_overrides: dict[str, Any]) -> dict[str, Any]:
    """A type of nodes: its own properties, and the sockets that a new node has with these properties changed."""
    kind = docs_types.find(bl_idname)
    if kind is None or not issubclass(kind, bpy.types.Node):
        known = [found.bl_rna.identifier for found in docs_types.node_types()]
        return {"error": f"no type of nodes is called {bl_idname!r}", "did_you_mean": similar(bl_idname, known)}
    try:
        with docs_nodes.made(kind) as (node, tree):
            return _node(node, tree, property_overrides)
    except docs_nodes.NotMade as fault:
        return {"error": f"{bl_idname}: {fault}", "attempts": []}


def lookup(turn: Turn, *, query: str) -> dict[str, Any]:
    """An operator by its path, a type, or a property or function of one."""
    words = [word for word in query.strip().removeprefix("bpy.").split(".") if word]
    if words[:1] == ["ops"]:
        return _operator([word.partition("(")[0] for word in words[1:3]])
    words = [word for word in words if word != "types"]
    if not words:
        return {"error": "name a type, such as Object, or an operator, such as bpy.ops.mesh.primitive_cube_add"}
    kind = docs_types.find(words[0])
    rna: bpy.types.Struct | None = getattr(kind, "bl_rna", None)
    if rna is None:
        problem = f"{words[0]!r} is no type that Blender describes"
        return {"error": problem, "did_you_mean": similar(words[0], docs_types.type_names())}
    return _type(words[0], rna) if len(words) == 1 else _member(words[0], rna, words[1])


def similar(name: str, known: Iterable[str]) -> list[str]:
    """The names that have this one in them, or else those that are close to it."""
    by_folded = {other.casefold(): other for other in known}
    inside = sorted(other for folded, other in by_folded.items() if name.casefold() in folded)
    close = difflib.get_close_matches(name.casefold(), by_folded, SIMILAR) if not inside else ()
    return inside[:SIMILAR] or [by_folded[folded] for folded in close]


def _node(node: bpy.types.Node, tree: str, overrides: dict[str, Any]) -> dict[str, Any]:
    warnings = [text for name, value in overrides.items() if (text := _override(node, name, value)) is not None]
    common = bpy.types.Node.bl_rna.properties
    told = {
        "bl_idname": node.bl_idname,
        "label": node.bl_label,
        "instantiated_in": tree,
        "properties": [_property(item) for item in node.bl_rna.properties if item.identifier not in common],
        "inputs": [_socket(index, socket) for index, socket in enumerate(node.inputs)],
        "outputs": [_socket(index, socket) for index, socket in enumerate(node.outputs)],
        "applied_property_overrides": overrides,
        "note": NOTE,
    }
    return told | ({"warnings": warnings} if warnings else {})


def _override(node: bpy.types.Node, name: str, value: Any) -> str | None:
    """Set a property of a node that is only looked at; what is wrong with it, or None."""
    definition = node.bl_rna.properties.get(name)
    if definition is None or definition.is_readonly or definition.type not in _SETTABLE:
        return f"{name!r} is no property of {node.bl_idname} that could decide about sockets"
    shape = rna_value.shape_of(definition, getattr(node, name))
    try:
        setattr(node, name, rna_value.converted(definition, value, name, str, shape))
    except (CommandError, TypeError, ValueError) as fault:
        return str(fault)
    return None


def _socket(index: int, socket: bpy.types.NodeSocket) -> dict[str, Any]:
    told = {
        "index": index,
        "identifier": socket.identifier,
        "name": socket.name,
        "type": socket.type,
        "is_multi_input": socket.is_multi_input,
        "hide_value": socket.hide_value,
        "is_linked": socket.is_linked,
    }
    if hasattr(socket, "default_value"):
        try:
            told["default_value"] = plain(socket.default_value)
        except ValueFault:
            told["default_value"] = None
    return told


def _operator(words: list[str]) -> dict[str, Any]:
    if len(words) < 2:
        return {"error": "name an operator in full, such as bpy.ops.mesh.primitive_cube_add"}
    name = f"bpy.ops.{'.'.join(words)}"
    if (rna := docs_names.operator_rna(*words)) is None:
        return {"error": f"Blender has no operator {name}"}
    parameters = [_property(item) for item in rna.properties if item.identifier != "rna_type"]
    told = {"kind": "operator", "idname": name, "label": rna.name, "description": rna.description}
    return told | {"parameters": parameters}


def _type(name: str, rna: bpy.types.Struct) -> dict[str, Any]:
    return {
        "kind": "type",
        "bl_idname": name,
        "description": rna.description,
        "properties": [_property(item) for item in rna.properties if item.identifier != "rna_type"],
        "functions": [_function(item) for item in rna.functions],
    }


def _member(owner: str, rna: bpy.types.Struct, name: str) -> dict[str, Any]:
    if (definition := rna.properties.get(name)) is not None:
        return _property(definition) | {"kind": "property", "owner_type": owner}
    if (function := rna.functions.get(name)) is not None:
        return {"kind": "function", "owner_type": owner} | _function(function)
    known = [*rna.properties.keys(), *rna.functions.keys()]
    return {"error": f"{owner} has neither a property nor a function {name!r}", "did_you_mean": similar(name, known)}


def _function(function: bpy.types.Function) -> dict[str, Any]:
    parameters = function.parameters
    return {
        "identifier": function.identifier,
        "description": function.description,
        "parameters": [_property(item) for item in parameters if not item.is_output],
        "returns": [_property(item) for item in parameters if item.is_output],
    }


def _property(definition: bpy.types.Property) -> dict[str, Any]:
    told = {
        "identifier": definition.identifier,
        "name": definition.name,
        "type": definition.type,
        "description": definition.description,
    }
    told |= _given(definition, _FLAGS)
    if definition.type == "ENUM":
        told["enum_items"] = [item["identifier"] for item in docs_rna.values_of(definition)]
        told["default"] = definition.default
    elif definition.type in ("FLOAT", "INT"):
        told["default"] = _default(definition)
        told |= _given(definition, _OF_NUMBERS)
    elif definition.type in ("BOOLEAN", "STRING"):
        told["default"] = definition.default
    elif definition.type in ("POINTER", "COLLECTION") and definition.fixed_type is not None:
        told[f"{definition.type.lower()}_type"] = definition.fixed_type.identifier
    return told


def _given(definition: bpy.types.Property, names: Iterable[str]) -> dict[str, Any]:
    """The members of a definition that it has."""
    found = {name: docs_rna.number(getattr(definition, name, None)) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def _default(definition: bpy.types.Property) -> Any:
    if not definition.array_length:
        return docs_rna.number(definition.default)
    return [docs_rna.number(value) for value in definition.default_array]
