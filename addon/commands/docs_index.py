# SPDX-License-Identifier: GPL-3.0-or-later
"""What `docs.search` looks through: names, labels and descriptions of what the running Blender's API has."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import bpy

from . import docs_names, docs_python, docs_types
from .docs_page import shortened

TEXT = 160
"""Characters of a description among results."""

_ORDER = ("type", "node", "operator", "property", "function", "module")
"""Of two that fit equally well, which comes first."""
_PREFIX = re.compile(r"bpy\.(types|ops|data|context)\.|bpy\.")
_INTERFACE = re.compile(r"_[A-Z]{2}_")
"""Types of operators, panels, menus and lists, such as `VIEW3D_PT_view3d_properties`. Operators are read on their own;
nobody looks for the others."""
_WORD = re.compile(r"\w+")
_PARTS = re.compile(r"[a-z0-9]+|[A-Z][a-z0-9]*|[A-Z]+(?![a-z])")


class Entry(NamedTuple):
    """Something that can be found."""

    kind: str
    name: str
    label: str
    description: str
    text: str
    """All of it that counts, in one letter case."""

    def told(self) -> dict[str, Any]:
        """As the protocol's `Match`."""
        told = ": ".join(text for text in (self.label, self.description) if text)
        return {"kind": self.kind, "name": self.name, "description": shortened(" ".join(told.split()), TEXT)}


class Index:
    """The entries, which are read in parts; between two parts it holds names only, none of Blender's data."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._waiting: list[Callable[[], None]] = [partial(self._read_type, name) for name in docs_types.type_names()]
        self._waiting += [partial(self._read_operators, module) for module in dir(bpy.ops)]
        self._waiting += [partial(self._read_module, name) for name in docs_python.MODULES]

    def __len__(self) -> int:
        return len(self._entries)

    def grow(self, seconds: float) -> bool:
        """Read on for so long; whether all is read."""
        end = time.perf_counter() + seconds
        while self._waiting and time.perf_counter() < end:
            self._waiting.pop()()
        return not self._waiting

    def find(self, query: str, kinds: list[str] | None) -> list[Entry]:
        """The entries that have at least two thirds of the query's words, or the most that any has; best first."""
        words = [_singular(word) for word in _WORD.findall(_PREFIX.sub("", query).casefold())]
        hits = [sum([word in entry.text for word in words]) for entry in self._entries]
        fitting = [
            (count, entry)
            for count, entry in zip(hits, self._entries, strict=True)
            if count and (kinds is None or entry.kind in kinds)
        ]
        most = max((count for count, _ in fitting), default=0)
        least = min(most, math.ceil(len(words) * 2 / 3))
        found = [(-count, _place(entry, words), entry) for count, entry in fitting if count >= least]
        return [entry for *_, entry in sorted(found)]

    def _add(self, kind: str, name: str, label: str, description: str) -> None:
        # A label that only repeats the name helps nobody.
        words = "".join(_WORD.findall(label)).casefold()
        if words == name.rpartition(".")[2].replace("_", "").casefold():
            label = ""
        text = f"{_PREFIX.sub('', name)} {label} {description}".casefold()
        self._entries.append(Entry(kind, name, label, description, text))

    def _read_type(self, identifier: str) -> None:
        kind = docs_types.find(identifier)
        rna = getattr(kind, "bl_rna", None)
        if kind is None or rna is None or _INTERFACE.search(identifier):
            return
        name = docs_types.name_of(kind)
        is_node = issubclass(kind, bpy.types.Node)
        self._add("node" if is_node else "type", name, docs_types.label_of(kind), rna.description)
        properties, functions = docs_types.own_members(rna)
        for item in properties:
            self._add("property", f"{name}.{item.identifier}", item.name, item.description)
        for function in functions:
            self._add("function", f"{name}.{function.identifier}", "", function.description)
        named = {function.identifier for function in functions}
        rows = docs_python.level_rows(kind, None)
        self._add_members(name, [row for row in rows if row[1]["name"] not in named])

    def _read_operators(self, module: str) -> None:
        for function in dir(getattr(bpy.ops, module)):
            if (rna := docs_names.operator_rna(module, function)) is not None:
                self._add("operator", f"bpy.ops.{module}.{function}", rna.name, rna.description)

    def _read_module(self, name: str) -> None:
        if (found := docs_python.module(name)) is None:
            return
        page = docs_python.module_page(name, found)
        self._add("module", name, "", page.description)
        self._add_members(name, page.rows)
        for member, value in docs_python.members(found).items():
            if isinstance(value, type):
                self._add_members(f"{name}.{member}", docs_python.level_rows(value, None))

    def _add_members(self, owner: str, rows: Any) -> None:
        for section, row in rows:
            if row.get("type") != "module":
                kind = "property" if section == "properties" else "function"
                self._add(kind, f"{owner}.{row['name']}", "", row.get("description", ""))


_index: Index | None = None
_mark = 0


def current() -> Index:
    """The index of what is registered now; a new one where types came or went since the last one began."""
    global _index, _mark
    mark = docs_types.registered()
    if _index is None or mark != _mark:
        _index, _mark = Index(), mark
    return _index


def _singular(word: str) -> str:
    """A word without the `s` of a plural, which what it is looked for in need not have."""
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def _place(entry: Entry, words: list[str]) -> tuple[float, int, int]:
    """What sorts the entries that have the same number of the words. Each word counts by where it is: most in the
    entry's own name, less in its label, its owner's name and its description; more as a word than as a part of one."""
    owner, _, own = _PREFIX.sub("", entry.name).rpartition(".")
    parts = _words_of(own)
    fields = [(8, own.casefold(), parts), (6, entry.label.casefold(), _words_of(entry.label))]
    fields += [(3, owner.casefold(), _words_of(owner)), (2, entry.text, set())]
    weight: float = sum(max(_count(word, *field) for field in fields) for word in words)
    # Of two names with the word, the one with fewer others is the better.
    weight += 6 * len(parts.intersection(words)) / (len(parts) or 1)
    if {own.casefold(), own.casefold().replace("_", " "), entry.label.casefold()} & {" ".join(words), "_".join(words)}:
        weight = 100
    return -weight, _ORDER.index(entry.kind), len(entry.name)


def _count(word: str, most: int, text: str, parts: set[str]) -> int:
    return most if word in parts else most // 2 if word in text else 0


def _words_of(text: str) -> set[str]:
    return {_singular(part.casefold()) for part in _PARTS.findall(text)}
