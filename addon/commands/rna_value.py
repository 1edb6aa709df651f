# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON values to what an RNA property takes, checked against its definition first: Blender itself would clamp
a number, cut a text, and say little about the rest."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from typing import Any

import bpy
from mathutils import Matrix

from ..errors import CommandError, invalid
from ..paths import allowed_path
from ..turn import TurnPreferences
from . import lookup

PathCheck = Callable[[str], str]
"""Takes a client's path and returns the one to use, or raises `path_not_allowed`."""

_EXPECTED = {"BOOLEAN": "true or false", "INT": "a whole number", "FLOAT": "a number"}
_UP = re.compile(r"(^|[\\/])\.\.($|[\\/])")


def resolving(preferences: TurnPreferences) -> PathCheck:
    """A path check that gives the resolved path, for operators: few of them know what `//` means."""

    def check(path: str) -> str:
        resolved = allowed_path(path, preferences)
        # For some operators a folder is one only with its separator.
        return resolved + os.sep if path.endswith(("/", "\\")) else resolved

    return check


def keeping(preferences: TurnPreferences) -> PathCheck:
    """A path check that gives the path as it is, for properties: there `//` keeps a file portable."""

    def check(path: str) -> str:
        allowed_path(path, preferences)
        return path

    return check


def converted(
    definition: bpy.types.Property, value: Any, where: str, check_path: PathCheck, shape: Sequence[int] = ()
) -> Any:
    """The value as Blender takes it. `shape` is that of the array, empty for a single value.

    Raises `invalid_params` with `where` and what was expected there, and `path_not_allowed`.
    """
    if shape:
        items = _array(definition, value, where, check_path, shape)
        # What Blender gives as a Matrix, by rows, it takes by columns from nested lists.
        is_matrix = definition.subtype == "MATRIX" and tuple(shape) in ((3, 3), (4, 4))
        return Matrix(items) if is_matrix else items
    if definition.type in _EXPECTED:
        return _number(definition, value, where)
    if definition.type == "STRING":
        return _text(definition, value, where, check_path)
    if definition.type == "ENUM":
        return _choice(definition, value, where)
    if definition.type == "POINTER":
        return _pointer(definition, value, where)
    return _items(definition, value, where, check_path)


def shape_of(definition: bpy.types.Property, current: Any = None) -> tuple[int, ...]:
    """The dimensions of an array property, empty for any other. Those of a dynamic one, such as an image's
    pixels, are those of its current value."""
    if not getattr(definition, "is_array", False):
        return ()
    if definition.array_length == 0:
        return (len(current),) if current is not None else ()
    return tuple(size for size in definition.array_dimensions if size) or (definition.array_length,)


def _array(
    definition: bpy.types.Property, value: Any, where: str, check_path: PathCheck, shape: Sequence[int]
) -> list[Any]:
    if hasattr(value, "tolist") and hasattr(value, "dtype"):
        value = value.tolist()
    if not isinstance(value, list) or len(value) != shape[0]:
        got = f"{len(value)} items" if isinstance(value, list) else _shown(value)
        raise invalid(where, f"expected an array of {' x '.join(map(str, shape))}, got {got}")
    return [converted(definition, item, f"{where}[{index}]", check_path, shape[1:]) for index, item in enumerate(value)]


def _number(definition: bpy.types.Property, value: Any, where: str) -> Any:
    types: dict[str, tuple[type, ...]] = {"BOOLEAN": (bool,), "INT": (int,), "FLOAT": (int, float)}
    if type(value) not in types[definition.type]:
        raise invalid(where, f"expected {_EXPECTED[definition.type]}, got {_shown(value)}")
    if definition.type != "BOOLEAN":
        least, most = definition.hard_min, definition.hard_max
        # The limits of a FLOAT are 32-bit: 0.1 is a little off as such a limit, and 0.1 must fit.
        slack = 1e-6 if definition.type == "FLOAT" else 0
        if not least - abs(least) * slack <= value <= most + abs(most) * slack:
            raise invalid(where, f"{value} is not within {least:.9g} and {most:.9g}")
    return value


def _text(definition: bpy.types.Property, value: Any, where: str, check_path: PathCheck) -> str | bytes:
    if not isinstance(value, str):
        raise invalid(where, f"expected a text, got {_shown(value)}")
    # Zero is no limit; other limits count the terminator.
    limit = definition.length_max - 1
    if 0 <= limit < len(value.encode()):
        raise invalid(where, f"{len(value.encode())} bytes, the limit is {limit}")
    if definition.subtype in ("FILE_PATH", "DIR_PATH") and value:
        return check_path(value)
    if definition.subtype == "FILE_NAME" and _UP.search(value):
        raise CommandError("path_not_allowed", f"{where}: the file name {value!r} has a '..' in it", path=value)
    return value.encode() if definition.subtype == "BYTE_STRING" else value


def _choice(definition: bpy.types.Property, value: Any, where: str) -> str | set[str]:
    # Which items there are can depend on the context, and only Blender's assignment knows them.
    if not definition.is_enum_flag:
        if not isinstance(value, str):
            raise invalid(where, f"expected {_choices(definition)}, got {_shown(value)}")
        return value
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise invalid(where, f"expected an array of {_choices(definition)}, got {_shown(value)}")
    return set(value)


def _choices(definition: bpy.types.Property) -> str:
    return f"one of {', '.join(definition.enum_items.keys()) or 'the texts that the context allows'}"


def _pointer(definition: bpy.types.Property, value: Any, where: str) -> bpy.types.ID | None:
    kind = definition.fixed_type
    if not _is_data_block(kind):
        raise invalid(where, f"it holds a {kind.identifier}, whose own properties can be set by a longer path")
    if value is None:
        return None
    if not is_block(value):
        raise invalid(where, f'expected null or {{"collection": …, "name": …}} of a {kind.identifier}')
    return lookup.block(value["collection"], value["name"])


def _items(definition: bpy.types.Property, value: Any, where: str, check_path: PathCheck) -> list[dict[str, Any]]:
    """Items of a collection property, such as the `files` of an operator."""
    if not isinstance(value, list):
        raise invalid(where, f"expected an array of objects, got {_shown(value)}")
    return [members(definition.fixed_type, item, f"{where}[{index}]", check_path) for index, item in enumerate(value)]


def members(kind: bpy.types.Struct, values: Any, where: str, check_path: PathCheck) -> dict[str, Any]:
    """The properties of a struct by name, such as those of an operator, each checked."""
    if not isinstance(values, dict):
        raise invalid(where, f"expected an object, got {_shown(values)}")
    known = {item.identifier: item for item in kind.properties if item.identifier != "rna_type"}
    done = {}
    for name, value in values.items():
        if name not in known:
            raise invalid(f"{where}.{name}", f"there is no such property; known: {', '.join(known) or 'none'}")
        definition = known[name]
        done[name] = converted(definition, value, f"{where}.{name}", check_path, shape_of(definition))
    return done


def is_block(value: Any) -> bool:
    """Whether it names a data-block: `{"collection": …, "name": …}`."""
    return (
        isinstance(value, dict)
        and value.keys() == {"collection", "name"}
        and all(isinstance(item, str) for item in value.values())
    )


def _is_data_block(kind: bpy.types.Struct | None) -> bool:
    while kind is not None:
        if kind.identifier == "ID":
            return True
        kind = kind.base
    return False


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "…"
