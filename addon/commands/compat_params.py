# SPDX-License-Identifier: GPL-3.0-or-later
"""What commands of the popular add-on take: nobody has looked at it before, so it is looked at here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import CommandError, invalid

TEXT_CHARS = 4096
NAMES = 10_000
"""The longest list of names."""
MOST = 1e9
"""Numbers are sizes and places; greater ones, and those that are none, stand for nothing."""

REQUIRED: Any = object()
"""Stands for the default of a parameter that has none."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a parameter must be, in words and as a check; null is the default, where it has one."""

    what: str
    fits: Callable[[Any], bool]
    default: Any = REQUIRED


def text(default: Any = REQUIRED) -> Parameter:
    """A text."""
    return Parameter(f"a text of at most {TEXT_CHARS} characters", _is_text, default)


def number(least: float, most: float, default: Any = REQUIRED) -> Parameter:
    """A number from `least` to `most`."""
    return Parameter(f"a number from {least:g} to {most:g}", lambda value: _is_number(value, least, most), default)


def switch(default: bool) -> Parameter:
    """True or false."""
    return Parameter("true or false", lambda value: isinstance(value, bool), default)


def matrix() -> Parameter:
    """Four rows of four numbers."""
    return Parameter("four rows of four numbers", _is_matrix)


def names() -> Parameter:
    """A list of texts, empty by default."""
    return Parameter(f"a list of at most {NAMES} names", _are_names, ())


def members() -> Parameter:
    """An object, empty by default."""
    return Parameter("an object", lambda value: isinstance(value, dict), {})


def taken(command: str, known: Mapping[str, Parameter], given: Mapping[str, Any]) -> dict[str, Any]:
    """All parameters of a command. Raises `invalid_params` for one that is missing, unknown, or not what it must be."""
    for name in given:
        if name not in known:
            # The client takes these words for those of an add-on that is older than the parameter.
            problem = f"an unexpected keyword argument of {command}, which takes {', '.join(known) or 'none'}"
            raise invalid(name[:TEXT_CHARS], problem)
    return {name: _one(command, name, parameter, given.get(name)) for name, parameter in known.items()}


def _one(command: str, name: str, parameter: Parameter, value: Any) -> Any:
    if value is None:
        if parameter.default is REQUIRED:
            raise _missing(command, name, parameter)
        return parameter.default
    if not parameter.fits(value):
        raise invalid(name, f"{command} takes {parameter.what} here")
    return value


def _missing(command: str, name: str, parameter: Parameter) -> CommandError:
    return invalid(name, f"{command} needs it: {parameter.what}")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= TEXT_CHARS


def _is_number(value: Any, least: float = -MOST, most: float = MOST) -> bool:
    # NaN is in no range.
    return type(value) in (int, float) and least <= value <= most


def _is_matrix(value: Any) -> bool:
    rows = value if isinstance(value, list) and len(value) == 4 else [None]
    return all(isinstance(row, list) and len(row) == 4 and all(map(_is_number, row)) for row in rows)


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= NAMES and all(map(_is_text, value))
