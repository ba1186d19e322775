"""Calibration by simulation: how often intervals cover the truth, how often A/A is resolved.

Scores are drawn as an arm's seeds might score: normal; `skewed`, crowded below a ceiling; `nested`,
normal with three fine-tuning seeds in each pre-training seed, half of the variance in each. Steps
are log-normal, a fifth of them beyond the budget. Of counts the coverage is exact, not simulated.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import stats

from analysis.statistics import (
    ALPHA,
    Interval,
    contrast_of,
    iqm_interval,
    median_interval,
    restricted_mean,
)

Draw = Callable[[np.random.Generator, int], np.ndarray]  # -> [units, runs of a unit], mean 0
IntervalOf = Callable[[np.ndarray], Interval | None]  # of the values of one arm

CEILING, SHAPE, SCALE = 0.2, 2, 0.1  # of `skewed`: the ceiling less a gamma variable
BUDGET, SPREAD, CENSORED = 2000.0, 0.5, 0.2  # of steps; the s.d. of their logarithms


def normal(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.normal(size=(n, 1))


def skewed(rng: np.random.Generator, n: int) -> np.ndarray:
    return CEILING - rng.gamma(SHAPE, SCALE, size=(n, 1))


def nested(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.normal(size=(n, 1)) + rng.normal(size=(n, 3))


def steps(rng: np.random.Generator, n: int) -> np.ndarray:
    """Steps to convergence, nan beyond the budget."""
    drawn = rng.lognormal(_middle(), SPREAD, size=(n, 1))
    return np.where(drawn > BUDGET, np.nan, drawn)


def _middle() -> float:
    """The mean of the steps' logarithms that leaves CENSORED of them beyond the budget."""
    return float(np.log(BUDGET) - SPREAD * stats.norm.isf(CENSORED))


def steps_truth() -> float:
    """E min(X, BUDGET) of the log-normal X."""
    below = stats.norm.cdf(stats.norm.isf(CENSORED) - SPREAD)
    return float(np.exp(_middle() + SPREAD**2 / 2) * below + CENSORED * BUDGET)


def skewed_quantile(share: float) -> float:
    return CEILING - SCALE * float(stats.gamma.isf(share, SHAPE))


def mean(values: np.ndarray) -> Interval | None:
    return contrast_of([values], weights=[1]).interval(1 - ALPHA)


def median(values: np.ndarray) -> Interval | None:
    return median_interval(values[:, 0])[1]


def iqm(values: np.ndarray) -> Interval | None:
    return iqm_interval([values[:, 0]])[1]


def restricted(values: np.ndarray) -> Interval | None:
    return restricted_mean(list(values[:, 0]), budget=BUDGET, horizon=BUDGET).interval()


def covered(
    draw: Draw,
    n: int,
    *,
    repetitions: int,
    interval_of: IntervalOf = mean,
    truth: float = 0.0,
    seed: int = 0,
) -> float:
    """The share of 95 % intervals that hold the truth, of those that the data can give."""
    rng = np.random.default_rng(seed)
    intervals = [interval_of(draw(rng, n)) for _ in range(repetitions)]
    return float(np.mean([low <= truth <= high for low, high in filter(None, intervals)]))


def resolved(draw: Draw, n: int, *, repetitions: int, seed: int = 0) -> float:
    """The share of A/A rows, n seeds against n further ones, whose interval leaves out 0."""
    rng = np.random.default_rng(seed)

    def leaves_out_zero() -> bool:
        contrast = contrast_of([draw(rng, n), draw(rng, n)], weights=[1, -1])
        interval = contrast.interval(1 - ALPHA)
        assert interval
        return not interval.low <= 0 <= interval.high

    return float(np.mean([leaves_out_zero() for _ in range(repetitions)]))


def covered_rate(interval_of: Callable[[int, int], Interval | None], n: int, rate: float) -> float:
    """The exact probability that the interval of k successes of n holds the true rate."""
    found = [interval_of(k, n) for k in range(n + 1)]
    held = [interval is not None and interval.low <= rate <= interval.high for interval in found]
    return float(stats.binom.pmf(np.arange(n + 1), n, rate)[held].sum())


def main(*, repetitions: int = 4000) -> None:
    from analysis.statistics import exact_interval, wilson_interval

    error = (ALPHA * (1 - ALPHA) / repetitions) ** 0.5
    print(f"{repetitions} repetitions: one standard error is {100 * error:.2f} points")
    print(f"{'average':<12}{'values':<8}{'n':>4}{'covers':>9}{'A/A resolved':>14}")
    designs = [(draw, n) for draw in (normal, skewed) for n in (3, 5, 10, 20, 30)]
    for draw, n in [*designs, (nested, 5), (nested, 8), (nested, 20)]:
        share = covered(draw, n, repetitions=repetitions)
        noise = resolved(draw, n, repetitions=repetitions)
        row = f"{'mean':<12}{draw.__name__:<8}{n:>4}{share:>9.1%}{noise:>14.1%}"
        print(row, flush=True)
    middle_half = stats.gamma.expect(
        lambda x: CEILING - SCALE * x, (SHAPE,), lb=stats.gamma.isf(0.75, SHAPE),
        ub=stats.gamma.isf(0.25, SHAPE), conditional=True,
    )  # fmt: skip
    for name, draw, interval_of, truth, ns in (
        ("median", normal, median, 0.0, (6, 10, 20, 30)),
        ("median", skewed, median, skewed_quantile(0.5), (6, 10, 20, 30)),
        ("iqm", normal, iqm, 0.0, (5, 10, 20, 30)),
        ("iqm", skewed, iqm, float(middle_half), (5, 10, 20, 30)),
        ("restricted", steps, restricted, steps_truth(), (3, 5, 10, 20)),
    ):
        for n in ns:
            share = covered(draw, n, repetitions=repetitions, interval_of=interval_of, truth=truth)
            print(f"{name:<12}{draw.__name__:<8}{n:>4}{share:>9.1%}", flush=True)
    print("rate, exactly, over true rates from 0.01 to 0.99: mean and least")
    for name, of_counts in (("wilson", wilson_interval), ("exact", exact_interval)):
        for n in (3, 5, 10, 20):
            shares = [covered_rate(of_counts, n, rate / 100) for rate in range(1, 100)]
            print(f"{name:<20}{n:>4}{np.mean(shares):>9.1%}{min(shares):>9.1%}", flush=True)
