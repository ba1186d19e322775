"""The positions study's figures: loss beyond the trained length, by length and by position in the
window, and maps of the encodings.

The maps are computed from formulas (encoding_maps.py), whatever the plan.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import arm_rows
from ..cells import measure
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
EIGHTHS = 8


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


def by_position(plan: Mapping[str, Any], frame: pd.DataFrame) -> Figure:
    """Loss by position in the longest window, one line an encoding and, on the right, one a method
    that extends the rotary models furthest, before any fine-tuning; bands are intervals.

    Every eighth of the window is a point. A dotted line marks N: left of it a long window is as any
    of the trained length.
    """
    from matplotlib.figure import Figure

    extended = _finished("positions_extension", plan, frame)
    furthest = max((arm.factors["factor"] for arm in extended), default=0)
    fewest = min((arm.factors["steps"] for arm in extended), default=0)
    shown = [a for a in extended if (a.factors["factor"], a.factors["steps"]) == (furthest, fewest)]
    figure = Figure(figsize=(8.2, 4.2), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    _eighths(panels[0], _finished("positions_lengths", plan, frame), "position")
    _eighths(panels[1], shown, "method")
    panels[0].set_title("Encodings", loc="left")
    panels[1].set_title("Rotary models, extended", loc="left")
    panels[0].set_ylabel("nats per byte")
    return figure


def _eighths(panel: Axes, arms: list[Arm], name: str) -> None:
    """Each arm's loss in the eighths of its longest window, at their middles."""
    for i, arm in enumerate(arms):
        scored = [t for t in MULTIPLES if len(measure(arm.runs, f"eighth_1_x{t}").values)]
        for times in scored[-1:]:
            points = [
                ((k - 0.5) * times / EIGHTHS, arm.runs, f"eighth_{k}_x{times}")
                for k in range(1, EIGHTHS + 1)
            ]
            dash = DASHES[i // len(COLOURS) % len(DASHES)]
            label = str(arm.factors[name])
            line(panel, points, place=i, label=label, linestyle=dash, band=True)
    panel.axvline(1, color="#8a8f98", linewidth=0.9, linestyle=DASHES[2])
    panel.set_xlim(left=0)
    panel.set_xlabel("position in the window, multiples of the trained length")
    panel.grid(color="#e4e7eb", linewidth=0.7)
    panel.set_axisbelow(True)
    if panel.get_legend_handles_labels()[0]:
        panel.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=3, frameon=False)


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
    "by_position": by_position,
    "extension": extension,
}
