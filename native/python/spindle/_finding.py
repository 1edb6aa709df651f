# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender's guard says of a script."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal


@dataclass(frozen=True)
class Finding:
    """One thing that the guard found in a script.

    rule: the rule's stable id, such as `process.os_system`.
    severity: `caution` is worth knowing; `danger` is refused at the level `guarded`.
    line, column: where it begins, counted from 1; columns count characters.
    remedy: what to write instead, or whom to ask.
    """

    rule: str
    severity: Literal["caution", "danger"]
    line: int
    column: int
    excerpt: str
    reason: str
    remedy: str

    @classmethod
    def _read_all(cls, told: list[dict[str, Any]]) -> tuple[Finding, ...]:
        return tuple(cls(**known(cls, finding)) for finding in told)

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason} {self.remedy} [{self.rule}]"


def known(cls: type, members: dict[str, Any]) -> dict[str, Any]:
    """Those members that the dataclass has; a newer server may tell more."""
    return {field.name: members[field.name] for field in fields(cls) if field.name in members}
