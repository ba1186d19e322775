"""GLUE's metrics of predictions, as scikit-learn and scipy compute them, on numpy.

Where a metric is not defined it is 0, as scikit-learn has it for F1 and Matthews' coefficient, and
here also for the correlations, where scipy says nan: a constant tells nothing of the other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def f1(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Of class 1 among 0 and 1."""
    true, predicted = np.asarray(labels) == 1, np.asarray(predictions) == 1
    total = true.sum() + predicted.sum()
    return float(2 * (true & predicted).sum() / total) if total else 0.0


def matthews(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Matthews' correlation coefficient of any number of classes (Gorodkin 2004)."""
    true, predicted = np.asarray(labels), np.asarray(predictions)
    size = int(max(true.max(), predicted.max())) + 1
    confusion = np.bincount(true * size + predicted, minlength=size * size).reshape(size, size)
    rows, columns, total = confusion.sum(1), confusion.sum(0), confusion.sum()
    covariance = np.trace(confusion) * total - rows @ columns
    spread = float(total**2 - rows @ rows) * float(total**2 - columns @ columns)
    return float(covariance / np.sqrt(spread)) if spread else 0.0


def pearson(x: ArrayLike, y: ArrayLike) -> float:
    """The linear correlation coefficient."""
    a, b = (_centred(np.asarray(values, np.float64)) for values in (x, y))
    return float(np.clip(a @ b, -1, 1))


def spearman(x: ArrayLike, y: ArrayLike) -> float:
    """The correlation of ranks; equal values share the mean of theirs."""
    return pearson(ranks(x), ranks(y))


def ranks(values: ArrayLike) -> Floats:
    """From 1 to N, equal values sharing the mean of theirs."""
    _, inverse, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]


def _centred(values: Floats) -> Floats:
    """Less their mean and of length 1; all 0 where they are constant."""
    if values.max() == values.min():
        return np.zeros_like(values)
    centred = values - values.mean()
    return centred / np.linalg.norm(centred)
