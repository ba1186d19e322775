"""GLUE's metrics against scikit-learn's and scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics

from datamodules.downstream.scores import f1, matthews, pearson, ranks, spearman

CLASSES = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=60)
# Quarters of small integers: many ties, and no sum that rounding could turn into another order.
VALUES = st.lists(
    st.tuples(st.integers(-20, 20), st.integers(-20, 20)), min_size=2, max_size=60
).map(lambda pairs: np.array(pairs) / 4)


@settings(max_examples=150, deadline=None)
@given(CLASSES)
def test_f1_and_matthews_are_scikit_learns(pairs):
    labels, predictions = np.array(pairs).T
    assert matthews(labels, predictions) == pytest.approx(
        metrics.matthews_corrcoef(labels, predictions), abs=1e-12
    )
    two = [np.minimum(values, 1) for values in (labels, predictions)]
    assert f1(*two) == pytest.approx(metrics.f1_score(*two, zero_division=0.0))


@pytest.mark.filterwarnings("ignore::scipy.stats.ConstantInputWarning")
@settings(max_examples=150, deadline=None)
@given(VALUES)
def test_correlations_are_scipys_and_0_of_constants(pairs):
    x, y = pairs.T
    for ours, theirs in ((pearson, stats.pearsonr), (spearman, stats.spearmanr)):
        expected = theirs(x, y).statistic
        expected = 0.0 if np.isnan(expected) else expected
        assert ours(x, y) == pytest.approx(expected, abs=1e-9)
    assert ranks(x).tolist() == stats.rankdata(x).tolist()


def test_constant_predictions_say_nothing():
    labels = [0, 1, 1]
    assert matthews(labels, [1, 1, 1]) == 0
    assert f1(labels, [0, 0, 0]) == 0
    assert pearson([0.0, 2.0, 5.0], [3.0, 3.0, 3.0]) == 0
    assert spearman([0.0, 2.0, 5.0], [3.0, 3.0, 3.0]) == 0
