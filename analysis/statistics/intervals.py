"""Averages over seeds with their intervals: mean, median, interquartile mean.

Below 20 values the interval is Student's (the median's: exact order statistics); from 20 on, and
for an average over several strata such as tasks, it is the stratified bootstrap's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from . import bootstrap
from .common import ALPHA, Interval
from .contrasts import contrast_of

TRIM = 0.25  # of the values, cut from each end before the interquartile mean


def mean_interval(values: ArrayLike, *, level: float = 1 - ALPHA) -> tuple[float, Interval | None]:
    """Mean and interval; no interval for n < 2 or when all values are equal."""
    x = np.asarray(values, dtype=float)
    if not len(x):
        return math.nan, None
    contrast = contrast_of([x.reshape(-1, 1)], weights=[1.0])
    return contrast.estimate, contrast.interval(level)


def median_interval(
    values: ArrayLike, *, level: float = 1 - ALPHA
) -> tuple[float, Interval | None]:
    """Median and interval. Below six values no order statistics reach 95 %: no interval then."""
    x = np.asarray(values, dtype=float)
    if not len(x):
        return math.nan, None
    estimate = float(np.median(x))
    if len(x) >= bootstrap.FROM_SEEDS:
        return estimate, _bootstrap([x], cut=(len(x) - 1) // 2, level=level)
    # The most values beyond each end that leave it the level: order statistic `beyond`, from 0.
    beyond = int(stats.binom.ppf((1 - level) / 2, len(x), 0.5)) - 1
    if beyond < 0 or not np.ptp(x):
        return estimate, None
    ordered = np.sort(x)
    return estimate, Interval(float(ordered[beyond]), float(ordered[-1 - beyond]))


def iqm(values: ArrayLike) -> float:
    """Interquartile mean: without the lowest and highest quarter of the values, rounded down."""
    return float(stats.trim_mean(np.asarray(values, dtype=float), TRIM))


def iqm_interval(
    strata: Sequence[ArrayLike], *, level: float = 1 - ALPHA
) -> tuple[float, Interval | None]:
    """Interquartile mean of all values together, and its interval.

    One stratum below 20 values has the t-interval of a trimmed mean (Yuen, Biometrika 61, 1974);
    else seeds are resampled within each stratum.
    """
    xs = [np.asarray(stratum, dtype=float) for stratum in strata if len(np.asarray(stratum))]
    if not xs:
        return math.nan, None
    pooled = np.concatenate(xs)
    estimate = iqm(pooled)
    if len(xs) == 1 and len(pooled) < bootstrap.FROM_SEEDS:
        return estimate, _trimmed_t(pooled, estimate, level)
    if min(map(len, xs)) < 2:
        return estimate, None
    return estimate, _bootstrap(xs, cut=int(TRIM * len(pooled)), level=level)


def _trimmed_t(x: np.ndarray, estimate: float, level: float) -> Interval | None:
    """Standard error from the winsorised values, degrees of freedom from those that are kept."""
    n, cut = len(x), int(TRIM * len(x))
    kept = n - 2 * cut
    winsorised = np.clip(np.sort(x), np.sort(x)[cut], np.sort(x)[n - 1 - cut])
    if kept < 2 or not np.ptp(winsorised):
        return None
    se = float(winsorised.std(ddof=1)) * math.sqrt((n - 1) / (kept * (kept - 1)))
    margin = float(stats.t.isf((1 - level) / 2, kept - 1)) * se
    return Interval(estimate - margin, estimate + margin)


def _bootstrap(xs: list[np.ndarray], *, cut: int, level: float) -> Interval | None:
    draws = bootstrap.trimmed_draws(xs, cut=cut)
    if not np.ptp(draws):
        return None
    n = min(map(len, xs))
    return bootstrap.interval(
        draws, alpha=1 - level, ratio=math.sqrt(n / (n - 1)), df=sum(map(len, xs)) - len(xs)
    )
