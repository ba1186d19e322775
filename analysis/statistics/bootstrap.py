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

import functools
import math
from collections.abc import Sequence

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
    units = [[np.asarray(unit, dtype=float) for unit in groups] for groups in cells]
    weighted = [w * u for w, groups in zip(weights, units, strict=True) for u in groups]
    shares = _shares(tuple(tuple(map(len, groups)) for groups in units), paired)
    return np.sort(shares @ np.concatenate(weighted))


@functools.lru_cache(maxsize=4)  # the arms of a table have one design; a matrix is some megabytes
def _shares(cells: tuple[tuple[int, ...], ...], paired: bool) -> np.ndarray:
    """The share of each run in its cell's resampled mean: [DRAWS, number of runs].

    It hangs on the numbers of runs of each cell's units alone.
    """
    rng = generator()
    shares: list[np.ndarray] = []
    units: np.ndarray | None = None
    for sizes in map(np.asarray, cells):
        if units is None or not paired:
            units = rng.integers(len(sizes), size=(DRAWS, len(sizes)))
        size, first = sizes[units], (np.cumsum(sizes) - sizes)[units]
        block = np.zeros((DRAWS, sizes.sum()))
        for run in range(sizes.max()):
            # Of a unit with one run there is nothing to draw.
            chosen = (rng.random(units.shape) * size).astype(int) if sizes.max() > 1 else 0
            share = np.where(run < size, 1 / (size * len(sizes)), 0.0)
            np.add.at(block, (np.arange(DRAWS)[:, None], first + chosen), share)
        shares.append(block)
    return np.concatenate(shares, axis=1)


def trimmed_draws(strata: Sequence[ArrayLike], *, cut: int) -> np.ndarray:
    """DRAWS sorted means of the values resampled within each stratum, `cut` left out at each end.

    With all but the middle one or two left out, medians.
    """
    arrays = [np.asarray(stratum, dtype=float) for stratum in strata]
    places = _places(tuple(map(len, arrays)))
    resampled = np.concatenate([x[i] for x, i in zip(arrays, places, strict=True)], axis=1)
    resampled.sort(axis=1)
    return np.sort(resampled[:, cut : resampled.shape[1] - cut].mean(axis=1))


@functools.lru_cache(maxsize=4)
def _places(lengths: tuple[int, ...]) -> list[np.ndarray]:
    rng = generator()
    return [rng.integers(n, size=(DRAWS, n)) for n in lengths]


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
