# SPDX-License-Identifier: GPL-3.0-or-later
"""The user who reads a script reads all of it."""

from __future__ import annotations

import pytest

from addon.listing import ROW_CHARS, Row, rows, visible

SHAPES = [
    ("print('ok')", "print('ok')"),
    ("\tx = 1", "    x = 1"),
    ("a = 'é 漢 😀'", "a = 'é 漢 😀'"),
    # Characters that turn the order of what follows around, or have no width.
    ("x = 1  # \u202e } \u2066", r"x = 1  # \u202e } \u2066"),
    ("im\u200bport os", r"im\u200bport os"),
    # Blank, and yet letters of a name.
    ("\u3164 = a\u115fb\uffa0", r"\u3164 = a\u115fb\uffa0"),
    ("a\xa0b\x1b[8m\x00\u2800", r"a\xa0b\x1b[8m\x00\u2800"),
]


@pytest.mark.parametrize(("line", "shown"), SHAPES, ids=[row[1] for row in SHAPES])
def test_every_character_is_seen(line: str, shown: str) -> None:
    assert visible(line) == shown


LINES = [
    ("", [""]),
    ("a", ["a"]),
    ("a\n", ["a", ""]),
    ("a\r\nb\rc\nd", ["a", "b", "c", "d"]),
    ("a\x0cb\x85c\u2028d\x1ce", [r"a\x0cb\x85c\u2028d\x1ce"]),
]


@pytest.mark.parametrize(("code", "lines"), LINES, ids=repr)
def test_lines_are_numbered_as_python_counts(code: str, lines: list[str]) -> None:
    """So that a finding's line is the one that is marked; `str.splitlines` counts others."""
    assert list(rows(code, lambda _: True)) == [Row(number, line, True) for number, line in enumerate(lines, 1)]


@pytest.mark.parametrize("width", [1, 7, 80, 10_000])
@pytest.mark.parametrize("blanks", [0, 3, 2000])
def test_a_long_line_goes_on_in_the_next_row(width: int, blanks: int) -> None:
    """What stands far to the right is not beyond the edge, and nothing is lost or doubled."""
    code = f"x = 1;{' ' * blanks}import os\nlast"
    shown = list(rows(code, lambda text: len(text) <= width))
    assert "".join(row.text for row in shown) == code.replace("\n", "")
    assert all(len(row.text) <= min(width, ROW_CHARS) for row in shown)
    assert [row.line for row in shown if row.begins] == [1, 2]
    assert "".join(row.text for row in shown if row.line == 2) == "last"


def test_a_row_has_a_character_even_where_none_fits() -> None:
    assert [row.text for row in rows("ab", lambda _: False)] == ["a", "b"]
