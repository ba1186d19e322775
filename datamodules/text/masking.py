"""What a sequence's positions predict: masked tokens, or the neighbour to the right or the left.

    masked_tokens(...)      masked language model: hide some tokens, predict them in their places
    neighbours(..., +1)     left to right: position t predicts token t + 1
    neighbours(..., -1)     right to left: position t predicts token t - 1

Each gives `predict`, the flat indices into [B * T] of the positions that predict, ascending, and
`targets`, the token ids that they should give.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from datamodules.text.corpus import Ints


class Prediction(NamedTuple):
    """tokens: int64 [B, T], as the model sees them; predict, targets: int64 [N]."""

    tokens: Ints
    predict: Ints
    targets: Ints


def masked_tokens(
    tokens: Ints,
    special: NDArray[np.bool_],
    lengths: Ints,
    generator: Generator,
    *,
    rate: float,
    mask_share: float,
    random_share: float,
    mask_token: int,
    vocab_size: int,
) -> Prediction:
    """Hide max(1, round(rate x length)) tokens of each row, [CLS], [SEP] and padding never.

    Of the hidden ones a share `mask_share` becomes [MASK], `random_share` a token drawn from the
    whole vocabulary, and the rest stays. lengths [B] counts the special tokens too, as in the
    original. tokens, special: [B, T].
    """
    keys = generator.random(tokens.shape)
    keys[special] = 2.0  # after every other
    numbers = np.maximum(1, np.rint(rate * lengths))
    numbers = np.minimum(numbers, (~special).sum(axis=1)).astype(np.int64)
    most = int(numbers.max())
    chosen = np.argsort(keys, axis=1)[:, :most] + np.arange(len(tokens))[:, None] * tokens.shape[1]
    predict = np.sort(chosen[np.arange(most) < numbers[:, None]])
    targets = tokens.ravel()[predict]

    how = generator.random(len(predict))
    words = generator.integers(0, vocab_size, len(predict))
    shown = np.where(how < mask_share + random_share, words, targets)
    shown = np.where(how < mask_share, mask_token, shown)
    seen = tokens.copy()
    seen.ravel()[predict] = shown
    return Prediction(seen, predict, targets)


def neighbours(tokens: Ints, lengths: Ints, step: int) -> Prediction:
    """Each token but the first (step = 1) or the last (step = -1) of its row is predicted once,
    from the position before or after it. tokens: [B, T]; lengths: [B]."""
    width = tokens.shape[1]
    predicted = np.arange(width) < lengths[:, None]
    if step == 1:
        predicted[:, 0] = False
    else:
        predicted[np.arange(len(tokens)), lengths - 1] = False
    places = np.flatnonzero(predicted)
    return Prediction(tokens, places - step, tokens.ravel()[places])
