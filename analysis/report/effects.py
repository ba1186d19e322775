"""Effect plots: a study's claims side by side, and what each arm measured, seed by seed.

Positions are in percent of the plot's width (scale.py); the template draws them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..cells import Measured, counts_right_answers, measure, rows_of
from ..claim_rows import against_itself
from ..columns import estimate, metric, number, with_interval
from ..judgement import Judgement
from ..statistics import ALPHA, Interval, contrast_of
from .arms import Arm
from .claims import bar, extent
from .scale import Scale, linear, logarithmic

if TYPE_CHECKING:
    import pandas as pd


def forest(
    plan: Mapping[str, Any], frame: pd.DataFrame, judgements: Sequence[Judgement]
) -> list[dict[str, Any]]:
    """One panel a metric: all of its claims on one axis, then the baseline against itself."""
    noise = against_itself(plan, frame)
    panels = []
    for name in dict.fromkeys(j.claim["metric"] for j in judgements):
        own = [j for j in judgements if j.claim["metric"] == name]
        rows = [*own, *(j for j in noise if j.claim["metric"] == name)]
        scale = linear([x for j in rows for x in extent(j)], signed=True)
        panels.append(
            {
                "metric": metric(own[0]).text,
                "ticks": scale.ticks,
                "rows": [
                    {
                        "id": j.claim["id"],
                        "sentence": j.claim["sentence"],
                        "verdict": j.verdict,
                        "ours": estimate(j).text,
                        "bar": bar(j, scale),
                    }
                    for j in rows
                ],
            }
        )
    return panels


def arm_panels(
    frame: pd.DataFrame, arms: Sequence[Arm], metrics: Mapping[str, str]
) -> list[dict[str, Any]]:
    """One panel a metric (name -> label) and group: each arm's seeds, mean and its interval.

    Steps to convergence are on a logarithmic axis; a censored seed is marked as open.
    """
    return [
        panel
        for name, label in metrics.items()
        for group in dict.fromkeys(arm.group for arm in arms)
        if (panel := _arm_panel(frame, arms, name, label, group))["rows"]
    ]


def _arm_panel(
    frame: pd.DataFrame, arms: Sequence[Arm], name: str, label: str, group: str
) -> dict[str, Any]:
    rows = []
    for i, arm in enumerate(arms):
        if arm.role == "parent" or arm.group != group:
            continue
        measured = measure(rows_of(frame, set(arm.runs)), name)
        if len(measured.values):
            mean = contrast_of([measured.groups], weights=[1])
            rows.append((i, measured, mean.estimate, mean.interval(1 - ALPHA)))
    is_steps = name == "log_steps"
    # The interval of a share is cut to what it can be.
    within = (0.0, 1.0) if counts_right_answers(name) else None
    shown = [float(x) for _, m, _, ends in rows for x in (*m.values, *(ends or ()))]
    scale = logarithmic(shown) if is_steps else linear(shown, within=within)
    return {
        "metric": "steps to convergence" if is_steps else label,
        "group": group,
        "ticks": scale.ticks,
        "censored": any(m.censored.any() for _, m, _, _ in rows),
        "rows": [
            {
                "arm": i,
                "seeds": _dots(m, scale),
                "at": scale.at(mean),
                "ends": [scale.at(end) for end in interval or ()],
                "text": _steps(mean, interval, m)
                if is_steps
                else with_interval(mean, interval, within=within).text,
            }
            for i, m, mean, interval in rows
        ],
    }


def _dots(measured: Measured, scale: Scale) -> list[dict[str, Any]]:
    """One dot a seed; neighbours at different heights, so that none hides another."""
    return [
        {"at": scale.at(float(value)), "open": bool(is_open), "height": 50 + 13 * (i % 3 - 1)}
        for i, (value, is_open) in enumerate(zip(measured.values, measured.censored, strict=True))
    ]


def _steps(mean: float, interval: Interval | None, measured: Measured) -> str:
    """The geometric mean; a lower bound where a seed is censored at its budget."""
    bound = ">" if measured.saturated else "≥" if measured.censored.any() else ""
    ends = [number(math.exp(end), style=",") for end in interval or ()]
    return bound + number(math.exp(mean), style=",") + (f" [{', '.join(ends)}]" if ends else "")
