# SPDX-License-Identifier: GPL-3.0-or-later
"""What of Blender a script may touch beside the open file's usual data, from its source. In doubt, everything.

To look what a script has left behind there takes longer than most scripts, so it is looked for only around those that
could have: who hides it, as by names put together from parts, is not found out here.
"""

from __future__ import annotations

import ast
import sys

_ANYTHING = ("exec", "eval", "import_module", "__import__", "runpy", "load", "script", "append")
"""Words of what runs or brings in code and data that is not in the source."""

_WORDS = {
    "classes": ("regist", "addon"),
    "drivers": ("driver",),
    "modules": ("modules",),
    "preferences": ("prefer", "addon", "extension", "userpref", "repo"),
}
"""By what can be touched, words of which one is in every script that does."""

EVERYTHING = frozenset(_WORDS)

_BLENDER = frozenset(
    "aud bl_math blf bmesh bpy bpy_extras freestyle gpu gpu_extras idprop imbuf mathutils numpy".split()
)


def touched(tree: ast.Module, source: str) -> frozenset[str]:
    """Of `classes`, `drivers`, `modules` and `preferences` those that a script may touch."""
    if any(word in source for word in _ANYTHING) or not _imports_only_known(tree):
        return EVERYTHING
    return frozenset(part for part, words in _WORDS.items() if any(word in source for word in words))


def _imports_only_known(tree: ast.Module) -> bool:
    """Whether all imports are of Python's own modules or Blender's: somebody else's may do anything."""
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append(node.module or "")
    return all((top := name.partition(".")[0]) in _BLENDER or top in sys.stdlib_module_names for name in names)
