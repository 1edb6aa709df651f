# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes and arrays beside JSON: `{"$blob": …}` objects and what they stand for in Python.

numpy is used where it is installed and never required.
"""

import importlib
import math
import sys
from typing import Any

numpy: Any
try:
    numpy = importlib.import_module("numpy")
except ImportError:
    numpy = None

# numpy's item types as memoryview names them, for programs without numpy.
_FORMATS: dict[str, Any] = {
    "|b1": "?",
    "|i1": "b",
    "|u1": "B",
    "<i2": "h",
    "<u2": "H",
    "<i4": "i",
    "<u4": "I",
    "<i8": "q",
    "<u8": "Q",
    "<f4": "f",
    "<f8": "d",
}


def pack(value: Any) -> Any:
    """The same value with numpy arrays as `{"$blob": bytes, "dtype": …, "shape": …}` and numpy scalars
    as Python's; bytes-like objects stay, the native module moves them into the frame."""
    if isinstance(value, dict):
        return {key: pack(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [pack(item) for item in value]
    if hasattr(value, "dtype") and hasattr(value, "tobytes"):
        return _pack_array(value)
    return value


def _pack_array(array: Any) -> Any:
    if array.shape == ():
        return array.item()
    if array.dtype.hasobject:
        raise TypeError(f"an array of {array.dtype} has no bytes to send; give it a number type")
    return {"$blob": array.tobytes(), "dtype": array.dtype.str, "shape": list(array.shape)}


def unpack(value: Any, blob: bytes | memoryview) -> Any:
    """The same value with each `{"$blob": [offset, length], …}` object as what it stands for: an array
    where it has a `dtype` (numpy's, or a memoryview without numpy), `bytes` where it has a media type,
    else a memoryview. Arrays and views do not copy `blob`, and are read-only."""
    if isinstance(value, dict):
        # Elsewhere than in a reference the name may occur as well, as in the schemas that `methods` lists.
        if isinstance(value.get("$blob"), list):
            return _unpack_reference(value, blob)
        return {key: unpack(item, blob) for key, item in value.items()}
    if isinstance(value, list):
        return [unpack(item, blob) for item in value]
    return value


def _unpack_reference(reference: dict[str, Any], blob: bytes | memoryview) -> Any:
    offset, length = reference["$blob"]
    if offset + length > len(blob):
        raise ValueError(f"a blob reference [{offset}, {length}] points outside the reply's {len(blob)} bytes")
    view = memoryview(blob)[offset : offset + length]
    dtype = reference.get("dtype")
    if dtype is not None:
        return _as_array(view, dtype, reference.get("shape"))
    return bytes(view) if reference.get("media_type") else view


def _as_array(view: memoryview, dtype: str, shape: list[int] | None) -> Any:
    if numpy is not None:
        array = numpy.frombuffer(view, dtype=numpy.dtype(dtype))
        return array if shape is None else array.reshape(shape)
    form = _FORMATS.get(dtype)
    if form is None or sys.byteorder != "little":
        return view
    # A view can be given a shape only if it has items.
    return view.cast(form) if not shape or math.prod(shape) == 0 else view.cast("B").cast(form, shape)
