"""The BERT study's figure: each task's scores by variant, as dots, means and intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .. import cells
from ..statistics import ALPHA, contrast_of
from ..variants import Variant, variants
from .style import COLOURS

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BASELINE, OTHER, DEGENERATE = COLOURS[1], COLOURS[0], "#8a8f98"


def scores(plan: Mapping[str, Any], frame: pd.DataFrame) -> Figure:
    """One panel a task, one row a variant: a dot a pre-training seed, the mean and its interval.

    A dashed line marks the baseline's mean, a dotted one the majority class; a hollow dot is a
    seed with a run that gives one answer to everything.
    """
    from matplotlib.figure import Figure

    rows = variants(plan, frame, by="variant")
    runs = [run for run in plan["runs"] if run["role"] == "cell" and "task" in run["factors"]]
    tasks = list(dict.fromkeys(run["factors"]["task"] for run in runs))
    size = (1.9 + 2.1 * len(tasks), 1.3 + 0.34 * len(rows))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(1, len(tasks), sharey=True, squeeze=False)[0]
    for panel, task in zip(panels, tasks, strict=True):
        for y, row in enumerate(rows):
            _variant(panel, y, row, task)
        panel.set_title(task, loc="left")
        panel.grid(axis="x", color="#e4e7eb", linewidth=0.7)
        panel.set_axisbelow(True)
        panel.tick_params(axis="y", length=0)
        panel.spines["left"].set_visible(False)
        panel.set_xlabel("score")
    panels[0].set_yticks(range(len(rows)), [str(row.level) for row in rows])
    panels[0].set_ylim(len(rows) - 0.5, -0.5)
    figure.suptitle(
        # A title begins with the data, as in "microworld (synthetic); 3 layers x 64 ...".
        f"{plan['title'].partition(';')[0]}: scores over pre-training seeds, means with 95 % "
        "intervals",
        x=0.02,
        ha="left",
        size=10,
        weight="bold",
    )
    return figure


def _variant(panel: Axes, y: int, row: Variant, task: str) -> None:
    runs = row.arm({"task": task}).runs
    measured = cells.measure(runs, "score")
    if not len(measured.values):
        return
    colour = BASELINE if row.is_baseline else OTHER
    degenerate = cells.measure(runs, "degenerate")
    hollow = {u for u, v in zip(degenerate.units, degenerate.values, strict=True) if v > 0}
    for unit, value in zip(measured.units, measured.values, strict=True):
        face = "white" if unit in hollow else colour
        panel.plot(value, y, "o", ms=3.2, mec=colour, mfc=face, mew=0.8, alpha=0.55, zorder=2)
    contrast = contrast_of([measured.groups], weights=[1])
    mean, interval = contrast.estimate, contrast.interval(1 - ALPHA)
    if interval:
        panel.plot(interval, (y, y), color=colour, linewidth=1.6, zorder=3)
    panel.plot(mean, y, "D", ms=4.6, color=colour, zorder=4)
    if row.is_baseline:
        panel.axvline(mean, color=colour, linewidth=0.8, linestyle=(0, (4, 2)), zorder=1)
        majority = cells.measure(runs, "majority").values
        if len(majority):
            panel.axvline(majority[0], color=DEGENERATE, linewidth=0.9, linestyle=(0, (1, 1.5)))


FIGURES = {"scores": scores}
