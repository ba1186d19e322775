"""The statistics of the tables: intervals, one Welch contrast, Holm's step-down, power.

Small pure functions of numbers. An interval that the data cannot give (fewer than two seeds, no
spread at all) is None: a zero-width interval would claim a certainty that nobody has.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

ALPHA = 0.05  # every table: 95 % intervals, before any adjustment
POWER = 0.8


class Interval(NamedTuple):
    low: float
    high: float


def mean_interval(values: ArrayLike, *, level: float = 1 - ALPHA) -> tuple[float, Interval | None]:
    """Mean and Student-t interval; no interval for n < 2 or when all values are equal."""
    x = np.asarray(values, dtype=float)
    if not len(x):
        return math.nan, None
    welch = welch_contrast([x], weights=[1.0])
    return welch.estimate, welch.interval(level)


def wilson_interval(successes: int, n: int, *, level: float = 1 - ALPHA) -> Interval | None:
    """Wilson score interval for a proportion; None for n = 0."""
    if n == 0:
        return None
    interval = stats.binomtest(successes, n).proportion_ci(level, method="wilson")
    return Interval(float(interval.low), float(interval.high))


class Contrast(NamedTuple):
    """A weighted sum of cell means. `se`, `df` and `p` are None where no spread is known."""

    estimate: float
    se: float | None
    df: float | None
    p: float | None

    def interval(self, level: float) -> Interval | None:
        """Two-sided t-interval, symmetric about the estimate."""
        if self.se is None or self.df is None:
            return None
        margin = float(stats.t.isf((1 - level) / 2, self.df)) * self.se
        return Interval(self.estimate - margin, self.estimate + margin)


def welch_contrast(cells: Sequence[ArrayLike], *, weights: Sequence[float]) -> Contrast:
    """sum_c w_c mean_c, variance sum_c w_c^2 s_c^2 / n_c, Welch-Satterthwaite degrees of freedom.

    With two cells and weights (1, -1) this is Welch's t-test. A cell without spread adds nothing
    to the variance; when no cell has any, or one has fewer than two values, only the estimate
    is defined.
    """
    xs = [np.asarray(cell, dtype=float) for cell in cells]
    if len(xs) != len(weights):
        raise ValueError(f"{len(xs)} cells, but {len(weights)} weights")
    if any(not len(x) for x in xs):
        return Contrast(math.nan, None, None, None)
    estimate = float(sum(w * x.mean() for w, x in zip(weights, xs, strict=True)))
    # np.ptp, not s > 0: the mean of equal floats may round, and s would be 1e-17 instead of 0.
    if any(len(x) < 2 for x in xs) or not any(np.ptp(x) for x in xs):
        return Contrast(estimate, None, None, None)
    sds = [float(x.std(ddof=1)) if np.ptp(x) else 0.0 for x in xs]
    se, df = _welch(weights, sds, [len(x) for x in xs])
    if se == 0:  # the cells with spread have weight 0
        return Contrast(estimate, None, None, None)
    p = float(2 * stats.t.sf(abs(estimate) / se, df))
    return Contrast(estimate, se, df, p)


def _welch(
    weights: Sequence[float], sds: Sequence[float], ns: Sequence[int]
) -> tuple[float, float]:
    """Standard error and degrees of freedom of a contrast; (0, nan) when nothing varies."""
    parts = np.array([(w * s) ** 2 / n for w, s, n in zip(weights, sds, ns, strict=True)])
    total = parts.sum()
    if total == 0:
        return 0.0, math.nan
    # Ratios rather than squares of the parts: those underflow for standard errors below 1e-81.
    shares = parts / total
    return math.sqrt(total), float(1 / (shares**2 / (np.array(ns) - 1)).sum())


def holm(p_values: Sequence[float | None], *, alpha: float = ALPHA) -> list[tuple[float, float]]:
    """Holm's step-down: for each p, (adjusted p, the error rate its interval may use).

    The i-th smallest of m gets alpha / (m - i + 1); from the first that is not rejected on, all
    keep that rate. So an interval at 1 - rate leaves out 0 exactly when Holm rejects. None is a
    p that the data could not give: it stays in the family, as 1.
    """
    p = [1.0 if value is None else value for value in p_values]
    m = len(p)
    result = [(math.nan, math.nan)] * m
    adjusted, rejecting, rate = 0.0, True, alpha
    for i, index in enumerate(sorted(range(m), key=p.__getitem__)):
        adjusted = min(1.0, max(adjusted, (m - i) * p[index]))
        if rejecting:
            rate = alpha / (m - i)
            rejecting = p[index] <= rate
        result[index] = (adjusted, rate)
    return result


def restricted_log_steps(steps: Sequence[float | None], *, budget: ArrayLike) -> np.ndarray:
    """log(steps to convergence), with log(budget) for a censored seed (None or nan)."""
    x = np.array([math.nan if s is None else s for s in steps], dtype=float)
    return np.log(np.where(np.isnan(x), np.broadcast_to(budget, x.shape), x))


def median_steps(steps: Sequence[float | None]) -> float | None:
    """The fewest steps by which at least half the seeds have converged; None if fewer ever do.

    Needs no value for a censored seed (None or nan), only its place after all others.
    """
    seen = sorted(s for s in steps if s is not None and not math.isnan(s))
    rank = (len(steps) + 1) // 2
    return seen[rank - 1] if 0 < rank <= len(seen) else None


def p_above(successes: int, n: int, ceiling: float) -> float:
    """Exact binomial P(at least this many successes) if the true rate were the ceiling."""
    return float(stats.binomtest(successes, n, ceiling, alternative="greater").pvalue)


def smallest_difference(
    weights: Sequence[float],
    *,
    sds: Sequence[float],
    ns: Sequence[int],
    alpha: float = ALPHA,
    power: float = POWER,
) -> float | None:
    """The smallest true contrast whose two-sided Welch test rejects 0 with the given power.

    Noncentral t with the Satterthwaite degrees of freedom of the assumed s.d.s; a test estimates
    them from its data, and so has up to three points less power at five seeds. None where no test
    is possible (a cell with fewer than two seeds).
    """

    def rejects(delta: float, margins: np.ndarray) -> np.ndarray:
        return stats.norm.cdf(delta - margins) + stats.norm.cdf(-delta - margins)

    return _smallest(rejects, weights, sds, ns, alpha, power)


def smallest_margin(
    weights: Sequence[float],
    *,
    sds: Sequence[float],
    ns: Sequence[int],
    alpha: float = ALPHA,
    power: float = POWER,
) -> float | None:
    """The smallest delta with which a true absence is shown: the interval lies inside +-delta.

    As `smallest_difference`, at a true contrast of 0.
    """

    def inside(delta: float, margins: np.ndarray) -> np.ndarray:
        return 2 * stats.norm.cdf(np.maximum(delta - margins, 0)) - 1

    return _smallest(inside, weights, sds, ns, alpha, power)


def _smallest(
    chance: Callable[[float, np.ndarray], np.ndarray],
    weights: Sequence[float],
    sds: Sequence[float],
    ns: Sequence[int],
    alpha: float,
    power: float,
) -> float | None:
    """The delta at which `chance`, averaged over the interval's random margin, is the power.

    In units of the true standard error the margin is t_critical * sqrt(chi2 / df); its
    distribution is taken on 2,000 equally likely values. (scipy's noncentral t gives the same
    where it gives a number, and nan in the far tail that a small alpha needs.)
    """
    from scipy.optimize import brentq

    if not ns or min(ns) < 2:
        return None
    se, df = _welch(weights, sds, ns)
    if se == 0:
        return None
    quantiles = (np.arange(2000) + 0.5) / 2000
    margins = float(stats.t.isf(alpha / 2, df)) * np.sqrt(stats.chi2.ppf(quantiles, df) / df)

    def excess(delta: float) -> float:
        return float(chance(delta, margins).mean()) - power

    return se * float(brentq(excess, 0.0, float(margins.max()) + 10))
