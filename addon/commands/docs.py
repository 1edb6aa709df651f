# SPDX-License-Identifier: GPL-3.0-or-later
"""What the running Blender's Python API has, as it tells about itself: one thing by its name, or things by words."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from ..turn import Turn
from . import docs_index, docs_names
from .docs_page import position

TURN_S = 0.01
"""How long a turn may read the API for the first search, seconds, so that a window stays usable."""


def get(turn: Turn, *, name: str, cursor: str | None) -> dict[str, Any]:
    """A page about what this name stands for. Raises `not_found` with the closest names."""
    return docs_names.page_of(name).cut(cursor)


def search(
    turn: Turn, *, query: str, kinds: list[str] | None, limit: int, cursor: str | None
) -> Generator[None, None, dict[str, Any]]:
    """A page of what has the words of the query, best first. The first search, and the first one after types came or
    went, reads the API, over several turns."""
    index = docs_index.current()
    while not index.grow(TURN_S):
        yield
    found = index.find(query, kinds)
    start = position(cursor, len(found))
    end = min(start + limit, len(found))
    return {
        "results": [entry.told() for entry in found[start:end]],
        "total": len(found),
        "next_cursor": str(end) if end < len(found) else None,
    }
