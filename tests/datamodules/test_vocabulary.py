"""How token ids are text, as it travels with weights."""

from __future__ import annotations

import pytest

from datamodules.vocabulary import Vocabulary

MINE = Vocabulary(["[PAD]", "the", '"\n'], True)


def test_it_comes_back_from_a_weights_file_as_it_was(tmp_path):
    from experiments.weights import load_vocabulary, save_weights

    save_weights(tmp_path, 3, {}, vocabulary=MINE)
    save_weights(tmp_path, 4, {})
    assert load_vocabulary(tmp_path, 3) == MINE
    assert load_vocabulary(tmp_path, 4) is None


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (MINE, ""),
        (Vocabulary(("[PAD]", "the", '"\n'), True), ""),
        (MINE._replace(lowercase=False), "lowercase=false"),
        (Vocabulary(MINE.tokens[:2], True), "2 tokens and not 3"),
        (Vocabulary(["[PAD]", "The", '"\n'], True), "'The' as token 1 and not 'the'"),
    ],
)
def test_what_differs_is_told(other, said):
    assert MINE.difference(other) == said
