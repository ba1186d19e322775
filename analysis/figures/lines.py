"""Lines of means over seeds with their intervals, and the legend that names them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..cells import measure
from ..statistics import ALPHA, contrast_of
from .style import COLOURS

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def line(
    panel: Axes,
    points: Sequence[tuple[float, pd.DataFrame, str]],
    *,
    place: int,
    label: str,
    linestyle: Any = "-",
    band: bool = False,
) -> None:
    """Means over seeds with their intervals, at each (x, finished runs, metric) that was measured;
    `place` chooses the colour. Intervals are bars, or with `band` the area between their ends."""
    colour = COLOURS[place % len(COLOURS)]
    drawn: list[tuple[float, float]] = []
    intervals: list[tuple[float, float, float]] = []
    for x, runs, metric in points:
        measured = measure(runs, metric)
        if len(measured.values):
            contrast = contrast_of([measured.groups], weights=[1])
            drawn.append((x, contrast.estimate))
            if interval := contrast.interval(1 - ALPHA):
                intervals.append((x, interval.low, interval.high))
    if band and intervals:
        at, lows, highs = zip(*intervals, strict=True)
        panel.fill_between(at, lows, highs, color=colour, alpha=0.15, linewidth=0)
    for x, low, high in [] if band else intervals:
        panel.plot((x, x), (low, high), color=colour, linewidth=0.9, alpha=0.6)
    if drawn:
        xs, ys = zip(*drawn, strict=True)
        panel.plot(xs, ys, "o", ms=3.5, color=colour, linestyle=linestyle, lw=1.4, label=label)


def legend(figure: Figure, panel: Axes) -> None:
    """Outside on the right, of what the panel shows."""
    handles, labels = panel.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside right center", frameon=False)
