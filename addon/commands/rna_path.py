# SPDX-License-Identifier: GPL-3.0-or-later
"""RNA paths, as Blender's Copy Data Path gives them, parsed and followed step by step. Never evaluated: only
properties that RNA defines, items of collections and arrays, and custom properties can be reached."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Any

import bpy
import idprop
import mathutils

from ..errors import CommandError, invalid

_STEP = re.compile(
    r'(?P<dot>\.)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)|\[(?P<index>[0-9]{1,9})\]|\["(?P<key>(?:[^"\\]|\\.)*)"\]'
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f"}
_ARRAYS = (
    bpy.types.bpy_prop_array,
    idprop.types.IDPropertyArray,
    mathutils.Vector,
    mathutils.Color,
    mathutils.Euler,
    mathutils.Quaternion,
    mathutils.Matrix,
    list,
)


@dataclass(frozen=True, slots=True)
class Name:
    """The name of an RNA property."""

    text: str


Step = Name | int | str
"""A property, an index, or a key: of a collection's item or a custom property."""


@dataclass(slots=True)
class Place:
    """Where a path has led to."""

    value: Any
    """What is there; None also where a custom property does not exist yet."""
    owner: Any = None
    """The struct, or group of custom properties, that `key` belongs to; None for a collection's item."""
    key: str = ""
    definition: Any = None
    """The RNA definition, a `bpy.types.Property`; None for a custom property or a collection's item."""
    indices: tuple[int, ...] = ()
    """Which item of an array."""
    missing: bool = False
    """Whether it is a custom property that does not exist."""

    @property
    def is_custom(self) -> bool:
        """Whether it is a custom property, or an item of one."""
        return self.owner is not None and self.definition is None


def parse(path: str) -> list[Step]:
    """The steps of a path. Raises `invalid_params`."""
    steps: list[Step] = []
    position = 0
    while position < len(path):
        match = _STEP.match(path, position)
        if match is None or bool(match["dot"]) != bool(steps and match["name"]):
            raise invalid("path", f"{path!r} is no RNA path at character {position + 1}, such as modifiers[0].width")
        position = match.end()
        if match["name"]:
            steps.append(Name(match["name"]))
        elif match["index"]:
            steps.append(int(match["index"]))
        else:
            steps.append(_ESCAPE.sub(lambda escape: _ESCAPED.get(escape[1], escape[1]), match["key"]))
    if not steps:
        raise invalid("path", "it is empty; name a property, such as location")
    return steps


def find(block: bpy.types.ID, path: str) -> Place:
    """Where the path below this data-block leads. Raises `invalid_params` naming the step that leads nowhere."""
    place = Place(block)
    for number, step in enumerate(parse(path), 1):
        try:
            place = _follow(place, step)
        except _NoWay as fault:
            raise invalid("path", f"{path!r}, step {number}: {fault}") from None
    return place


class _NoWay(Exception):
    """Why a step leads nowhere."""


def _follow(place: Place, step: Step) -> Place:
    value = place.value
    if place.missing:
        raise _NoWay(f"there is no custom property {place.key!r}")
    if value is None:
        raise _NoWay(f"{place.key!r} is empty")
    if isinstance(step, Name):
        return _property(value, step.text)
    if isinstance(step, int):
        return _item(place, value, step)
    if isinstance(value, bpy.types.bpy_prop_collection):
        found = value.get(step)
        if found is None:
            similar = difflib.get_close_matches(step, value.keys(), 3)
            raise _NoWay(f"no item {step!r}" + (f"; similar: {', '.join(similar)}" if similar else ""))
        return Place(found)
    return _custom(value, step)


def _property(value: Any, name: str) -> Place:
    # Collections such as `view_layer.objects` have properties too.
    rna = getattr(value, "bl_rna", None)
    if rna is None:
        raise _NoWay(f"{name!r} of what has no properties")
    definition = rna.properties.get(name)
    if definition is None:
        similar = difflib.get_close_matches(name, rna.properties.keys(), 3)
        hint = f"; similar: {', '.join(similar)}" if similar else ""
        raise _NoWay(f"a {rna.identifier} has no property {name!r}{hint}")
    return Place(getattr(value, name), value, name, definition)


def _item(place: Place, value: Any, index: int) -> Place:
    is_collection = isinstance(value, bpy.types.bpy_prop_collection)
    if not is_collection and not isinstance(value, _ARRAYS):
        raise _NoWay(f"[{index}] of what is no array or collection")
    if index >= len(value):
        raise _NoWay(f"[{index}] of {len(value)} items")
    if is_collection:
        return Place(value[index])
    return Place(value[index], place.owner, place.key, place.definition, (*place.indices, index))


def _custom(value: Any, key: str) -> Place:
    try:
        known = value.keys()
    except (AttributeError, TypeError):
        raise _NoWay(f"{key!r} of what has no custom properties") from None
    if key in known:
        return Place(value[key], value, key)
    return Place(None, value, key, missing=True)


def require_there(place: Place) -> Any:
    """The value at a place. Raises `not_found` for a custom property that does not exist."""
    if place.missing:
        raise CommandError("not_found", f"there is no custom property {place.key!r}", name=place.key)
    return place.value
