"""The positions study's figures: loss beyond the trained length, and maps of the encodings.

The maps are computed from formulas (encoding_maps.py), whatever the plan.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import arm_rows
from ..columns import Arm
from ..declaration import load_table
from .encoding_maps import MAPS
from .lines import legend, line
from .style import COLOURS, DASHES

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MULTIPLES = (1, 2, 4, 8, 16)


def lengths(plan: Mapping[str, Any], frame: pd.DataFrame) -> Figure:
    """Loss by evaluated length, one line an encoding: whole windows, and their last eighth."""
    from matplotlib.figure import Figure

    finished = _finished("positions_lengths", plan, frame)
    figure = Figure(figsize=(8.2, 3.5), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    titles = {"loss": "Whole windows", "last_eighth": "Last eighth of the window"}
    for panel, (metric, title) in zip(panels, titles.items(), strict=True):
        for i, arm in enumerate(finished):
            name = str(arm.factors["position"])
            points = [(times, arm.runs, f"{metric}_x{times}") for times in MULTIPLES]
            dash = DASHES[i // len(COLOURS) % len(DASHES)]
            line(panel, points, place=i, label=name, linestyle=dash)
        _axes(panel, title, "evaluated length, multiples of the trained one")
    panels[0].set_ylabel("nats per byte")
    legend(figure, panels[0])
    return figure


def extension(plan: Mapping[str, Any], frame: pd.DataFrame) -> Figure:
    """Loss by extension factor, one line a method and number of steps: at the extended length, and
    at the trained one, which is what the extension costs."""
    from matplotlib.figure import Figure

    finished = _finished("positions_extension", plan, frame)
    figure = Figure(figsize=(8.2, 3.5), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    methods = list(dict.fromkeys(arm.factors["method"] for arm in finished))
    steps = sorted({arm.factors["steps"] for arm in finished})
    for panel, extended in zip(panels, (True, False), strict=True):
        for method in methods:
            for dash, count in zip(DASHES, steps, strict=False):
                arms = [
                    arm
                    for arm in finished
                    if (arm.factors["method"], arm.factors["steps"]) == (method, count)
                ]
                points = [
                    (factor, arm.runs, f"loss_x{factor:g}" if extended else "loss_x1")
                    for arm in sorted(arms, key=lambda arm: arm.factors["factor"])
                    for factor in [arm.factors["factor"]]
                ]
                name = f"{method}, {count:,} steps" if len(steps) > 1 else str(method)
                line(panel, points, place=methods.index(method), label=name, linestyle=dash)
        _axes(panel, "At the extended length" if extended else "At the trained length", "factor s")
    panels[0].set_ylabel("nats per byte")
    legend(figure, panels[0])
    return figure


def _finished(table: str, plan: Mapping[str, Any], frame: pd.DataFrame) -> list[Arm]:
    """The arms that a table shows, as far as they are finished."""
    chosen = arm_rows.of_arms(plan, load_table(table).arms)
    return [arm for arm in arm_rows.arms(chosen, frame) if len(arm.runs)]


def _axes(panel: Axes, title: str, name: str) -> None:
    panel.set_xscale("log", base=2)
    shown = sorted({x for line in panel.lines for x in np.asarray(line.get_xdata()).tolist()})
    panel.set_xticks(shown, [f"{times:g}×" for times in shown])
    panel.minorticks_off()
    panel.set_xlabel(name)
    panel.set_title(title, loc="left")
    panel.grid(color="#e4e7eb", linewidth=0.7)
    panel.set_axisbelow(True)


def _computed(draw: Callable[[], Figure]) -> Callable[..., Figure]:
    """A map of encodings as a study's figure: the plan and its runs do not matter."""
    return lambda plan, frame: draw()


FIGURES = {
    **{name: _computed(draw) for name, draw in MAPS.items()},
    "lengths": lengths,
    "extension": extension,
}
