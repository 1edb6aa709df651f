# SPDX-License-Identifier: GPL-3.0-or-later
"""What RNA, Blender's own description of its data, tells about properties, functions, operators and enumerations."""

from __future__ import annotations

import ast
import functools
import math
import operator
import re
from typing import Any

import bpy

from .docs_page import Page, Row, given, shortened

VALUES = 100
"""Identifiers of an enumeration that are told beside other properties."""
ARRAY = 32
"""The longest default of an array that is told."""
SIGNATURE_ARGUMENTS = 8
"""Arguments of an operator that its line of usage shows."""

_UNBOUNDED = {"INT": 2.0**31 - 1, "FLOAT": 3.4e38}
"""From here on a bound is that of the number's type."""
_SOFT_DEFAULT = 10_000
"""What RNA says of a number for which nobody chose what the user interface offers."""
_KNOWN_VALUES = re.compile(r"not found in (\(.*\))", re.DOTALL)


def property_row(definition: bpy.types.Property) -> dict[str, Any]:
    """A property as the protocol's `Property`; what does not apply is left out."""
    row = given(
        name=definition.identifier,
        type=definition.type,
        description=shortened(definition.description or definition.name),
        subtype=definition.subtype.replace("NONE", ""),
        unit=definition.unit.replace("NONE", ""),
        readonly=definition.is_readonly and definition.type != "COLLECTION",
        deprecated=_deprecation(definition),
    )
    if definition.type in ("POINTER", "COLLECTION"):
        row |= given(target=definition.fixed_type.identifier)
    elif definition.type == "ENUM":
        identifiers = [item["identifier"] for item in values_of(definition)]
        row |= given(values=identifiers[:VALUES], values_omitted=max(0, len(identifiers) - VALUES) or None)
        row |= given(is_set=definition.is_enum_flag)
    elif definition.type in _UNBOUNDED:
        row |= _range(definition)
    if getattr(definition, "is_array", False):
        row["array_length"] = definition.array_length
    if not definition.is_readonly and (default := default_of(definition)) is not None:
        row["default"] = default
    return row


def parameter_row(definition: bpy.types.Property) -> dict[str, Any]:
    """A parameter of a function, or what it returns."""
    row = property_row(definition)
    row.pop("readonly", None)
    if definition.is_output or definition.is_required:
        row.pop("default", None)
    return row | given(required=definition.is_required and not definition.is_output)


def function_row(function: bpy.types.Function) -> dict[str, Any]:
    """A function at a glance."""
    return given(name=function.identifier, signature=signature(function), description=shortened(function.description))


def signature(function: bpy.types.Function) -> str:
    """Such as `ray_cast(origin, direction, distance=1.70141e+38) -> result, location`."""
    arguments, results = [], []
    for parameter in function.parameters:
        if parameter.is_output:
            results.append(parameter.identifier)
        elif parameter.is_required:
            arguments.append(parameter.identifier)
        else:
            arguments.append(f"{parameter.identifier}={python_default(parameter)}")
    returned = f" -> {', '.join(results)}" if results else ""
    return shortened(f"{function.identifier}({', '.join(arguments)}){returned}")


def function_page(owner: str, item: str, function: bpy.types.Function) -> Page:
    """A function of the type `owner`, called on the Python expression `item`."""
    rows: list[Row] = []
    for parameter in function.parameters:
        rows.append(("returns" if parameter.is_output else "parameters", parameter_row(parameter)))
    rows.sort(key=lambda row: row[0])
    results = [row["name"] for section, row in rows if section == "returns"]
    needed = [row["name"] for section, row in rows if section == "parameters" and "required" in row]
    # Functions of a type are called on the type itself where they take no instance.
    place = item if function.use_self else owner
    assigned = f"{', '.join(results)} = " if results else ""
    usage = f"{assigned}{place}.{function.identifier}({', '.join(needed)})"
    return Page("function", f"{owner}.{function.identifier}", function.description, usage, rows)


def property_page(owner: str, item: str, definition: bpy.types.Property) -> Page:
    """A property of the type `owner`, read or set on the Python expression `item`."""
    row = property_row(definition)
    row.pop("description", None)
    note, live = None, []
    if definition.type == "ENUM":
        if live := live_values(owner.rpartition(".")[2], definition):
            row |= {"values": live, "default": live[0]}
        elif len(values_of(definition)) < 2:
            note = (
                "Blender fills this list when it is used: setting it to a text that is not among the values raises "
                "a TypeError, whose message names them"
            )
    rows: list[Row] = [("values", value) for value in values_of(definition)]
    place = f"{item}.{definition.identifier}"
    settable = not definition.is_readonly and definition.type != "COLLECTION"
    value = repr(live[0]) if live else python_default(definition)
    usage = f"{place} = {value}" if settable else f"value = {place}"
    name = f"{owner}.{definition.identifier}"
    page = Page("property", name, definition.description or definition.name, usage, rows, definition.name)
    page.property, page.note = row, note
    return page


def operator_page(module: str, function: str, rna: bpy.types.Struct) -> Page:
    """An operator by its properties."""
    own = [item for item in rna.properties if item.identifier != "rna_type"]
    shown = [f"{item.identifier}={python_default(item)}" for item in own if not item.is_hidden]
    arguments = ", ".join(shown[:SIGNATURE_ARGUMENTS])
    name = f"bpy.ops.{module}.{function}"
    rows: list[Row] = [("properties", property_row(item)) for item in own]
    return Page("operator", name, rna.description, f"{name}({arguments})", rows, rna.name)


def values_of(definition: bpy.types.Property) -> list[dict[str, str]]:
    """The values of an enumeration as the protocol's `EnumValue`, as far as RNA lists them; none of other properties.

    Blender frees some lists at the end of the loop over them, so no item may outlive it.
    """
    if definition.type != "ENUM":
        return []
    # For those that an add-on has defined, Blender would call the add-on.
    items = definition.enum_items_static if definition.is_runtime else definition.enum_items
    return [
        {"identifier": item.identifier, "name": item.name, "description": shortened(item.description)} for item in items
    ]


def live_values(owner: str, definition: bpy.types.Property) -> list[str]:
    """The values of an enumeration that Blender fills at run time, such as the render engines, where the open scene
    has it; empty where it has not.

    RNA does not list them, but names them when a text that is none of them is set, which changes nothing.
    """
    is_fixed = definition.is_readonly or len(values_of(definition)) > 1
    if is_fixed or definition.is_enum_flag or definition.is_runtime:
        return []
    if (path := places().get(owner, "")).startswith("bpy.context.scene"):
        try:
            place = operator.attrgetter(path.removeprefix("bpy.context."))(bpy.context)
            setattr(place, definition.identifier, "?")
        except TypeError as refusal:
            if found := _KNOWN_VALUES.search(str(refusal)):
                values = ast.literal_eval(found[1])
                return [values] if isinstance(values, str) else list(values)
        except AttributeError:
            # While a panel draws, nothing can be set.
            return []
    return []


@functools.cache
def places() -> dict[str, str]:
    """Python for an instance of a type that every file has one of, or many by name, by the type's identifier. What
    add-ons add later is not among them."""
    found = {"BlendData": "bpy.data", "Context": "bpy.context", "Scene": "bpy.context.scene"}
    found |= {"ViewLayer": "bpy.context.view_layer", "Preferences": "bpy.context.preferences"}
    for owner in ("Scene", "RenderSettings"):
        for definition in getattr(bpy.types, owner).bl_rna.properties:
            is_part = definition.type == "POINTER" and "name_full" not in definition.fixed_type.properties
            if is_part and definition.identifier != "rna_type":
                found.setdefault(definition.fixed_type.identifier, f"{found[owner]}.{definition.identifier}")
    for definition in bpy.types.BlendData.bl_rna.properties:
        if definition.type == "COLLECTION":
            found.setdefault(definition.fixed_type.identifier, f'bpy.data.{definition.identifier}["Name"]')
            if definition.srna is not None:
                found[definition.srna.identifier] = f"bpy.data.{definition.identifier}"
    return found


def default_of(definition: bpy.types.Property) -> Any:
    """The default as JSON; None where there is none."""
    if definition.type in ("BOOLEAN", "INT", "FLOAT"):
        if not definition.is_array:
            return number(definition.default)
        items = definition.default_array
        return [number(item) for item in items] if 0 < len(items) <= ARRAY else None
    if definition.type == "STRING":
        return definition.default
    if definition.type == "ENUM":
        return sorted(definition.default_flag) if definition.is_enum_flag else definition.default or None
    return None


def python_default(definition: bpy.types.Property) -> str:
    """The default as Python writes it."""
    default = default_of(definition)
    if getattr(definition, "is_array", False) and default is not None:
        text = repr(tuple(default))
    elif definition.type == "ENUM" and definition.is_enum_flag:
        text = f"{{{', '.join(map(repr, default))}}}" if default else "set()"
    else:
        text = repr(default)
    return text if len(text) <= 60 else "…"


def number(value: Any) -> Any:
    """A number as JSON: finite, and a 32-bit float with the digits that it has."""
    if not isinstance(value, float):
        return value
    return float(f"{value:.7g}") if math.isfinite(value) else None


def _range(definition: bpy.types.Property) -> dict[str, Any]:
    limit = _UNBOUNDED[definition.type]
    bounds = {"min": definition.hard_min, "max": definition.hard_max}
    soft = {"soft_min": definition.soft_min, "soft_max": definition.soft_max}
    soft = {key: value for key, value in soft.items() if value != bounds[key[5:]] and abs(value) != _SOFT_DEFAULT}
    return {key: number(value) for key, value in (bounds | soft).items() if abs(value) < limit}


def _deprecation(definition: bpy.types.Property) -> str | None:
    # Blender tells it from 5.0 on.
    if not getattr(definition, "is_deprecated", False):
        return None
    since = ".".join(map(str, definition.deprecated_version))
    return f"since {since}: {definition.deprecated_note}"
