# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a script can be seen to change nothing, from its syntax tree. In doubt, it may change something.

Blender reports most changes, but not those to custom properties, text blocks, pixels, markers or fake users. All of
these are made by storing to an attribute or an item, by deleting one, or by a call; so a script without those,
other than to containers that it made itself and functions known to read, changes nothing.
"""

from __future__ import annotations

import ast

READING_FUNCTIONS = frozenset(
    """abs all any ascii bin bool bytes callable chr complex dict dir divmod enumerate filter float format frozenset
    getattr hasattr hash hex id int isinstance issubclass iter len list map max min next oct ord pow print range repr
    reversed round set slice sorted str sum tuple type vars zip Color Euler Matrix Quaternion Vector Path
    ValueError RuntimeError TypeError KeyError Exception""".split()
)
"""Built-in functions and types, and those of mathutils, that change nothing they are given."""

READING_METHODS = frozenset(
    """as_pointer as_string bone_chains capitalize center closest_point_on_mesh count cross decode determinant difference dot
    encode endswith evaluated_get find foreach_get format from_string get get_output_node index intersection inverted
    inverted_safe is_property_set isdisjoint isoformat issubset issuperset items join keys ljust lower lstrip
    normalized path_from_id path_resolve perf_counter replace rfind rjust rotation_difference rpartition rsplit
    rstrip split splitlines startswith strip time title to_2d to_3d to_4d to_euler to_list to_matrix to_quaternion
    to_scale to_translation to_tuple tolist transposed union upper values visible_get zfill
    sqrt sin cos tan asin acos atan atan2 hypot floor ceil radians degrees isclose pow exp log log10 fabs dist
    dumps loads abspath basename dirname splitext exists evaluated_depsgraph_get gmtime localtime strftime""".split()
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

_CONTAINERS = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)


def changes_nothing(tree: ast.Module) -> bool:
    """Whether running this can be seen to change nothing in the open file."""
    own_functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    own_containers = _own_containers(tree)
    return all(_is_harmless(node, own_functions, own_containers) for node in ast.walk(tree))


def _own_containers(tree: ast.Module) -> set[str]:
    """The names that are only ever bound to containers made in the script."""
    made: set[str] = set()
    other: set[str] = {
        argument.arg for node in ast.walk(tree) if isinstance(node, ast.arguments) for argument in _all(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            (made if _makes_container(node.value) else other).add(node.targets[0].id)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            (made if node.value is not None and _makes_container(node.value) else other).add(node.target.id)
        elif isinstance(node, (ast.Assign, ast.For, ast.comprehension, ast.NamedExpr, ast.withitem, ast.Import)):
            other.update(_bound_names(node))
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            other.update(node.names)
    return made - other


def _all(arguments: ast.arguments) -> list[ast.arg]:
    single = [arguments.vararg, arguments.kwarg]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *(arg for arg in single if arg is not None)]


def _makes_container(value: ast.expr) -> bool:
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
        return value.func.id in {"list", "dict", "set", "sorted", "defaultdict", "Counter", "deque"}
    return isinstance(value, _CONTAINERS)


def _bound_names(node: ast.AST) -> set[str]:
    return {name.id for name in ast.walk(node) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)}


def _is_harmless(node: ast.AST, functions: set[str], containers: set[str]) -> bool:
    match node:
        case ast.Attribute(ctx=ast.Store() | ast.Del()):
            return False
        case ast.Subscript(value=value, ctx=ast.Store() | ast.Del()):
            return isinstance(value, ast.Name) and value.id in containers
        case ast.Call(func=ast.Name(id=name)):
            return name in functions or name in READING_FUNCTIONS or name in {"defaultdict", "Counter", "deque"}
        case ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr=method)) if method in CONTAINER_METHODS:
            return owner in containers
        case ast.Call(func=ast.Attribute(attr=method)):
            return method in READING_METHODS or method in {"Vector", "Matrix", "Color", "Euler", "Quaternion"}
        case ast.Call():
            return False
        case ast.Import(names=names):
            return all(name.name in READING_MODULES for name in names)
        case ast.ImportFrom(module=module):
            return module in READING_MODULES
        case ast.AugAssign(target=target):
            # `a += b` on a name can change the object it is bound to, unless the script made that.
            return isinstance(target, ast.Name) and _is_number_or_text(node) or _is_own(target, containers)
        case ast.ClassDef() | ast.AsyncFunctionDef() | ast.With() | ast.AsyncWith() | ast.Await() | ast.Delete():
            return False
        case _:
            return True


def _is_own(target: ast.expr, containers: set[str]) -> bool:
    owner = target.value if isinstance(target, ast.Subscript) else target
    return isinstance(owner, ast.Name) and owner.id in containers


def _is_number_or_text(node: ast.AugAssign) -> bool:
    return isinstance(node.value, (ast.Constant, ast.JoinedStr)) or (
        isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id in {"len", "sum", "abs", "min", "max", "round", "int", "float", "str"}
    )
