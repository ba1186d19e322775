"""Further kinds of column for one row an arm: averages that a few odd seeds do not move.

- {kind: median, header: Median, metric: metrics.exact_match}
- {kind: iqm, header: IQM, metric: metrics.exact_match}
- {kind: restricted_steps, header: Mean steps}
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .cells import column, measure
from .columns import Arm, Cell, with_interval
from .statistics import iqm_interval, median_interval, restricted_mean


def median(arm: Arm, *, metric: str, digits: int = 3) -> Cell:
    """Median over seeds with its 95 % interval."""
    if arm.further is not None:
        return Cell("")
    return with_interval(*median_interval(_values(arm, metric)), digits=digits)


def iqm(arm: Arm, *, metric: str, digits: int = 3) -> Cell:
    """Interquartile mean over seeds with its 95 % interval."""
    if arm.further is not None:
        return Cell("")
    return with_interval(*iqm_interval([_values(arm, metric)]), digits=digits)


def restricted_steps(arm: Arm, *, digits: int = 0) -> Cell:
    """Mean steps to convergence up to the smallest budget, with its 95 % t-interval."""
    budget = column(arm.runs, "config.trainer.max_steps")
    if arm.further is not None or not len(budget):
        return Cell("", {"": math.nan})
    steps = list(column(arm.runs, "metrics.steps_to_convergence"))
    mean = restricted_mean(steps, budget=budget, horizon=float(budget.min()))
    return with_interval(mean.mean, mean.interval(), digits=digits)


def _values(arm: Arm, metric: str) -> np.ndarray:
    return measure(arm.runs, arm.metric(metric).removeprefix("metrics.")).values


AVERAGE_KINDS: dict[str, Callable[..., Cell]] = {
    kind.__name__: kind for kind in (median, iqm, restricted_steps)
}
