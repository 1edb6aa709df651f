# SPDX-License-Identifier: GPL-3.0-or-later
"""Any property of any data-block, by its RNA path."""

from __future__ import annotations

from typing import Any

import bpy

from ..errors import CommandError, invalid
from ..turn import Turn
from ..values import ValueFault, plain, resolve_blobs
from . import lookup, rna_path, rna_value
from .rna_path import Place

BULK_ITEMS = 256
"""Arrays of more numbers travel as blobs."""

_CODE = {("Driver", "expression"), ("Driver", "type")}
"""Properties through which text becomes Python that runs by itself, past the checks on scripts."""

_KINDS = {"BOOLEAN": "b", "INT": "iub", "FLOAT": "fiu"}
"""The numpy kinds that fit the numbers of an RNA type."""
_DTYPES = {"BOOLEAN": "?", "INT": "<i4", "FLOAT": "<f4"}


def get(turn: Turn, *, block: dict[str, str], path: str) -> dict[str, Any]:
    """The property at `path`. An array of more than 256 numbers is a blob with its dtype.

    Raises `bad_result` where the value has no JSON form, such as a number that is not finite.
    """
    owner = lookup.block(block["collection"], block["name"])
    # What Blender computes, such as world matrices, is otherwise that of before the last change.
    bpy.context.view_layer.update()
    place = rna_path.find(owner, path)
    rna_path.require_there(place)
    return _told(place, owner, _value(place))


def set_value(turn: Turn, *, block: dict[str, str], path: str, value: Any) -> dict[str, Any]:
    """Set the property at `path`, or make a custom property. Tells its value as it is then; null for an array
    of more than 256 numbers."""
    owner = lookup.block(block["collection"], block["name"])
    place = rna_path.find(owner, path)
    _require_settable(place, owner, path)
    new = resolve_blobs(value, turn.blob)
    if place.is_custom:
        _set_custom(place, new, path)
        # Unlike RNA properties, custom ones do not tell drivers that they changed.
        owner.update_tag()
    elif not place.indices and _is_bulk(place):
        _set_bulk(place, new, path)
    else:
        _set_property(place, new, path, rna_value.keeping(turn.preferences))
    found = rna_path.find(owner, path)
    return _told(found, owner, None if _is_bulk(found) and not found.indices else _value(found))


def _told(place: Place, owner: bpy.types.ID, value: Any) -> dict[str, Any]:
    definition = place.definition
    if place.is_custom:
        kind = "CUSTOM"
    else:
        kind = definition.type if definition is not None else "POINTER"
    return {
        "value": value,
        "type": kind,
        "readonly": _fault(place, owner) is not None,
        "description": definition.description if definition is not None else "",
    }


def _value(place: Place) -> Any:
    value = place.value
    if not place.indices and _is_bulk(place):
        import numpy

        numbers: Any = numpy.empty(len(value), _DTYPES[place.definition.type])
        value.foreach_get(numbers)
        value = numbers
    try:
        return plain(value)
    except ValueFault as fault:
        raise CommandError("bad_result", str(fault)) from None


def _is_bulk(place: Place) -> bool:
    return (
        isinstance(place.value, bpy.types.bpy_prop_array)
        and place.definition is not None
        and place.definition.type in _KINDS
        and len(place.value) > BULK_ITEMS
    )


def _fault(place: Place, owner: bpy.types.ID) -> str | None:
    """Why a place cannot be set; None if it can."""
    if place.owner is None:
        return "it is an item, whose own properties can be set by a longer path"
    if not owner.is_editable:
        return "its data-block is linked from another file; make a library override"
    definition = place.definition
    if definition is None:
        return None
    if definition.type == "COLLECTION":
        return "it is a collection, whose items' properties can be set by a longer path"
    if definition.is_readonly:
        return "it is read-only"
    # Collections have properties, but cannot be asked this.
    is_readonly = getattr(place.owner, "is_property_readonly", None)
    if is_readonly is not None and is_readonly(place.key):
        return "it is read-only at present"
    return None


def _require_settable(place: Place, owner: bpy.types.ID, path: str) -> None:
    if (fault := _fault(place, owner)) is not None:
        raise invalid("path", f"{path!r} cannot be set: {fault}")
    if place.definition is not None and (place.owner.bl_rna.identifier, place.key) in _CODE:
        raise CommandError("unsupported", f"{path!r} makes Python run; use script.run", use="script.run")


def _set_property(place: Place, value: Any, path: str, check_path: rna_value.PathCheck) -> None:
    definition = place.definition
    current: Any = getattr(place.owner, place.key) if getattr(definition, "is_array", False) else None
    shape = rna_value.shape_of(definition, current)[len(place.indices) :]
    new = rna_value.converted(definition, value, "value", check_path, shape)
    try:
        if place.indices:
            for index in place.indices[:-1]:
                current = current[index]
            current[place.indices[-1]] = new
        else:
            setattr(place.owner, place.key, new)
    except (TypeError, ValueError, OverflowError) as error:
        raise invalid("value", f"{path!r} does not take it: {error}") from None
    # Blender ignores some pointers without a word, such as a mesh object's data set to none.
    if definition.type == "POINTER" and getattr(place.owner, place.key) != new:
        raise invalid("value", f"{path!r} does not take this data-block; expected a {definition.fixed_type.identifier}")


def _set_bulk(place: Place, value: Any, path: str) -> None:
    import numpy

    definition, target = place.definition, place.value
    try:
        numbers = numpy.asarray(value)
    except ValueError:
        # Lists of different lengths.
        raise invalid("value", f"expected {len(target)} numbers for {path!r}") from None
    if numbers.size != len(target) or numbers.dtype.kind not in _KINDS[definition.type]:
        problem = f"expected {len(target)} numbers of type {definition.type} for {path!r}"
        raise invalid("value", f"{problem}, got {numbers.size} of {numbers.dtype}")
    if definition.type != "BOOLEAN":
        least, most = numbers.min(), numbers.max()
        # NaN compares as false, so it is refused too.
        if not (definition.hard_min <= least and most <= definition.hard_max):
            raise invalid("value", f"numbers are not all within {definition.hard_min} and {definition.hard_max}")
    target.foreach_set(numpy.ascontiguousarray(numbers.reshape(-1), _DTYPES[definition.type]))


def _set_custom(place: Place, value: Any, path: str) -> None:
    new = _custom(value)
    try:
        if place.indices:
            target = place.owner[place.key]
            for index in place.indices[:-1]:
                target = target[index]
            target[place.indices[-1]] = new
        else:
            # Without this, a float property would become an integer one that its user interface cannot show.
            if isinstance(place.value, float) and type(new) is int:
                new = float(new)
            place.owner[place.key] = new
    except (TypeError, ValueError, OverflowError, KeyError) as error:
        raise invalid("value", f"{path!r} does not take it: {error}") from None


def _custom(value: Any) -> Any:
    """What a custom property can hold for a JSON value: texts, numbers, arrays, groups and data-blocks."""
    if value is None:
        raise invalid("value", "a custom property cannot be null")
    if rna_value.is_block(value):
        return lookup.block(value["collection"], value["name"])
    if isinstance(value, dict):
        return {key: _custom(item) for key, item in value.items()}
    if isinstance(value, memoryview):
        return value.tobytes()
    if hasattr(value, "dtype"):
        return value.tolist()
    return value
