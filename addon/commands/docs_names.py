# SPDX-License-Identifier: GPL-3.0-or-later
"""From a name, in any of the forms in which people write it, to what the running Blender tells about it."""

from __future__ import annotations

import difflib
import re
from typing import Any, NamedTuple

import bpy

from ..errors import invalid
from . import docs_python, docs_rna, docs_types
from .docs_page import Page, Row, given, unknown

_PATH = re.compile(r"\w+(?:\[[^\]]*\])?(?:\.\w+(?:\[[^\]]*\])?)*")
_STEP = re.compile(r"(\w+)(\[)?")
_CALL = re.compile(r"\(.*\)$", re.DOTALL)
_OPERATOR = re.compile(r"([A-Z][A-Z0-9_]*?)_OT_(\w+)")
_ROOTS = {"data": "BlendData", "context": "Context"}


class Step(NamedTuple):
    """A word of a path, and whether an item is taken of it: `objects["Cube"]`."""

    word: str
    indexed: bool


def page_of(name: str) -> Page:
    """What a name stands for. Raises `not_found` with the closest names."""
    text = _CALL.sub("", name.strip()).strip()
    if _PATH.fullmatch(text) is None:
        return _node_by_label(name)
    steps = [Step(word, bool(index)) for word, index in _STEP.findall(re.sub(r"\[[^\]]*\]", "[", text))]
    words = [step.word for step in steps]
    if words[0] == "bpy" and len(words) > 1:
        return _in_bpy(text, steps)
    if (operator := _OPERATOR.fullmatch(words[0])) is not None:
        return _operator(operator[1].lower(), operator[2], words[1:])
    if (kind := docs_types.find(words[0])) is not None:
        return _in_type(kind, steps[1:])
    if words[0] in dir(bpy.ops):
        return _in_operators(words)
    if words[0] in docs_python.MODULES:
        return _in_module(text, words)
    return _node_by_label(name)


def _in_bpy(text: str, steps: list[Step]) -> Page:
    words = [step.word for step in steps]
    if words[1] == "types":
        if len(words) == 2:
            raise invalid("name", "bpy.types has thousands; name one of them, or look for it with docs.search")
        is_known = "_OT_" in words[2] or docs_types.find(words[2]) is not None
        return page_of(text.split(".", 2)[2]) if is_known else _no_type(words[2])
    if words[1] == "ops":
        return _in_operators(words[2:])
    if words[1] in _ROOTS:
        return _in_type(getattr(bpy.types, _ROOTS[words[1]]), steps[2:])
    return _in_module(text, words)


def _in_module(text: str, words: list[str]) -> Page:
    """The longest beginning that is a module, and what the rest leads to there."""
    for length in range(len(words), 0, -1):
        name = ".".join(words[:length])
        if name in docs_python.MODULES and (found := docs_python.module(name)) is not None:
            rest = words[length:]
            return docs_python.find(name, found, rest) if rest else docs_python.module_page(name, found)
    raise unknown(text, difflib.get_close_matches(text, docs_python.MODULES, 5))


def _in_operators(words: list[str]) -> Page:
    if len(words) > 1:
        return _operator(words[0], words[1], words[2:])
    modules = dir(bpy.ops)
    if not words:
        rows: list[Row] = [("properties", {"name": name, "type": "module"}) for name in modules]
        return Page("module", "bpy.ops", "Blender's operators, by module", "bpy.ops.mesh.primitive_cube_add()", rows)
    if words[0] not in modules:
        raise unknown(words[0], difflib.get_close_matches(words[0], modules, 5), "bpy.ops")
    functions = dir(getattr(bpy.ops, words[0]))
    rows = [("functions", _operator_row(words[0], name)) for name in functions]
    name = f"bpy.ops.{words[0]}"
    return Page("module", name, f"{len(functions)} operators", f"{name}.{functions[0]}()", rows)


def operator_rna(module: str, function: str) -> bpy.types.Struct | None:
    """The definition of an operator; None where there is none of this name."""
    try:
        return getattr(getattr(bpy.ops, module), function).get_rna_type()
    except (KeyError, AttributeError):
        return None


def _operator_row(module: str, function: str) -> dict[str, Any]:
    rna = operator_rna(module, function)
    return given(name=function, signature=f"{function}(…)", description=rna.description if rna is not None else "")


def _operator(module: str, function: str, rest: list[str]) -> Page:
    rna = operator_rna(module, function)
    if rna is None:
        names = [f"{other}.{name}" for other in dir(bpy.ops) for name in dir(getattr(bpy.ops, other))]
        raise unknown(f"{module}.{function}", difflib.get_close_matches(f"{module}.{function}", names, 5), "bpy.ops")
    if not rest:
        return docs_rna.operator_page(module, function, rna)
    if (definition := rna.properties.get(rest[0])) is None or len(rest) > 1:
        raise unknown(".".join(rest), difflib.get_close_matches(rest[0], rna.properties.keys(), 5), function)
    name = f"bpy.ops.{module}.{function}"
    page = docs_rna.property_page(name, name, definition)
    page.usage = f"{name}({definition.identifier}={docs_rna.python_default(definition)})"
    return page


def _in_type(kind: type, steps: list[Step]) -> Page:
    """A type, or what a path leads to from it through pointers and collections."""
    if not steps:
        return docs_types.type_page(kind)
    for index, step in enumerate(steps):
        rna: bpy.types.Struct | None = getattr(kind, "bl_rna", None)
        is_last = index == len(steps) - 1
        definition = rna.properties.get(step.word) if rna is not None else None
        if definition is None or (is_last and not step.indexed):
            return _member(kind, rna, [step.word for step in steps[index:]])
        following = None if is_last else steps[index + 1].word
        if (struct := _behind(definition, step.indexed, following)) is None:
            raise unknown(following or "[…]", [], f"{docs_types.name_of(kind)}.{step.word}, which has no members")
        kind = docs_types.find(struct.identifier) or _no_type(struct.identifier)
    return docs_types.type_page(kind)


def _behind(definition: bpy.types.Property, indexed: bool, following: str | None) -> bpy.types.Struct | None:
    """The struct in which a path goes on behind a property: an item's, or that of the collection itself."""
    if definition.type == "COLLECTION" and not indexed and definition.srna is not None:
        own = definition.srna
        if following in own.properties or following in own.functions:
            return own
    return definition.fixed_type if definition.type in ("POINTER", "COLLECTION") else None


def _member(kind: type, rna: bpy.types.Struct | None, words: list[str]) -> Page:
    """The property or function of a type, in RNA or in Python."""
    word, owner = words[0], docs_types.name_of(kind)
    item = docs_rna.places().get(rna.identifier if rna is not None else "", "item")
    if len(words) == 1 and rna is not None:
        if (definition := rna.properties.get(word)) is not None:
            return docs_rna.property_page(owner, item, definition)
        if (function := rna.functions.get(word)) is not None:
            return docs_rna.function_page(owner, item, function)
    members = docs_python.members(kind)
    if len(words) == 1 and word in members:
        page = docs_python.page(f"{owner}.{word}", members[word])
        text, _ = docs_python.described(members[word], word)
        page.usage = f"{item}.{text}" if page.kind == "function" else f"value = {item}.{word}"
        return page
    known = [*members, *(rna.properties.keys() if rna else ()), *(rna.functions.keys() if rna else ())]
    raise unknown(".".join(words), difflib.get_close_matches(word, known, 5), owner)


def _node_by_label(name: str) -> Page:
    label = " ".join(name.split()).casefold()
    named = [kind for kind in docs_types.node_types() if docs_types.label_of(kind).casefold() == label]
    if len(named) > 1:
        choices = ", ".join(kind.bl_rna.identifier for kind in named)
        raise invalid("name", f"{len(named)} nodes are labelled {name!r}; name one of {choices}")
    return docs_types.type_page(named[0]) if named else _no_type(name)


def _no_type(name: str) -> Any:
    labels = [docs_types.label_of(kind) for kind in docs_types.node_types()]
    # Of those that differ only in letter case, the last one is told.
    known = {other.casefold(): other for other in (*dir(bpy.ops), *docs_python.MODULES, *labels)}
    known |= {other.casefold(): other for other in docs_types.type_names()}
    raise unknown(name, [known[other] for other in difflib.get_close_matches(name.casefold(), known, 5)])
