# SPDX-License-Identifier: GPL-3.0-or-later
"""A script as people are shown it before they let it run: numbered as Python counts, and nothing in it hidden.

What a reader cannot see could be what the script is about. So a long line goes on in the next row instead of ending
in dots, and a character without a shape of its own is written out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

ROW_CHARS = 200
"""Of a row at most: half of what Blender draws of a text, and more than fits of all but the narrowest letters."""

_LINE_END = re.compile(r"\r\n|\r|\n")
"""What ends a line for Python; `str.splitlines` knows several more."""

_BLANK = "\u115f\u1160\u2800\u3164\uffa0"
"""Letters and symbols that Unicode counts as printable, and that look like nothing."""


class Row(NamedTuple):
    """A line, or a part of it."""

    line: int
    text: str
    begins: bool
    """Whether it is the first part; only that has the number beside it."""


def rows(code: str, fits: Callable[[str], bool]) -> Iterator[Row]:
    """The rows of a script. `fits` tells whether a text fits into one, and with it every shorter beginning of it."""
    for number, line in enumerate(_LINE_END.split(code), 1):
        rest, begins = visible(line), True
        while rest or begins:
            length = _most(rest, fits)
            yield Row(number, rest[:length], begins)
            rest, begins = rest[length:], False


def visible(line: str) -> str:
    """A line with every character that has no shape as its escape, such as `\\u202e`."""
    line = line.expandtabs(4)
    if line.isprintable() and line.isascii():
        return line
    return "".join(map(_shape, line))


def _shape(character: str) -> str:
    if character.isprintable() and character not in _BLANK:
        return character
    return character.encode("unicode_escape").decode()


def _most(text: str, fits: Callable[[str], bool]) -> int:
    """How many characters of a text fit; 1 at least, so that it ends."""
    least, most = 1, min(len(text), ROW_CHARS)
    if most <= 1 or fits(text[:most]):
        return most
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (middle, most) if fits(text[:middle]) else (least, middle)
    return least
