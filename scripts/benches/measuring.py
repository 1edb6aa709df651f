# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows: what was measured, against what, and how far the rounds lie apart."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """blender: the Blender to measure in, and its name. quick: few and short rounds, to see that all works."""

    name: str
    blender: Path
    quick: bool

    def of(self, usual: int, quick: int) -> int:
        """A number of rounds, calls or seconds."""
        return quick if self.quick else usual


@dataclass(frozen=True)
class Figure:
    """The median of the rounds, the lowest and the highest."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, rounds: Iterable[float]) -> Figure:
        """The figure of one value for each round."""
        values = list(rounds)
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class Row:
    """One line of the result. `ratio` is the other's figure by ours, so more is better; `need` says what is asked of
    it, and `met` whether it is so."""

    name: str
    unit: str
    ours: Figure
    against: str = ""
    other: Figure | None = None
    need: str = ""
    met: bool | None = None

    @property
    def ratio(self) -> float | None:
        """None where there is nothing to compare, or ours is nothing."""
        return None if self.other is None or self.ours.value <= 0 else self.other.value / self.ours.value

    def to_json(self) -> dict[str, object]:
        """The row as plain values."""
        other = self.other
        return {
            "name": self.name,
            "value": self.ours.value,
            "unit": self.unit,
            "low": self.ours.low,
            "high": self.ours.high,
            "against": self.against or None,
            "against_value": other and other.value,
            "against_low": other and other.low,
            "against_high": other and other.high,
            "ratio": self.ratio,
            "need": self.need or None,
            "met": self.met,
        }

    def to_text(self) -> str:
        """The row for people, over two or three lines."""
        lines = [f"{self.name}: {_show(self.ours)} {self.unit}"]
        if self.other is not None:
            ratio = "" if self.ratio is None else f", {self.ratio:.3g} times ours"
            lines.append(f"    against {self.against}: {_show(self.other)} {self.unit}{ratio}")
        if self.need:
            lines.append(f"    need {self.need}: {'met' if self.met else 'MISSED'}")
        return "\n".join(lines)


def _show(figure: Figure) -> str:
    return f"{figure.value:.4g} ({figure.low:.4g} to {figure.high:.4g})"


def in_turns(rounds: int, sides: Mapping[str, Callable[[], list[float]]]) -> dict[str, list[list[float]]]:
    """Take the sides one after the other, round by round; the samples of each round, by side."""
    taken: dict[str, list[list[float]]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            taken[name].append(side())
    return taken


def mean(rounds: Iterable[Sequence[float]]) -> Figure:
    """The mean of each round."""
    return Figure.of(statistics.fmean(samples) for samples in rounds)


def percentile(percent: int, rounds: Iterable[Sequence[float]]) -> Figure:
    """This percentile of each round."""
    return Figure.of(_at(percent, samples) for samples in rounds)


def _at(percent: int, samples: Sequence[float]) -> float:
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]
