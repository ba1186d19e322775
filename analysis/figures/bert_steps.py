"""BERT's Figure 5: MNLI and held-out loss by steps of pre-training, masked LM and left to right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .. import cells
from .lines import legend, line
from .style import DASHES

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

NAMES = {"bert": "masked LM", "ltr": "left to right"}
PANELS = {
    "mnli": ("score", "MNLI, accuracy"),
    "corpus": ("token_loss", "Held-out loss, nats a token"),
}
KINDS = {False: "weights of one run", True: "schedule ends at the step"}


def steps(plan: Mapping[str, Any], frame: pd.DataFrame) -> Figure:
    """One line a variant and kind of weights, over steps of pre-training on a logarithmic axis.

    At the last step the run whose schedule ends there is the run that kept the other weights, so
    that both lines end in one point.
    """
    from matplotlib.figure import Figure

    levels = [run["factors"] for run in plan["runs"] if run["role"] == "cell"]
    shown = sorted({factors["step"] for factors in levels})
    figure = Figure(figsize=(8.6, 3.5), layout="constrained")
    panels = figure.subplots(1, len(PANELS))
    for panel, (task, (metric, title)) in zip(panels, PANELS.items(), strict=True):
        for place, (variant, name) in enumerate(NAMES.items()):
            for dash, (decayed, kind) in zip(DASHES, KINDS.items(), strict=False):
                points = [
                    (step, cells.rows_of(frame, cells.planned(plan, arm)), metric)
                    for step in shown
                    for arm in [
                        {"variant": variant, "task": task, "step": step}
                        | {"decayed": decayed and step != shown[-1]}
                    ]
                ]
                line(panel, points, place=place, label=f"{name}, {kind}", linestyle=dash)
        panel.set_xscale("log", base=2)
        panel.set_xticks(shown, [f"{step:,}" for step in shown])
        panel.minorticks_off()
        panel.set_xlabel("steps of pre-training")
        panel.set_title(title, loc="left")
        panel.grid(color="#e4e7eb", linewidth=0.7)
        panel.set_axisbelow(True)
    legend(figure, panels[0])
    return figure


FIGURES = {"steps": steps}
