"""Resampling seeds: stratified by cell, and on two levels where seeds are nested.

The percentile interval of n resampled values is too narrow: resampling has the variance
s^2 (n-1)/n, and its tails are the normal's (real coverage of a 95 % interval of a mean: 93 % at
n = 20). So the percentiles are moved outwards until a resampled *normal* mean would get Student's
interval: the expanded percentile interval of Hesterberg, "What Teachers Should Know About the
Bootstrap", The American Statistician 69, 2015. Student's t gives the width, the resampled values
the shape.

The same data give the same interval: the generator always starts from one seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from .common import Interval

FROM_SEEDS = 20  # from so many seeds in every cell on, the bootstrap replaces Student's t
FROM_PRETRAINING_SEEDS = 8  # and, where fine-tuning seeds are nested in pre-training seeds, here
DRAWS = 10_000

Groups = Sequence[ArrayLike] | np.ndarray  # one cell: unit by unit, the values of its runs


def generator() -> np.random.Generator:
    return np.random.default_rng(0)


def mean_draws(
    cells: Sequence[Groups], weights: Sequence[float], *, paired: bool = False
) -> np.ndarray:
    """DRAWS resampled values of sum_c w_c mean_c, sorted; a mean is that of the units' means.

    Each cell is resampled by itself (stratified): units with replacement, and within a drawn unit
    its runs with replacement, which changes nothing where a unit has one run. `paired` draws the
    same units in every cell.
    """
    rng = generator()
    total = np.zeros(DRAWS)
    units: np.ndarray | None = None
    for groups, weight in zip(cells, weights, strict=True):
        if units is None or not paired:
            units = rng.integers(len(groups), size=(DRAWS, len(groups)))
        total += weight * _unit_means(groups, units, rng).mean(axis=1)
    return np.sort(total)


def _unit_means(groups: Groups, units: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The mean of freshly resampled runs of each drawn unit: [DRAWS, number of units]."""
    arrays = [np.asarray(group, dtype=float) for group in groups]
    sizes = np.array([len(array) for array in arrays])
    if sizes.max() == 1:
        return np.concatenate(arrays)[units]
    padded = np.full((len(arrays), sizes.max()), np.nan)
    for row, array in zip(padded, arrays, strict=True):
        row[: len(array)] = array
    size = sizes[units]
    total = np.zeros(units.shape)
    for run in range(sizes.max()):
        chosen = padded[units, (rng.random(units.shape) * size).astype(int)]
        total += np.where(run < size, chosen, 0.0)
    return total / size


def draws_of(
    strata: Sequence[ArrayLike], statistic: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """DRAWS sorted values of `statistic` on values resampled within each stratum.

    `statistic` maps [DRAWS, number of values] to [DRAWS].
    """
    rng = generator()
    arrays = [np.asarray(stratum, dtype=float) for stratum in strata]
    resampled = [x[rng.integers(len(x), size=(DRAWS, len(x)))] for x in arrays]
    return np.sort(statistic(np.concatenate(resampled, axis=1)))


def tail(alpha: float, *, ratio: float, df: float) -> float:
    """The share of draws beyond each end of the two-sided 1 - alpha interval.

    `ratio` is the standard error over the s.d. of the draws.
    """
    return float(stats.norm.sf(ratio * stats.t.isf(alpha / 2, df)))


def interval(draws: np.ndarray, *, alpha: float, ratio: float, df: float) -> Interval:
    """The expanded percentile interval of sorted draws.

    Where the level asks for less than one draw beyond an end, it ends at the outermost draw.
    """
    beyond = max(1, math.floor(tail(alpha, ratio=ratio, df=df) * (len(draws) + 1)))
    return Interval(float(draws[beyond - 1]), float(draws[-beyond]))


def p_value(draws: np.ndarray, *, ratio: float, df: float) -> float:
    """The alpha at which 0 leaves `interval`: p <= alpha exactly where it lies outside."""
    beyond = min(np.count_nonzero(draws <= 0), np.count_nonzero(draws >= 0))
    share = (beyond + 1) / (len(draws) + 1)
    return min(1.0, float(2 * stats.t.sf(stats.norm.isf(share) / ratio, df)))
