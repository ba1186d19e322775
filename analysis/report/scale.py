"""A linear axis in percent of a plot's width, so that plots fit a phone as well as a page."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from ..columns import number


class Tick(NamedTuple):
    at: float  # percent
    text: str


@dataclass(frozen=True)
class Scale:
    """From `low` at 0 % to `high` at 100 %."""

    low: float
    high: float
    ticks: list[Tick]

    def at(self, value: float) -> float:
        """Percent, held within the plot."""
        share = (value - self.low) / (self.high - self.low)
        return round(100 * min(max(share, 0.0), 1.0), 2)


def linear(
    values: Iterable[float], *, signed: bool = False, within: tuple[float, float] | None = None
) -> Scale:
    """An axis that shows all values with a margin, or a given range; ticks at round numbers."""
    from matplotlib.ticker import MaxNLocator

    low, high = within or _span(values)
    places = [float(x) for x in MaxNLocator(7, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)]
    digits = next((d for d in range(6) if all(round(p, d) == round(p, 8) for p in places)), 6)
    return _with_ticks(
        low, high, places, lambda x: number(x, digits=digits, signed=signed and round(x, 8) != 0)
    )


def logarithmic(logs: Iterable[float]) -> Scale:
    """An axis of natural logarithms, with ticks at 1, 2 and 5 times powers of ten."""
    import math

    low, high = _span(logs)
    powers = range(math.floor(low / math.log(10)), math.ceil(high / math.log(10)) + 1)
    places = [math.log(m) + p * math.log(10) for p in powers for m in (1, 2, 5)]
    return _with_ticks(low, high, places, lambda x: f"{round(math.exp(x)):,}")


def _span(values: Iterable[float]) -> tuple[float, float]:
    finite = [v for v in values if v == v]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    margin = 0.06 * (high - low) or 0.5
    return low - margin, high + margin


def _with_ticks(
    low: float, high: float, places: list[float], text: Callable[[float], str]
) -> Scale:
    scale = Scale(low, high, [])
    inside = [x for x in places if low <= x <= high]
    return Scale(low, high, [Tick(scale.at(x), text(x)) for x in inside])
