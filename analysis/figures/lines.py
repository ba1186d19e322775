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
) -> None:
    """Means over seeds with their intervals, at each (x, finished runs, metric) that was measured;
    `place` chooses the colour."""
    colour = COLOURS[place % len(COLOURS)]
    drawn = []
    for x, runs, metric in points:
        measured = measure(runs, metric)
        if len(measured.values):
            contrast = contrast_of([measured.groups], weights=[1])
            drawn.append((x, contrast.estimate))
            if interval := contrast.interval(1 - ALPHA):
                panel.plot((x, x), interval, color=colour, linewidth=0.9, alpha=0.6)
    if drawn:
        xs, ys = zip(*drawn, strict=True)
        panel.plot(xs, ys, "o", ms=3.5, color=colour, linestyle=linestyle, lw=1.4, label=label)


def legend(figure: Figure, panel: Axes) -> None:
    """Outside on the right, of what the panel shows."""
    handles, labels = panel.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside right center", frameon=False)
