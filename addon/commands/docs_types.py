# SPDX-License-Identifier: GPL-3.0-or-later
"""The types of Blender's data, each a class in Python with a struct of RNA, and what belongs to them."""

from __future__ import annotations

from collections.abc import Iterator

import bpy

from . import docs_nodes, docs_python, docs_rna
from .docs_page import Page, Row, given

_EXTENDED = ("PropertyGroup", "Node", "NodeSocket", "NodeTree", "AddonPreferences")
"""Types whose subclasses, when an add-on registers them, are not in `bpy.types`."""


def find(identifier: str) -> type | None:
    """The type with this identifier."""
    if identifier.startswith("_"):
        return None
    # Not by `bl_rna_get_subclass_py`: 4.2 crashes there once an add-on has unregistered its classes.
    found = getattr(bpy.types, identifier, None)
    if found is None:
        found = next((kind for kind in _added() if kind.bl_rna.identifier == identifier), None)
    return found if isinstance(found, type) else None


def type_names() -> list[str]:
    """The identifier of every type."""
    return [name for name in dir(bpy.types) if find(name) is not None] + [kind.bl_rna.identifier for kind in _added()]


def node_types() -> list[type[bpy.types.Node]]:
    """Every type of nodes."""
    kinds = (find(name) for name in type_names())
    return [kind for kind in kinds if kind is not None and issubclass(kind, bpy.types.Node)]


def registered() -> int:
    """A number that changes when types come or go."""
    return hash((*dir(bpy.types), *(kind.bl_rna.identifier for kind in _added())))


def _added() -> Iterator[type[bpy.types.bpy_struct]]:
    """What add-ons have registered and `bpy.types` does not list."""
    waiting = [getattr(bpy.types, name) for name in _EXTENDED]
    while waiting:
        for kind in waiting.pop().__subclasses__():
            waiting.append(kind)
            if "bl_rna" in vars(kind) and not hasattr(bpy.types, kind.bl_rna.identifier):
                yield kind


def name_of(kind: type) -> str:
    """The full name of a type; without `bpy.types.` where Python does not find it there."""
    rna = getattr(kind, "bl_rna", None)
    identifier = str(rna.identifier if rna is not None else kind.__name__)
    return f"bpy.types.{identifier}" if hasattr(bpy.types, identifier) else identifier


def label_of(kind: type) -> str:
    """What the user interface calls a type; empty where that is its identifier."""
    rna: bpy.types.Struct = getattr(kind, "bl_rna")  # noqa: B009 - mypy knows no other way.
    # What Python registers has it in the class.
    label = str(getattr(kind, "bl_label", "") or rna.name)
    return "" if label == rna.identifier else label


def type_page(kind: type) -> Page:
    """A type: its sockets where it is a node's, its members, and those of its bases after them."""
    rna: bpy.types.Struct | None = getattr(kind, "bl_rna", None)
    if rna is None:
        return docs_python.page(name_of(kind), kind)
    identifier = rna.identifier
    page = Page("type", name_of(kind), rna.description, f"item = {docs_rna.places().get(identifier, 'item')}")
    page.label = label_of(kind)
    page.base = rna.base.identifier if rna.base is not None else None
    if issubclass(kind, bpy.types.Node):
        page.kind = "node"
        page.usage = f'node = {docs_nodes.tree_of(identifier)}.nodes.new("{identifier}")'
        rows, page.note = docs_nodes.sockets(kind)
        page.rows = [("sockets", row) for row in rows]
    elif page.usage == "item = item":
        page.usage = f"isinstance(item, {page.name})"
    seen: set[str] = set()
    for level in kind.__mro__[:-1]:
        found = [row for row in _level_rows(level, kind) if row[1]["name"] not in seen]
        seen.update(row["name"] for _, row in found)
        page.rows += found
    return page


def _level_rows(level: type, kind: type) -> list[Row]:
    """What one class among the bases of `kind` defines: in RNA first, then in Python."""
    rows: list[Row] = []
    defined_by = None if level is kind else level.__name__
    if (rna := vars(level).get("bl_rna")) is not None:
        properties, functions = own_members(rna)
        rows += [("properties", docs_rna.property_row(item)) for item in properties]
        rows += [("functions", docs_rna.function_row(item)) for item in functions]
    named = {row["name"] for _, row in rows}
    rows += [row for row in docs_python.level_rows(level, None) if row[1]["name"] not in named]
    return [(section, row | given(defined_by=defined_by)) for section, row in rows]


def own_members(rna: bpy.types.Struct) -> tuple[list[bpy.types.Property], list[bpy.types.Function]]:
    """The properties and functions that a struct does not have from its base; RNA lists those of the base first."""
    base = rna.base
    properties = rna.properties[len(base.properties) if base is not None else 0 :]
    functions = rna.functions[len(base.functions) if base is not None else 0 :]
    return (
        [item for item in properties if item.identifier != "rna_type"],
        [item for item in functions if docs_python.is_for_scripts(item.identifier)],
    )
