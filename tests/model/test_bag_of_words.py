"""The bag-of-words control: it sees words and not their order."""

from __future__ import annotations

import pytest
import torch

from lightning_modules.bag_of_words import BagOfWordsModule
from lightning_modules.encoders import Encoders
from lightning_modules.positions.base import PositionEncoding
from lightning_modules.transformer import Transformer

VOCAB = 11


def module(kind: str, num_labels: int) -> BagOfWordsModule:
    sizes = {"hidden_size": 8, "num_heads": 2, "max_length": 6}
    encoder = Transformer(
        vocab_size=VOCAB,
        num_layers=1,
        intermediate_size=8,
        attention_mask="bidirectional",
        residual=[],
        position=PositionEncoding(**sizes),
        **sizes,
    )
    built = BagOfWordsModule(
        encoders=Encoders([encoder]),
        kind=kind,
        num_labels=num_labels,
        optimizer={},
        max_steps=1,
        seed_for=lambda stream, step: 0,
    )
    torch.nn.init.normal_(built.words.weight, generator=torch.Generator().manual_seed(1))
    return built


def batch(*texts: list[int]) -> dict[str, torch.Tensor]:
    """Rows of six tokens: the first three are A, then come two of B and one of padding."""
    tokens = torch.tensor(texts)
    return {
        "tokens": tokens,
        "segments": torch.tensor([[0, 0, 0, 1, 1, 0]]).expand_as(tokens),
        "padding_mask": torch.tensor([[True] * 5 + [False]]).expand_as(tokens),
    }


def test_features_count_the_words_of_both_texts_and_what_they_share():
    features = module("classification", 2).features(batch([7, 7, 3, 7, 5, 0]))[0]
    first, second, product, shared = features.split([VOCAB, VOCAB, VOCAB, 1])
    assert first.nonzero().flatten().tolist() == [3, 7]
    assert (first[7], first[3], second[7], second[5], second[0]) == (2, 1, 1, 1, 0)
    assert product.nonzero().flatten().tolist() == [7]
    assert product[7] == 2
    assert shared == 1


def test_the_order_of_words_within_a_text_and_padding_change_nothing():
    logits = module("classification", 3).outputs(
        batch([7, 8, 3, 9, 5, 0], [3, 7, 8, 5, 9, 4], [9, 8, 3, 7, 5, 0])
    )["logits"]
    torch.testing.assert_close(logits[0], logits[1])
    assert not torch.allclose(logits[0], logits[2])  # a word has changed its text


@pytest.mark.parametrize("kind", ["span", "tagging"])
def test_a_token_is_scored_by_its_own_word_alone(kind):
    scores = module(kind, 2).outputs(batch([7, 8, 3, 7, 5, 0], [1, 7, 2, 2, 2, 0]))
    for name in ("start", "end") if kind == "span" else ("logits",):
        torch.testing.assert_close(scores[name][0, 0], scores[name][0, 3])
        torch.testing.assert_close(scores[name][0, 0], scores[name][1, 1])
    if kind == "span":
        assert scores["start"][0, 5] == float("-inf")


def test_only_its_own_weights_are_trained():
    built = module("classification", 2)
    trained = [name for name, p in built.named_parameters() if p.requires_grad]
    assert trained == ["words.weight", "words.bias"]
