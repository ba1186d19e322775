"""The symmetry study's figures: learning curves per arm and a heat map of exact match."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..arm_rows import arms
from ..cells import measure
from ..columns import Arm
from ..frame import histories
from .style import COLOURS, DASHES, line_handle

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MEASURE = "validation/exact_match"


def learning_curves(plan: Mapping[str, Any], frame: pd.DataFrame) -> Figure:
    """One panel per position encoding, one colour per arm, one thin line per seed.

    A dot ends a seed's line: a converged one stops before the budget.
    """
    from matplotlib.figure import Figure

    finished = _finished(plan, frame)
    curves = dict(histories(frame))
    positions = list(dict.fromkeys(arm.factors.get("position") for arm in finished))
    named = list(dict.fromkeys(_name(arm, finished) for arm in finished))
    styles = {
        name: (COLOURS[i % len(COLOURS)], DASHES[i // len(COLOURS) % len(DASHES)])
        for i, name in enumerate(named)
    }
    figure = Figure(figsize=(4.1 * len(positions) + 1.8, 3.6), layout="constrained")
    axes = figure.subplots(1, len(positions), sharex=True, sharey=True, squeeze=False)[0]
    for panel, position in zip(axes, positions, strict=True):
        for arm in finished:
            if arm.factors.get("position") == position:
                colour, dash = styles[_name(arm, finished)]
                _seeds(panel, arm, curves, color=colour, linestyle=dash)
        _log_steps(panel)
        panel.set_ylim(-0.03, 1.03)
        panel.set_title(f"position encoding: {position}", loc="left")
        panel.set_xlabel("training step (log scale)")
        panel.grid(axis="y", color="#e4e7eb", linewidth=0.7)
        panel.set_axisbelow(True)
        _ceiling(panel, finished, position)
    axes[0].set_ylabel("exact match, validation")
    handles = [line_handle(*styles[name], label=name) for name in named]
    figure.legend(handles=handles, loc="outside right center", frameon=False, handlelength=2.2)
    return figure


def _finished(plan: Mapping[str, Any], frame: pd.DataFrame) -> list[Arm]:
    return [arm for arm in arms(plan, frame) if len(arm.runs)]


def _seeds(panel: Axes, arm: Arm, curves: Mapping[str, pd.DataFrame], **style: Any) -> None:
    for run_id in arm.runs["run_id"]:
        curve = curves[run_id]
        if MEASURE not in curve:
            continue
        curve = curve[curve[MEASURE].notna() & (curve["step"] > 0)]
        if len(curve):
            panel.plot(curve["step"], curve[MEASURE], linewidth=0.9, alpha=0.8, **style)
            last = curve.iloc[-1]
            panel.plot(last["step"], last[MEASURE], "o", markersize=2.6, color=style["color"])


def _log_steps(panel: Axes) -> None:
    """A log axis labelled at 100, 300, 1,000, 3,000 ... rather than by powers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    panel.set_xscale("log")
    panel.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda step, _: f"{step:,.0f}"))
    panel.xaxis.set_minor_formatter(NullFormatter())


def _ceiling(panel: Axes, finished: list[Arm], position: Any) -> None:
    """The most a symmetric model can reach, in the panel without positions, where it can bind."""
    from matplotlib.patheffects import withStroke

    values = {v for arm in finished for v in arm.runs.get("metrics.ceiling", ()) if v == v}
    if position == "none" and len(values) == 1:
        ceiling = values.pop()
        panel.axhline(ceiling, color="#8a8f98", linewidth=0.9, linestyle=(0, (2, 2)), zorder=0)
        panel.text(
            0.02,
            ceiling + 0.015,
            f"ceiling of a symmetric model, {ceiling:.3f}",
            transform=panel.get_yaxis_transform(),
            color="#6b7280",
            fontsize=7.5,
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )


def heat_map(plan: Mapping[str, Any], frame: pd.DataFrame) -> Figure:
    """Mean exact match: mask, position and depth down, residual connections across."""
    import numpy as np
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    finished = _finished(plan, frame)
    rows = list(dict.fromkeys(_row(arm, finished) for arm in finished))
    columns = list(dict.fromkeys(str(arm.factors.get("residual")) for arm in finished))
    values = np.full((len(rows), len(columns)), np.nan)
    for arm in finished:
        index = (
            rows.index(_row(arm, finished)),
            columns.index(str(arm.factors.get("residual"))),
        )
        measured = measure(arm.runs, "exact_match").values
        values[index] = measured.mean() if len(measured) else np.nan

    size = (2.9 + 0.85 * len(columns), 1.1 + 0.36 * len(rows))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    colours = colormaps["YlGnBu"]
    axes.set_facecolor("#eef0f3")  # cells outside the plan stay empty
    axes.pcolormesh(values, cmap=colours, vmin=0, vmax=1, edgecolor="white", linewidth=2)
    for (i, j), value in np.ndenumerate(values):
        if not np.isnan(value):
            ink = "white" if value > 0.55 else "#111111"
            axes.text(j + 0.5, i + 0.5, f"{value:.3f}", ha="center", va="center", color=ink)
    axes.set_xticks(np.arange(len(columns)) + 0.5, columns)
    axes.set_yticks(np.arange(len(rows)) + 0.5, rows)
    axes.invert_yaxis()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("residual connections")
    title = "Exact match on the test set, mean over seeds"
    figure.suptitle(title, x=0.02, ha="left", size=10, weight="bold")
    return figure


def _name(arm: Arm, finished: list[Arm]) -> str:
    """The arm without its position encoding, which is the panel's title."""
    factors = arm.factors
    mask, residual = factors.get("attention_mask"), factors.get("residual")
    return f"{mask}, residual {residual}, {_layers(arm)}{_further(arm, finished)}"


def _row(arm: Arm, finished: list[Arm]) -> str:
    mask, position = arm.factors.get("attention_mask"), arm.factors.get("position")
    return f"{mask}, position {position}, {_layers(arm)}{_further(arm, finished)}"


def _layers(arm: Arm) -> str:
    layers = arm.factors.get("num_layers")
    return f"{layers} layer{'' if layers == 1 else 's'}"


def _further(arm: Arm, finished: list[Arm]) -> str:
    """Levels of any other factor that varies, so that no two arms share a name."""
    named = ("attention_mask", "position", "residual", "num_layers")
    return "".join(
        f", {key.replace('_', ' ')} {level}"
        for key, level in arm.factors.items()
        if key not in named and any(other.factors.get(key) != level for other in finished)
    )


FIGURES = {"learning_curves": learning_curves, "heat_map": heat_map}
