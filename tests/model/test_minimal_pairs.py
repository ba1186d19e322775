"""Sentence scores: masked one by one, or from one end, against transformers and by hand."""

from __future__ import annotations

import pytest
import torch
from transformers import BertConfig, BertForMaskedLM, BertLMHeadModel

from experiments.randomness import streams
from lightning_modules.encoders import Encoders
from lightning_modules.huggingface import load_bert
from lightning_modules.minimal_pairs import MinimalPairsModule

MASK, LENGTHS = 4, (5, 9, 12)


def module_of(folder, *, mask: str = "") -> MinimalPairsModule:
    bert = load_bert(folder)
    bert.model.attention_mask = mask or bert.model.attention_mask
    module = MinimalPairsModule(
        encoders=Encoders([bert.model]),
        mask_token=MASK,
        optimizer={},
        max_steps=0,
        seed_for=streams(0),
    )
    module.start_from([bert.state()])
    return module.eval()


def saved(folder, kind: type, **changes):
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=30,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=12,
        initializer_range=0.3,
        **changes,
    )
    model = kind(config).eval()
    model.save_pretrained(folder)
    return model


@pytest.fixture
def batch() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    real = torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]
    tokens = torch.randint(5, 30, real.shape, generator=generator) * real
    return {"tokens": tokens, "segments": torch.zeros_like(tokens), "padding_mask": real}


@torch.no_grad()
def test_the_masked_models_score_is_its_pseudo_log_likelihood(tmp_path, batch) -> None:
    theirs = saved(tmp_path, BertForMaskedLM)
    expected = []
    for row, length in enumerate(LENGTHS):
        tokens, total = batch["tokens"][row : row + 1, :length], 0.0
        for place in range(1, length - 1):
            masked = tokens.clone()
            masked[0, place] = MASK
            log_p = theirs(masked).logits[0, place].log_softmax(-1)
            total += log_p[tokens[0, place]].item()
        expected.append(total)
    assert module_of(tmp_path).scores(batch).tolist() == pytest.approx(expected, abs=1e-4)


@torch.no_grad()
def test_the_left_to_right_models_score_is_its_log_likelihood(tmp_path, batch) -> None:
    theirs = saved(tmp_path, BertLMHeadModel, is_decoder=True, use_cache=False)
    expected = []
    for row, length in enumerate(LENGTHS):
        tokens = batch["tokens"][row : row + 1, :length]
        log_p = theirs(tokens).logits[0].log_softmax(-1)
        expected.append(
            sum(log_p[place - 1, tokens[0, place]].item() for place in range(1, length - 1))
        )
    assert module_of(tmp_path).scores(batch).tolist() == pytest.approx(expected, abs=1e-4)


@torch.no_grad()
def test_right_to_left_a_token_is_predicted_from_those_after_it(tmp_path, batch) -> None:
    saved(tmp_path, BertForMaskedLM)
    module = module_of(tmp_path, mask="reverse")
    assert module.objective == "rtl"
    alone = {name: value[1:2, : LENGTHS[1]] for name, value in batch.items()}
    before = module.scores(alone)
    by_hand = 0.0
    for place in range(1, LENGTHS[1] - 1):
        # Whatever stands at the token's own place and before it changes nothing.
        tokens = alone["tokens"].clone()
        tokens[0, : place + 1] = 7
        hidden = module.encoder.encode(tokens, segments=torch.zeros_like(tokens))
        scores = module.head(hidden[0, place + 1], module.encoder.tokens.weight)
        by_hand += scores.log_softmax(-1)[alone["tokens"][0, place]].item()
    assert before.item() == pytest.approx(by_hand, abs=1e-4)
    torch.testing.assert_close(module.scores(batch)[1:2], before)


def test_it_is_not_trained(tmp_path) -> None:
    saved(tmp_path, BertForMaskedLM)
    with pytest.raises(ValueError, match=r"max_steps is 3: type trainer\.max_steps=0"):
        MinimalPairsModule(
            encoders=Encoders([load_bert(tmp_path).model]),
            mask_token=MASK,
            optimizer={},
            max_steps=3,
            seed_for=streams(0),
        )
