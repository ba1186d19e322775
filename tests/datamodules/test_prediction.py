"""What the positions of a batch predict: masked tokens by their proportions, and neighbours."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from datamodules.text.masking import masked_tokens, neighbours
from tests.datamodules.text_corpora import CLS, MASK, PAD, SEP

VOCAB_SIZE = 30522


def rows(lengths, width):
    """[CLS] ordinary tokens [SEP] padding: (tokens, special, lengths)."""
    generator = np.random.default_rng(len(lengths))
    tokens = np.full((len(lengths), width), PAD)
    for row, length in zip(tokens, lengths, strict=True):
        row[:length] = [CLS, *generator.integers(5, VOCAB_SIZE, length - 2), SEP]
    return tokens, (tokens == CLS) | (tokens == SEP) | (tokens == PAD), np.array(lengths)


def masked(tokens, special, lengths, seed=0, **rules):
    defaults = {"rate": 0.15, "mask_share": 0.8, "random_share": 0.1}
    return masked_tokens(
        tokens,
        special,
        lengths,
        np.random.default_rng(seed),
        mask_token=MASK,
        vocab_size=VOCAB_SIZE,
        **{**defaults, **rules},
    )


lengths_ = st.lists(st.integers(3, 40), min_size=1, max_size=12)


@settings(max_examples=80, deadline=None)
@given(lengths=lengths_, rate=st.floats(0.01, 1.0), seed=st.integers(0, 1000))
def test_each_row_predicts_its_share_and_never_a_special_token(lengths, rate, seed):
    tokens, special, lengths = rows(lengths, 40)
    found = masked(tokens, special, lengths, seed, rate=rate)
    counts = np.bincount(found.predict // 40, minlength=len(lengths))
    # The original's own expression, without its cap; at most every ordinary token.
    assert counts.tolist() == [min(max(1, round(n * rate)), n - 2) for n in lengths.tolist()]
    assert len(np.unique(found.predict)) == len(found.predict)
    assert (np.diff(found.predict) > 0).all()
    assert not special.ravel()[found.predict].any()
    assert (found.targets == tokens.ravel()[found.predict]).all()
    untouched = np.ones(tokens.size, bool)
    untouched[found.predict] = False
    assert (found.tokens.ravel()[untouched] == tokens.ravel()[untouched]).all()


@pytest.mark.parametrize(
    ("mask_share", "random_share"), [(0.8, 0.1), (1.0, 0.0), (0.0, 0.8), (0.0, 1.0)]
)
def test_the_proportions_of_table_8(mask_share, random_share):
    tokens, special, lengths = rows([128] * 400, 128)
    found = masked(tokens, special, lengths, mask_share=mask_share, random_share=random_share)
    shown, number = found.tokens.ravel()[found.predict], len(found.predict)
    # A random token is the right one once in VOCAB_SIZE draws: far within the bounds.
    kinds = {
        mask_share: shown == MASK,
        1 - mask_share - random_share: shown == found.targets,
        random_share: (shown != MASK) & (shown != found.targets),
    }
    for share, kind in kinds.items():
        low, high = stats.binom.ppf([1e-6, 1 - 1e-6], number, share)
        assert low - 2 <= kind.sum() <= high + 2, share


def test_every_ordinary_position_is_masked_alike():
    tokens, special, lengths = rows([32] * 4000, 32)
    found = masked(tokens, special, lengths)
    counts = np.bincount(found.predict % 32, minlength=32)
    assert counts[[0, 31]].sum() == 0
    assert stats.chisquare(counts[1:31]).pvalue > 1e-4


def test_random_tokens_come_from_the_whole_vocabulary():
    tokens, special, lengths = rows([128] * 2000, 128)
    found = masked(tokens, special, lengths, mask_share=0.0, random_share=1.0)
    shown = found.tokens.ravel()[found.predict]
    cut = np.histogram(shown, bins=20, range=(0, VOCAB_SIZE))[0]
    assert stats.chisquare(cut, len(shown) * _widths(20)).pvalue > 1e-4


def _widths(bins):
    edges = np.linspace(0, VOCAB_SIZE, bins + 1)
    return np.histogram(np.arange(VOCAB_SIZE), bins=edges)[0] / VOCAB_SIZE


@settings(max_examples=60, deadline=None)
@given(lengths=lengths_)
@pytest.mark.parametrize("step", [1, -1], ids=["ltr", "rtl"])
def test_each_token_with_a_neighbour_is_predicted_once_from_it(step, lengths):
    tokens, _, lengths = rows(lengths, 40)
    found = neighbours(tokens, lengths, step)
    assert (found.tokens == tokens).all(), "none masked"
    expected = [
        (row * 40 + column, tokens[row, column + step])
        for row, length in enumerate(lengths)
        for column in range(length)
        if 0 <= column + step < length
    ]
    assert list(zip(found.predict, found.targets, strict=True)) == expected
