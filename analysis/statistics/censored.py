"""Steps to convergence where some seeds had not converged when their budget ended.

Such a seed (None or nan) is censored: its steps are known to exceed the budget, no more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from .common import ALPHA, Interval

Steps = Sequence[float | None]


def restricted_log_steps(steps: Steps, *, budget: ArrayLike) -> np.ndarray:
    """log(steps to convergence), with log(budget) for a censored seed."""
    x = _array(steps)
    return np.log(np.where(np.isnan(x), np.broadcast_to(budget, x.shape), x))


def median_steps(steps: Steps) -> float | None:
    """The fewest steps by which at least half the seeds have converged; None if fewer ever do.

    Needs no value for a censored seed, only its place after all others.
    """
    seen = sorted(s for s in steps if s is not None and not math.isnan(s))
    rank = (len(steps) + 1) // 2
    return seen[rank - 1] if 0 < rank <= len(seen) else None


class Survival(NamedTuple):
    """Kaplan-Meier's estimate: at each `steps` the share not yet converged falls to `share`."""

    steps: np.ndarray
    share: np.ndarray
    at_risk: np.ndarray  # seeds still observed just before
    converged: np.ndarray  # seeds that converge there


def kaplan_meier(steps: Steps, *, budget: ArrayLike) -> Survival:
    """The share of seeds not yet converged; budgets may differ from seed to seed."""
    x = _array(steps)
    times = np.where(np.isnan(x), np.broadcast_to(budget, x.shape), x)
    points = np.unique(times[~np.isnan(x)])
    at_risk = (times[None, :] >= points[:, None]).sum(axis=1)
    converged = ((times == points[:, None]) & ~np.isnan(x)).sum(axis=1)
    return Survival(points, np.cumprod(1 - converged / np.maximum(at_risk, 1)), at_risk, converged)


class RestrictedMean(NamedTuple):
    mean: float
    se: float
    n: int  # seeds

    def interval(self, level: float = 1 - ALPHA) -> Interval | None:
        """Student's with n - 1 degrees of freedom; the normal's covers 80 % at three seeds."""
        if not self.se > 0:
            return None
        margin = float(stats.t.isf((1 - level) / 2, self.n - 1)) * self.se
        return Interval(self.mean - margin, self.mean + margin)


def restricted_mean(steps: Steps, *, budget: ArrayLike, horizon: float) -> RestrictedMean:
    """Mean steps spent up to `horizon`: the area under Kaplan-Meier's curve, and its s.e.

    The s.e. is Greenwood's, with n - 1 for n: without earlier censoring that of a plain mean.
    """
    known = _array(steps)
    longest = np.broadcast_to(budget, known.shape)[np.isnan(known)]
    if len(longest) and horizon > longest.min():
        raise ValueError(f"horizon {horizon:g} is beyond the smallest budget {longest.min():g}")
    curve = kaplan_meier(steps, budget=budget)
    before = curve.steps < horizon
    edges = np.concatenate([[0.0], curve.steps[before], [horizon]])
    shares = np.concatenate([[1.0], curve.share[before]])
    areas = np.diff(edges) * shares
    # The area right of each step, which Greenwood's sum weighs by.
    rest = np.cumsum(areas[::-1])[::-1][1:]
    at_risk, converged = curve.at_risk[before], curve.converged[before]
    left = at_risk - converged
    parts = np.where(left > 0, rest**2 * converged / (at_risk * np.maximum(left, 1)), 0.0)
    n = len(known)
    variance = float(parts.sum()) * (n / (n - 1) if n > 1 else math.nan)
    return RestrictedMean(float(areas.sum()), math.sqrt(variance), n)


def log_rank(
    steps: Steps, other: Steps, *, budget: ArrayLike, other_budget: ArrayLike | None = None
) -> float | None:
    """Two-sided log-rank p of two arms' steps; None where no seed of either converged."""
    if not any(np.isfinite(_array(arm)).any() for arm in (steps, other)):
        return None
    other_budget = budget if other_budget is None else other_budget
    return float(stats.logrank(_censored(steps, budget), _censored(other, other_budget)).pvalue)


def _censored(steps: Steps, budget: ArrayLike) -> stats.CensoredData:
    x = _array(steps)
    right = np.broadcast_to(budget, x.shape)[np.isnan(x)]
    return stats.CensoredData(uncensored=x[~np.isnan(x)], right=right)


def _array(steps: Steps) -> np.ndarray:
    return np.array([math.nan if s is None else s for s in steps], dtype=float)
