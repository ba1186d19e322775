"""Calibration by simulation: how often intervals cover the truth, how often A/A is resolved.

Scores are drawn as an arm's seeds might score: normal; `skewed`, crowded below a ceiling; `nested`,
normal with three fine-tuning seeds in each pre-training seed, half of the variance in each.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from analysis.statistics import ALPHA, Contrast, contrast_of

Draw = Callable[[np.random.Generator, int], np.ndarray]  # -> [units, runs of a unit], mean 0


def normal(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.normal(size=(n, 1))


def skewed(rng: np.random.Generator, n: int) -> np.ndarray:
    return 0.2 - rng.gamma(2, 0.1, size=(n, 1))


def nested(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.normal(size=(n, 1)) + rng.normal(size=(n, 3))


def covered(draw: Draw, n: int, *, repetitions: int, seed: int = 0) -> float:
    """The share of 95 % intervals of a mean that hold the true mean."""
    rng = np.random.default_rng(seed)
    held = [_holds_zero(contrast_of([draw(rng, n)], weights=[1])) for _ in range(repetitions)]
    return float(np.mean(held))


def resolved(draw: Draw, n: int, *, repetitions: int, seed: int = 0) -> float:
    """The share of A/A rows, n seeds against n further ones, whose interval leaves out 0."""
    rng = np.random.default_rng(seed)
    held = [
        _holds_zero(contrast_of([draw(rng, n), draw(rng, n)], weights=[1, -1]))
        for _ in range(repetitions)
    ]
    return 1 - float(np.mean(held))


def _holds_zero(contrast: Contrast) -> bool:
    interval = contrast.interval(1 - ALPHA)
    assert interval
    return interval.low <= 0 <= interval.high


def main(*, repetitions: int = 4000) -> None:
    error = (0.05 * 0.95 / repetitions) ** 0.5
    print(f"{repetitions} repetitions: one standard error is {100 * error:.2f} points")
    print(f"{'scores':<8}{'n':>4}{'interval':>12}{'covers':>9}{'A/A resolved':>14}")
    designs = [(draw, n) for draw in (normal, skewed) for n in (3, 5, 10, 20, 30)]
    for draw, n in [*designs, (nested, 5), (nested, 8), (nested, 20)]:
        example = contrast_of([draw(np.random.default_rng(0), n)], weights=[1])
        kind = "t" if example.draws is None else "bootstrap"
        share = covered(draw, n, repetitions=repetitions)
        noise = resolved(draw, n, repetitions=repetitions)
        print(f"{draw.__name__:<8}{n:>4}{kind:>12}{share:>9.1%}{noise:>14.1%}", flush=True)
