# SPDX-License-Identifier: GPL-3.0-or-later
"""An answer of `docs.get`: what a name is, and rows about what belongs to it, of which each page holds some."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from ..errors import CommandError, invalid

ROWS_CHARACTERS = 6_500
"""What the rows of a page take as JSON, unless one alone takes more: AI clients want answers below 10,000."""
ROW_TEXT = 300
"""A description among others."""
WHOLE_TEXT = 1_500
"""The description of what was asked for."""

Row = tuple[str, dict[str, Any]]
"""The section that it belongs to, which is a member of the protocol's `Doc`, and the row."""


@dataclass
class Page:
    """What there is to tell; `rows` in their order over all pages."""

    kind: str
    name: str
    description: str
    usage: str
    rows: list[Row] = field(default_factory=list)
    label: str = ""
    base: str | None = None
    note: str | None = None
    property: dict[str, Any] | None = None

    def cut(self, cursor: str | None) -> dict[str, Any]:
        """The page that begins with the row of this number, as text; the first one for None."""
        start = position(cursor, len(self.rows))
        answer: dict[str, Any] = {
            "kind": self.kind,
            "name": self.name,
            "label": self.label or None,
            "description": shortened(self.description, WHOLE_TEXT),
            "base": self.base,
            "usage": shortened(self.usage, ROW_TEXT),
            "note": self.note,
            "property": self.property,
        }
        answer = {key: value for key, value in answer.items() if value is not None}
        end, left = start, ROWS_CHARACTERS
        while end < len(self.rows):
            section, row = self.rows[end]
            left -= len(json.dumps(row, ensure_ascii=False))
            if left < 0 and end > start:
                break
            answer.setdefault(section, []).append(row)
            end += 1
        return answer | {"next_cursor": str(end) if end < len(self.rows) else None}


def position(cursor: str | None, count: int) -> int:
    """Where a page starts among so many rows."""
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and int(cursor) < count):
        raise invalid("cursor", f"{cursor!r} is no next_cursor of this; leave it out for the first page")
    return int(cursor)


def shortened(text: str, most: int = ROW_TEXT) -> str:
    """The text, or its beginning and an ellipsis."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def given(**members: Any) -> dict[str, Any]:
    """The members that are neither None nor empty nor false: rows tell nothing of what does not apply."""
    return {key: value for key, value in members.items() if value is not None and value is not False and value != ""}


def unknown(name: str, similar: list[str], where: str = "") -> CommandError:
    """`not_found`, with the closest names that there are."""
    hint = f"the closest: {', '.join(similar)}" if similar else "docs.search finds names by words"
    place = f" in {where}" if where else " in this Blender's Python API"
    return CommandError("not_found", f"no {name!r}{place}; {hint}", name=name, similar=similar)
