# SPDX-License-Identifier: GPL-3.0-or-later
"""A script's source: compiled once, and kept where tracebacks look for it."""

from __future__ import annotations

import ast
import functools
import linecache
import types
from collections import deque
from dataclasses import dataclass

from .purity import changes_nothing
from .touching import touched

KEPT_SOURCES = 64


@dataclass(frozen=True)
class Program:
    """A script that has been read: its statements, and its last expression if it ends with one."""

    body: types.CodeType
    last: types.CodeType | None
    changes_nothing: bool
    leaves_nothing: bool
    """Whether there is nothing to look for when it has run: it changes nothing, and brings in no module."""
    touched: frozenset[str]
    """What it may touch beside the file's usual data, as `touching` says."""


@functools.lru_cache(maxsize=128)
def read(code: str, filename: str) -> Program:
    """Parse and compile a script. Raises SyntaxError, or ValueError for what Python cannot parse."""
    tree = ast.parse(code, filename)
    harmless, parts = changes_nothing(tree), touched(tree, code)
    last = None
    if tree.body and isinstance(expression := tree.body[-1], ast.Expr):
        tree.body.pop()
        last = compile(ast.Expression(expression.value), filename, "eval")
    return Program(compile(tree, filename, "exec"), last, harmless, harmless and "import" not in code, parts)


_kept: deque[str] = deque()


def keep_source(filename: str, code: str) -> None:
    """Let tracebacks show the script's lines, also those of a handler that it leaves behind."""
    if filename not in _kept:
        _kept.append(filename)
        if len(_kept) > KEPT_SOURCES:
            linecache.cache.pop(_kept.popleft(), None)
    if not isinstance(linecache.cache, dict):  # A script may have had its way with it.
        linecache.cache = {}
    linecache.cache[filename] = (len(code), None, code.splitlines(keepends=True), filename)
