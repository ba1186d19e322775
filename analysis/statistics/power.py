"""Power: what a design can resolve, and how many seeds would resolve a given difference.

A claimed difference is resolved when the test rejects 0; a claimed absence when the interval lies
inside +-delta.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats

from .common import ALPHA, POWER
from .contrasts import welch

MAX_SEEDS = 10_000


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
    return _smallest(_rejects, weights, sds, ns, alpha, power)


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
    return _smallest(_inside, weights, sds, ns, alpha, power)


def seeds_to_resolve(
    weights: Sequence[float],
    *,
    sds: Sequence[float],
    delta: float,
    absence: bool = False,
    alpha: float = ALPHA,
    power: float = POWER,
) -> int | None:
    """The fewest seeds a cell, equal over cells, that resolve delta with the given power.

    A true contrast of delta, or, with `absence`, a true contrast of 0 inside +-delta. None where
    no cell has any spread, or more than 10,000 seeds would be needed.
    """
    chance = _inside if absence else _rejects

    def enough(n: int) -> bool:
        se, df = welch(weights, sds, [n] * len(sds))
        return float(chance(delta / se, _margins(df, alpha)).mean()) >= power

    if welch(weights, sds, [2] * len(sds))[0] == 0 or not enough(MAX_SEEDS):
        return None
    low, high = 1, MAX_SEEDS  # low is never enough: a test needs two seeds
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _rejects(delta: float, margins: np.ndarray) -> np.ndarray:
    return stats.norm.cdf(delta - margins) + stats.norm.cdf(-delta - margins)


def _inside(delta: float, margins: np.ndarray) -> np.ndarray:
    return 2 * stats.norm.cdf(np.maximum(delta - margins, 0)) - 1


def _margins(df: float, alpha: float) -> np.ndarray:
    """The interval's margin in true standard errors, t_critical * sqrt(chi2 / df): 2,000 equally
    likely values.

    (scipy's noncentral t gives the same where it gives a number, and nan in the far tail that a
    small alpha needs.)
    """
    quantiles = (np.arange(2000) + 0.5) / 2000
    return float(stats.t.isf(alpha / 2, df)) * np.sqrt(stats.chi2.ppf(quantiles, df) / df)


def _smallest(
    chance: Callable[[float, np.ndarray], np.ndarray],
    weights: Sequence[float],
    sds: Sequence[float],
    ns: Sequence[int],
    alpha: float,
    power: float,
) -> float | None:
    """The delta at which `chance`, averaged over the interval's random margin, is the power."""
    from scipy.optimize import brentq

    if not ns or min(ns) < 2:
        return None
    se, df = welch(weights, sds, ns)
    if se == 0:
        return None
    margins = _margins(df, alpha)

    def excess(delta: float) -> float:
        return float(chance(delta, margins).mean()) - power

    return se * float(brentq(excess, 0.0, float(margins.max()) + 10))
