# SPDX-License-Identifier: GPL-3.0-or-later
"""What Python itself tells about classes, functions and modules: their docstrings and signatures.

Nothing is called and no property is read: a member is looked up where its class or module keeps it.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import re
import types
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from .docs_page import Page, Row, given, shortened, unknown

MODULES = tuple(
    """bpy bpy.app bpy.app.handlers bpy.app.icons bpy.app.timers bpy.app.translations bpy.msgbus bpy.path bpy.props
    bpy.utils bpy.utils.previews bpy.utils.units bmesh bmesh.geometry bmesh.ops bmesh.types bmesh.utils mathutils
    mathutils.bvhtree mathutils.geometry mathutils.interpolate mathutils.kdtree mathutils.noise bpy_extras
    bpy_extras.anim_utils bpy_extras.bmesh_utils bpy_extras.id_map_utils bpy_extras.image_utils bpy_extras.io_utils
    bpy_extras.mesh_utils bpy_extras.node_shader_utils bpy_extras.object_utils bpy_extras.view3d_utils gpu
    gpu.capabilities gpu.matrix gpu.platform gpu.select gpu.shader gpu.state gpu.texture gpu.types gpu_extras
    gpu_extras.batch gpu_extras.presets blf bl_math idprop idprop.types imbuf imbuf.types""".split()
)
"""Blender's modules for scripts, but for `bpy.types`, `bpy.ops`, `bpy.data` and `bpy.context`, which RNA describes."""

_DIRECTIVE = re.compile(
    r"(?:\.\. (?:function|method|classmethod|staticmethod|class|data|attribute|module):: *"
    r"|BMeshOpFunc bmesh\.ops\.)(.*)"
)
_TYPE = re.compile(r":type: (.+)")
_SELF = re.compile(r"\((?:self|cls)(?:, )?")
_FUNCTIONS = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodDescriptorType,
    types.ClassMethodDescriptorType,
)
_NO_MEMBERS = re.compile(r"_|bl_|(input_template|output_template|is_registered_node_type)$")
"""What each class has for Blender's own use."""
_VALUES = (property, types.GetSetDescriptorType, types.MemberDescriptorType)


def module(name: str) -> Any:
    """The module; None where this Blender has none of this name."""
    # Some, such as `bpy.app.handlers`, are members of others and cannot be imported.
    with suppress(ImportError):
        __import__(name)
    first, *others = name.split(".")
    try:
        found: Any = __import__(first)
        for other in others:
            found = getattr(found, other)
    except (ImportError, AttributeError):
        return None
    return found


def module_page(name: str, found: Any) -> Page:
    """What is in a module."""
    inner = [other.rpartition(".")[2] for other in MODULES if other.rpartition(".")[0] == name]
    rows: list[Row] = [member_row(member, value) for member, value in members(found).items() if member not in inner]
    rows += [("properties", {"name": other, "type": "module"}) for other in inner]
    text = _split(_docstring(found if isinstance(found, types.ModuleType) else type(found)), name)[1]
    return Page("module", name, text, f"import {name.split('.')[0]}", rows)


def page(name: str, found: Any) -> Page:
    """A class, a function, or a value, by its full name."""
    kind, (text_signature, text) = kind_of(found), described(found, name.rpartition(".")[2])
    root = name.split(".")[0]
    usage = f"import {root}; {name.rpartition('.')[0]}.{text_signature}" if kind != "property" else name
    shown = Page(kind, name, text, usage)
    if kind == "type":
        shown.rows = list(class_rows(found))
        shown.base = found.__base__.__name__ if found.__base__ not in (object, None) else None
    elif kind == "property":
        shown.property = given(name=name.rpartition(".")[2], type=_type_of(found, text), readonly=_is_readonly(found))
    return shown


def find(name: str, found: Any, words: list[str]) -> Page:
    """What the words lead to from a module, such as `Vector`, `lerp` from `mathutils`."""
    for word in words:
        known = members(found)
        if word not in known:
            raise unknown(word, difflib.get_close_matches(word, known, 5), name)
        name, found = f"{name}.{word}", known[word]
    return page(name, found)


def members(owner: Any) -> dict[str, Any]:
    """The public names in a module, a class or an object, and what is kept there for each."""
    if isinstance(owner, types.ModuleType):
        names = getattr(owner, "__all__", None) or dir(owner)
        found = {name: getattr(owner, name, None) for name in names}
        return {name: value for name, value in found.items() if not name.startswith("_") and not _is_imported(value)}
    levels = reversed((owner if isinstance(owner, type) else type(owner)).__mro__[:-1])
    return {name: value for level in levels for name, value in vars(level).items() if not name.startswith("_")}


def class_rows(found: type) -> Iterator[Row]:
    """Members of a class, its own first."""
    seen: set[str] = set()
    for level in found.__mro__[:-1]:
        for section, row in level_rows(level, None if level is found else level.__name__):
            if row["name"] not in seen:
                seen.add(row["name"])
                yield section, row


def level_rows(level: type, defined_by: str | None) -> Iterator[Row]:
    """The members that one class itself defines in Python."""
    for name, value in vars(level).items():
        if is_for_scripts(name):
            section, row = member_row(name, value)
            yield section, row | given(defined_by=defined_by)


def is_for_scripts(name: str) -> bool:
    """Whether a member of a class is more than a part of how Blender makes classes."""
    return _NO_MEMBERS.match(name) is None


def member_row(name: str, value: Any) -> Row:
    """A row about a member of a class or a module."""
    if kind_of(value) == "property":
        text = described(value, name)[1] if isinstance(value, _VALUES) else ""
        row = given(name=name, type=_type_of(value, text), description=_first(text), readonly=_is_readonly(value))
        return "properties", row
    text_signature, text = described(value, name)
    return "functions", given(name=name, signature=shortened(text_signature), description=_first(text))


def kind_of(value: Any) -> str:
    """Which of the protocol's kinds it is."""
    if isinstance(value, type):
        return "type"
    is_function = isinstance(value, (*_FUNCTIONS, classmethod, staticmethod)) or (
        callable(value) and not isinstance(value, _VALUES)
    )
    return "function" if is_function else "property"


def described(value: Any, name: str) -> tuple[str, str]:
    """The signature and the text of a docstring."""
    inner = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
    is_documented = isinstance(inner, _VALUES) or kind_of(inner) != "property"
    text_signature, text = _split(_docstring(inner) if is_documented else "", name)
    if text_signature is None:
        try:
            text_signature = _SELF.sub("(", f"{name}{inspect.signature(inner)}", count=1)
        except (TypeError, ValueError):
            text_signature = f"{name}(…)"
    return text_signature, text


def _docstring(value: Any) -> str:
    doc = getattr(value, "__doc__", None)
    # That of some classes is a descriptor, which is for their instances.
    return doc if isinstance(doc, str) else ""


@functools.lru_cache(maxsize=4096)
def _split(doc: str, name: str) -> tuple[str | None, str]:
    """Blender's docstrings begin with a directive that has the signature."""
    first, _, rest = inspect.cleandoc(doc).partition("\n")
    if (directive := _DIRECTIVE.match(first)) is None:
        return None, inspect.cleandoc(doc)
    return directive[1] or name, inspect.cleandoc("\n" + rest).strip()


def _first(text: str) -> str:
    return shortened(" ".join(text.split("\n\n")[0].split()))


def _is_imported(value: Any) -> bool:
    """Whether a module has it only because its own code needs it."""
    if isinstance(value, types.ModuleType):
        return True
    home = getattr(value, "__module__", None)
    return isinstance(home, str) and home.split(".")[0] in ("typing", "collections")


def _type_of(value: Any, text: str) -> str:
    """The type of a value; of a descriptor what its docstring says."""
    if not isinstance(value, _VALUES):
        return type(value).__name__
    said = _TYPE.search(text)
    return shortened(said[1], 80) if said is not None else "PYTHON"


def _is_readonly(value: Any) -> bool:
    return isinstance(value, property) and value.fset is None
