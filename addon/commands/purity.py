# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a script can be seen to change nothing, from its syntax tree. In doubt, it may change something.

Blender reports most changes, but not those to custom properties, text blocks, pixels, markers or fake users. All of
these are made by storing to an attribute or an item, by deleting one, or by a call; so a script without those, other
than to values that it made itself and functions known to read, changes nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Set
from dataclasses import dataclass

READING_FUNCTIONS = frozenset(
    """abs all any ascii bin bool bytes callable chr complex dict dir divmod enumerate filter float format frozenset
    getattr hasattr hash hex id int isinstance issubclass iter len list map max min next oct ord pow print range repr
    reversed round set slice sorted str sum tuple type vars zip defaultdict deque Counter
    Color Euler Matrix Quaternion Vector Path ValueError RuntimeError TypeError KeyError Exception""".split()
)
"""Functions and types, built-in ones and those of collections and mathutils, that change nothing they are given."""

READING_METHODS = frozenset(
    """abspath acos as_pointer as_string asin atan atan2 basename bone_chains capitalize ceil center
    closest_point_on_mesh cos count cross decode degrees determinant difference dirname dist dot dumps encode
    endswith evaluated_depsgraph_get evaluated_get exists exp fabs find floor foreach_get format from_string get
    get_output_node gmtime hypot index intersection inverted inverted_safe is_property_set isclose isdisjoint
    isoformat issubset issuperset items join keys ljust loads localtime log log10 lower lstrip normalized
    path_from_id path_resolve perf_counter pow radians replace rfind rjust rotation_difference rpartition rsplit
    rstrip sin split splitext splitlines sqrt startswith strftime strip tan time title to_2d to_3d to_4d
    to_euler to_list to_matrix to_quaternion to_scale to_translation to_tuple tolist transposed union upper
    values visible_get zfill""".split()
)
"""Methods, and functions of modules such as math and json, that change nothing on any type that has them."""

CONTAINER_METHODS = frozenset(
    "add append appendleft clear discard extend insert pop popleft remove reverse setdefault sort update".split()
)
"""Methods that change only the container that they are called on."""

READING_MODULES = frozenset(
    """bpy collections dataclasses datetime enum functools itertools json math mathutils numpy operator os.path pathlib
    pprint random re statistics string sys textwrap time traceback typing""".split()
)
"""Modules whose import changes nothing in the open file."""

_MAKERS = frozenset(
    "list dict set tuple sorted defaultdict deque Counter len sum int float str round abs range enumerate zip".split()
)
_NEW = (
    *(ast.List, ast.Dict, ast.Set, ast.Tuple, ast.ListComp, ast.DictComp, ast.SetComp),
    *(ast.Constant, ast.JoinedStr, ast.BinOp, ast.UnaryOp, ast.Compare),
)
"""Expressions whose value is always a new one, and no part of the file."""


def changes_nothing(tree: ast.Module) -> bool:
    """Whether running this can be seen to change nothing in the open file."""
    functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    reader = _Reader(functions | READING_FUNCTIONS, _own_names(tree))
    return all(reader.is_harmless(node) for node in ast.walk(tree))


def _own_names(tree: ast.Module) -> set[str]:
    """The names that are only ever bound to new values, which are the script's own."""
    own: set[str] = set()
    other: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                (own if _is_new(value) else other).add(name)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                (own if _is_new(value) else other).add(name)
            case ast.AugAssign():
                pass  # It binds what it changes, if that is a new value.
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                other.update(names)
            case ast.arg(arg=name) | ast.alias(asname=str(name)) | ast.alias(name=name):
                other.add(name)
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.ExceptHandler(name=str(name)):
                other.add(name)
            case ast.MatchMapping(rest=str(name)):
                other.add(name)
            case ast.Assign(targets=targets):
                other.update(*map(_bound_names, targets))
            case ast.For(target=target) | ast.comprehension(target=target) | ast.NamedExpr(target=target):
                other.update(_bound_names(target))
            case ast.withitem(optional_vars=ast.expr() as target):
                other.update(_bound_names(target))
    return own - other


def _is_new(value: ast.expr) -> bool:
    match value:
        case ast.Call(func=ast.Name(id=name)):
            return name in _MAKERS
        case _:
            return isinstance(value, _NEW)


def _bound_names(target: ast.expr) -> set[str]:
    return {node.id for node in ast.walk(target) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


@dataclass(frozen=True)
class _Reader:
    """Reads nodes one by one; what is not known to be harmless is not."""

    functions: Set[str]
    own: Set[str]

    def is_harmless(self, node: ast.AST) -> bool:
        """Whether this node, its children aside, changes nothing."""
        match node:
            case ast.Attribute(attr="ops") | ast.Attribute(ctx=ast.Store() | ast.Del()):
                return False
            case (
                ast.Subscript(value=owner, ctx=ast.Store() | ast.Del())
                | ast.AugAssign(target=ast.Subscript(value=owner))
            ):
                return self._is_own(owner)
            case ast.AugAssign(target=target):
                # On a value of Blender's, such as a vector, `+=` changes that value in its place.
                return self._is_own(target)
            case ast.Call():
                return self._is_reading_call(node)
            case ast.Import(names=names):
                return all(name.name in READING_MODULES for name in names)
            case ast.ImportFrom(module=module, names=names):
                return module in READING_MODULES and all(name.name not in {"ops", "*"} for name in names)
            case ast.ClassDef() | ast.AsyncFunctionDef() | ast.With() | ast.AsyncWith() | ast.Await():
                return False
            case ast.FunctionDef(decorator_list=decorators):
                return not decorators
            case _:
                return True

    def _is_own(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and node.id in self.own

    def _is_reading_call(self, call: ast.Call) -> bool:
        match call:
            case ast.Call(func=ast.Name(id="getattr"), args=[_, ast.Constant(value=str(name)), *_]):
                return name != "ops"
            case ast.Call(func=ast.Name(id="getattr")):
                return False
            case ast.Call(func=ast.Name(id="iter"), args=[_, _]):
                return False
            case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords):
                given = args[:1] if name in {"map", "filter"} else []
                given = given + [keyword.value for keyword in keywords if keyword.arg in {"key", None}]
                return name in self.functions and all(self._is_reader(function) for function in given)
            case ast.Call(func=ast.Attribute(value=owner, attr=method)) if method in CONTAINER_METHODS:
                return self._is_own(owner) and not call.keywords
            case ast.Call(func=ast.Attribute(attr=method)):
                return method in READING_METHODS or method in {"Vector", "Matrix", "Color", "Euler", "Quaternion"}
            case _:
                return False

    def _is_reader(self, function: ast.expr) -> bool:
        """Whether a function that is passed on is known to read."""
        match function:
            case ast.Lambda() | ast.Constant(value=None):
                return True
            case ast.Name(id=name):
                return name in self.functions
            case ast.Attribute(attr=name):
                return name in READING_METHODS
            case _:
                return False
