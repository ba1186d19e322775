"""Counts and signs, exactly. A test whose p could never reach the level gives none."""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from .common import ALPHA, Interval

MAX_ENUMERATED = 20  # differences whose 2^n signs are enumerated: a million
MAX_ARRANGED = 200_000  # ways to deal out two groups' values that are enumerated: ten and ten


def wilson_interval(successes: int, n: int, *, level: float = 1 - ALPHA) -> Interval | None:
    """Wilson score interval for a proportion; None for n = 0."""
    if n == 0:
        return None
    interval = stats.binomtest(successes, n).proportion_ci(level, method="wilson")
    return Interval(float(interval.low), float(interval.high))


def exact_interval(successes: int, n: int, *, level: float = 1 - ALPHA) -> Interval | None:
    """Clopper and Pearson's interval, which covers at least its level whatever the true rate."""
    if n == 0:
        return None
    interval = stats.binomtest(successes, n).proportion_ci(level, method="exact")
    return Interval(float(interval.low), float(interval.high))


def p_above(successes: int, n: int, ceiling: float) -> float:
    """Exact binomial P(at least this many successes) if the true rate were the ceiling."""
    return float(stats.binomtest(successes, n, ceiling, alternative="greater").pvalue)


def fisher(k: int, n: int, other_k: int, other_n: int, *, alpha: float = ALPHA) -> float | None:
    """Fisher's exact two-sided p of k/n against other_k/other_n.

    None where not even n/n against 0/other_n would reach alpha: at 0.05, three against three.
    """

    def p(first: int, second: int) -> float:
        table = np.array([[first, n - first], [second, other_n - second]])
        return float(stats.fisher_exact(table).pvalue)

    return None if min(n, other_n) < 1 or p(n, 0) > alpha else p(k, other_k)


def sign_flip(differences: ArrayLike, *, alpha: float = ALPHA) -> float | None:
    """Two-sided p of a mean difference when each sign could as well be the other: 2^n flips.

    None where the smallest possible p, 2 / 2^n, is above alpha, at 0.05 below six differences, and
    above 20 of them, which are too many to enumerate: there a t-interval is as good.
    """
    x = np.asarray(differences, dtype=float)
    if len(x) > MAX_ENUMERATED or 2.0 ** (1 - len(x)) > alpha:
        return None
    flips = np.zeros(1)
    for value in np.abs(x):
        flips = np.concatenate([flips + value, flips - value])
    # Equal sums in another order round differently.
    tolerance = 1e-12 * float(np.abs(x).sum())
    return float(np.mean(np.abs(flips) >= abs(float(x.sum())) - tolerance))


def permutation(first: ArrayLike, second: ArrayLike, *, alpha: float = ALPHA) -> float | None:
    """Two-sided p of a difference of means when any values could as well be the other group's.

    Every way to deal the values out counts. None where even groups wholly apart would not reach
    alpha, at 0.05 three against three, and where there are more than 200,000 ways, beyond ten
    against ten: there a t-interval is as good. On values 0 and 1 this is Fisher's exact test, but
    that "as extreme" means as far from the mean of all arrangements, not as unlikely.
    """
    x, y = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    ways = math.comb(len(x) + len(y), len(x))
    if min(len(x), len(y)) < 1 or ways > MAX_ARRANGED:
        return None
    # With groups of one size every arrangement has a mirror image, just as extreme.
    if (2 if len(x) == len(y) else 1) / ways > alpha:
        return None
    pooled = np.concatenate([x, y])
    deviations = pooled - pooled.mean()
    dealt = np.fromiter(
        itertools.chain.from_iterable(itertools.combinations(range(len(pooled)), len(x))),
        dtype=np.intp,
        count=ways * len(x),
    ).reshape(ways, len(x))
    sums = np.abs(deviations[dealt].sum(axis=1))
    # Equal sums in another order round differently.
    tolerance = 1e-12 * float(np.abs(deviations).sum())
    return float(np.mean(sums >= abs(float(deviations[: len(x)].sum())) - tolerance))
