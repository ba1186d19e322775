"""Contrasts: weighted sums of cell means, their intervals and p-values, and Holm over a table.

Which interval a contrast gets is a matter of its design alone, never of its data: `contrast_of`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from . import bootstrap
from .bootstrap import FROM_PRETRAINING_SEEDS, FROM_SEEDS, Groups
from .common import ALPHA, Interval


class Contrast(NamedTuple):
    """A weighted sum of cell means. `se`, `df` and `p` are None where no spread is known."""

    estimate: float
    se: float | None
    df: float | None
    p: float | None
    draws: np.ndarray | None = None  # sorted, where the interval is a bootstrap's

    def interval(self, level: float) -> Interval | None:
        """Two-sided: Student's, symmetric about the estimate, or the bootstrap's."""
        if self.se is None or self.df is None:
            return None
        if self.draws is not None:
            ratio = self.se / float(self.draws.std())
            return bootstrap.interval(self.draws, alpha=1 - level, ratio=ratio, df=self.df)
        margin = float(stats.t.isf((1 - level) / 2, self.df)) * self.se
        return Interval(self.estimate - margin, self.estimate + margin)


def is_resampled(num_units: int, *, nested: bool) -> bool:
    """Whether so many units get the bootstrap's interval rather than Student's."""
    return num_units >= (FROM_PRETRAINING_SEEDS if nested else FROM_SEEDS)


def contrast_of(
    cells: Sequence[Groups], *, weights: Sequence[float], paired: bool = False
) -> Contrast:
    """The contrast of cells given unit by unit, each unit as the values of its runs.

    The bootstrap from 20 units in every cell on, and from 8 where some unit has several runs
    (fine-tuning seeds within a pre-training seed); below, Student's t on the units' means.
    `paired`: unit i is the same seed in every cell.
    """
    units = [[np.asarray(unit, dtype=float) for unit in groups] for groups in cells]
    # A single run's value as it is: the mean of equal floats may round.
    means = [[u[0] if len(u) == 1 else u.mean() for u in groups] for groups in units]
    contrast = (paired_contrast if paired else welch_contrast)(means, weights=weights)
    nested = any(len(unit) > 1 for groups in units for unit in groups)
    few = not is_resampled(min(map(len, means)), nested=nested)
    if few or contrast.se is None or contrast.df is None:
        return contrast
    draws = bootstrap.mean_draws(units, weights, paired=paired)
    p = bootstrap.p_value(draws, ratio=contrast.se / float(draws.std()), df=contrast.df)
    return contrast._replace(p=p, draws=draws)


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
    se, df = welch(weights, sds, [len(x) for x in xs])
    if se == 0:  # the cells with spread have weight 0
        return Contrast(estimate, None, None, None)
    p = float(2 * stats.t.sf(abs(estimate) / se, df))
    return Contrast(estimate, se, df, p)


def paired_contrast(cells: Sequence[ArrayLike], *, weights: Sequence[float]) -> Contrast:
    """The mean over units of sum_c w_c x_c, with Student's t: value i of each cell is one unit's.

    With two cells and weights (1, -1) this is the paired t-test.
    """
    xs = [np.asarray(cell, dtype=float) for cell in cells]
    if len({len(x) for x in xs}) != 1:
        raise ValueError(f"pairs need cells of one length, not {[len(x) for x in xs]}")
    return welch_contrast([sum(w * x for w, x in zip(weights, xs, strict=True))], weights=[1.0])


def welch(weights: Sequence[float], sds: Sequence[float], ns: Sequence[int]) -> tuple[float, float]:
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
