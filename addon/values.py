# SPDX-License-Identifier: GPL-3.0-or-later
"""Python values to plain ones that JSON can carry, and blob references to bytes. Uses bpy.

Plain means None, bool, int, float, str, list, dict with text keys, and `{"$blob": bytes-like, …}`.
"""

from __future__ import annotations

import collections.abc
import datetime
import enum
import json
import math
import pathlib
import re
import sys
from collections.abc import Callable, Iterable
from typing import Any

import bpy
import idprop
import mathutils

from .errors import CommandError

DEPTH = 50
"""Nesting of a value. The native side allows a little more, as results wrap values."""
ITEMS = 100_000
"""Items of all lists and dicts of a value together. More data belongs in a numpy array or bytes."""

_FLAT = (
    mathutils.Vector,
    mathutils.Color,
    mathutils.Euler,
    mathutils.Quaternion,
    mathutils.Matrix,
    bpy.types.bpy_prop_array,
    bpy.types.bpy_prop_collection,
    idprop.types.IDPropertyArray,
    collections.abc.Sequence,
    collections.abc.ValuesView,
)
"""What becomes a list, item by item. A matrix's items are its rows."""

_REFERENCE_KEYS = {"$blob", "dtype", "shape", "media_type"}
_DTYPE = re.compile(r"[<>][iuf][248]|\|?[iub]1")


class ValueFault(Exception):
    """A part of a value that has no JSON form. `path` is such as `value["points"][3]`."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def plain(value: Any, name: str = "value") -> Any:
    """The plain form of a value. Numpy arrays become little-endian blobs with `dtype` and `shape`, data-blocks
    `{"type", "name"}`, other Blender structs `{"type", "name"?, "path"?}`, sets sorted lists.

    Raises `ValueFault`, whose path begins with `name`, where there is no such form.
    """
    try:
        return _Conversion().convert(value)
    except ValueFault as fault:
        fault.path = name + fault.path
        raise


class _Conversion:
    """The state of one conversion. Faults gather their path on the way out, so that it costs nothing else."""

    __slots__ = ("open", "left")

    def __init__(self) -> None:
        self.open: list[int] = []
        self.left = ITEMS

    def convert(self, value: Any) -> Any:
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind is int:
            return _integer(value)
        if kind is float:
            return _number(value)
        if kind is str:
            return _text(value)
        if kind is list or kind is tuple:
            return self.items(value)
        if kind is dict:
            return self.mapping(value)
        return self.other(value)

    def other(self, value: Any) -> Any:
        if isinstance(value, enum.Enum):
            return self.convert(value.value)
        for kind, convert in _SCALARS:
            if isinstance(value, kind):
                return convert(value)
        if isinstance(value, bpy.types.bpy_struct):
            return _reference(value)
        if isinstance(value, _FLAT):
            return self.items(value)
        if isinstance(value, (collections.abc.Mapping, idprop.types.IDPropertyGroup)):
            return self.mapping(dict(value.items()), id(value))
        if isinstance(value, collections.abc.Set):
            return _sorted(self.items(value))
        return self.numpy(value)

    def numpy(self, value: Any) -> Any:
        # A numpy value can only be there if somebody has imported numpy; importing it here would cost 100 ms.
        numpy = sys.modules.get("numpy")
        if numpy is None or not isinstance(value, (numpy.ndarray, numpy.generic)):
            raise ValueFault("", f"a {type(value).__name__} has no JSON form")
        if value.ndim == 0:
            item = value.item()
            if isinstance(item, numpy.generic):
                raise ValueFault("", f"a numpy {value.dtype} has no JSON form")
            return self.convert(item)
        if value.dtype.kind in "OU":
            return self.convert(value.tolist())
        if value.dtype.kind not in "biuf" or value.dtype.itemsize > 8:
            raise ValueFault("", f"a numpy array of {value.dtype} has no JSON form")
        array = numpy.ascontiguousarray(value, value.dtype.newbyteorder("<"))
        data = memoryview(array.reshape(-1).view(numpy.uint8))
        return {"$blob": data, "dtype": array.dtype.str, "shape": list(array.shape)}

    def items(self, values: Iterable[Any]) -> list[Any]:
        self.enter(id(values))
        done: list[Any] = []
        try:
            for value in values:
                self.count()
                done.append(self.convert(value))
        except ValueFault as fault:
            fault.path = f"[{len(done)}]{fault.path}"
            raise
        self.open.pop()
        return done

    def mapping(self, values: dict[Any, Any], identity: int | None = None) -> dict[str, Any]:
        if "$blob" in values:
            return self.blob(values)
        self.enter(identity or id(values))
        done: dict[str, Any] = {}
        for key, value in values.items():
            self.count()
            name = _key(key)
            if name in done:
                raise ValueFault("", f"two keys are {name!r} as text")
            try:
                done[name] = self.convert(value)
            except ValueFault as fault:
                fault.path = f"[{json.dumps(name, ensure_ascii=False)}]{fault.path}"
                raise
        self.open.pop()
        return done

    def blob(self, values: dict[Any, Any]) -> dict[str, Any]:
        """A blob that the script has made itself, such as `{"$blob": png, "media_type": "image/png"}`."""
        data = values["$blob"]
        if not isinstance(data, (bytes, bytearray, memoryview)) or not values.keys() <= _REFERENCE_KEYS:
            raise ValueFault('["$blob"]', "this key is for bytes, with media_type, dtype and shape beside it")
        return {key: _bytes(data)["$blob"] if key == "$blob" else self.convert(item) for key, item in values.items()}

    def enter(self, identity: int) -> None:
        if len(self.open) >= DEPTH:
            raise ValueFault("", f"nested deeper than {DEPTH}")
        if identity in self.open:
            raise ValueFault("", "contains itself")
        self.open.append(identity)

    def count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise ValueFault("", f"more than {ITEMS} items in all; send numbers as a numpy array")


def _integer(value: int) -> int:
    if not -(1 << 63) <= value < 1 << 64:
        raise ValueFault("", "the integer does not fit 64 bits; send it as a text")
    return int(value)


def _number(value: float) -> float:
    if not math.isfinite(value):
        raise ValueFault("", f"{value} is not a finite number")
    return float(value)


def _text(value: str) -> str:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueFault("", "the text has a lone surrogate; it is no Unicode") from None
    return str(value)


def _bytes(value: bytes | bytearray | memoryview) -> dict[str, Any]:
    if isinstance(value, memoryview) and not (value.c_contiguous and value.format == "B" and value.ndim == 1):
        value = value.tobytes()
    return {"$blob": value}


_SCALARS: tuple[tuple[type | tuple[type, ...], Callable[[Any], Any]], ...] = (
    (int, _integer),
    (float, _number),
    (str, _text),
    ((bytes, bytearray, memoryview), _bytes),
    ((datetime.date, datetime.time), lambda value: value.isoformat()),
    (pathlib.PurePath, lambda value: _text(str(value))),
)
"""Types whose subclasses need care, in the order in which they are tried."""


def _key(key: Any) -> str:
    if isinstance(key, str):
        return _text(key)
    if isinstance(key, int) and not isinstance(key, bool):
        return str(int(key))
    raise ValueFault("", f"the key {key!r} is neither a text nor an integer")


def _sorted(values: list[Any]) -> list[Any]:
    try:
        return sorted(values)
    except TypeError:
        return sorted(values, key=repr)


def _reference(value: Any) -> dict[str, Any]:
    """What identifies a Blender struct. Its content would drag half the file in."""
    try:
        found: dict[str, Any] = {"type": value.bl_rna.identifier}
        name = getattr(value, "name", None)
        if isinstance(name, str):
            found["name"] = name
        if isinstance(value, bpy.types.ID):
            if value.library is not None:
                found["library"] = value.library.filepath
        elif (path := _python_path(value)) is not None:
            found["path"] = path
    except ReferenceError:
        raise ValueFault("", "it refers to something that is no longer in Blender") from None
    return found


def _python_path(value: Any) -> str | None:
    """Such as `bpy.data.objects['Cube'].modifiers["Bevel"]`; None for what does not belong to a data-block."""
    if value.id_data is None:
        return None
    try:
        path = value.path_from_id()
    except ValueError:
        return None
    return f"{value.id_data!r}{'' if path.startswith('[') else '.'}{path}"


def resolve_blobs(value: Any, blob: bytes) -> Any:
    """The same value with each `{"$blob": [offset, length]}` replaced by a memoryview of those bytes, or, where it
    has a `dtype`, by a read-only numpy array of its `shape` (one dimension if it has none).

    `value` is parsed JSON. Raises `invalid_params` for a reference that is malformed or points outside the blob.
    """
    if isinstance(value, dict):
        if "$blob" in value:
            return _resolve(value, blob)
        return {key: resolve_blobs(item, blob) for key, item in value.items()}
    if isinstance(value, list):
        return [resolve_blobs(item, blob) if type(item) in (dict, list) else item for item in value]
    return value


def _resolve(reference: dict[str, Any], blob: bytes) -> Any:
    data = _slice(reference, blob)
    shape = reference.get("shape")
    if (dtype := reference.get("dtype")) is None:
        if shape is not None:
            raise _bad_reference(reference, "a shape needs a dtype")
        return data
    if not isinstance(dtype, str) or not _DTYPE.fullmatch(dtype):
        raise _bad_reference(reference, "the dtype is none of numbers, such as '<f4', '<i4' or '|u1'")
    if shape is not None and not _are_counts(shape):
        raise _bad_reference(reference, "the shape is no list of up to 32 whole numbers")
    size = int(dtype[-1])
    expected = len(data) // size if shape is None else math.prod(shape)
    if expected * size != len(data):
        raise _bad_reference(reference, f"{len(data)} bytes do not hold {expected} items of {size} bytes")
    import numpy  # Only for those who use it: it costs 100 ms once.

    array = numpy.frombuffer(data, dtype)
    if not array.flags.aligned:
        array = array.copy()
        array.flags.writeable = False
    return array if shape is None else array.reshape(shape)


def _slice(reference: dict[str, Any], blob: bytes) -> memoryview:
    span = reference["$blob"]
    if not reference.keys() <= _REFERENCE_KEYS or not _are_counts(span) or len(span) != 2:
        raise _bad_reference(reference, "expected {'$blob': [offset, length]}, with dtype and shape for an array")
    offset, length = span
    if offset + length > len(blob):
        raise _bad_reference(reference, f"beyond the end of the blob of {len(blob)} bytes")
    return memoryview(blob)[offset : offset + length]


def _are_counts(values: Any) -> bool:
    return isinstance(values, list) and len(values) <= 32 and all(type(item) is int and item >= 0 for item in values)


def _bad_reference(reference: dict[str, Any], problem: str) -> CommandError:
    return CommandError("invalid_params", f"the blob reference {str(reference)[:200]}: {problem}")
