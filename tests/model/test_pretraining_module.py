"""The pre-training module: its loss, its scores, and that it knows nothing of the objective."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from experiments.randomness import streams
from lightning_modules.initialisation import initialise
from lightning_modules.positions.learned import LearnedPositions
from lightning_modules.pretraining import PretrainingModule
from lightning_modules.residual import all_sublayers
from lightning_modules.transformer import Transformer

VOCAB, LENGTH, WIDTH, ROWS = 30, 7, 8, 4
OPTIMIZER = {
    "lr": 1e-2,
    "beta1": 0.9,
    "beta2": 0.99,
    "eps": 1e-8,
    "weight_decay": 0.01,
    "warmup_steps": 0,
    "schedule": "constant",
    "bias_correction": True,
}


def make(*, nsp: bool = True, attention_mask: str = "bidirectional", **model: object):
    transformer = Transformer(
        **{
            "vocab_size": VOCAB,
            "max_length": LENGTH,
            "num_layers": 2,
            "hidden_size": WIDTH,
            "num_heads": 2,
            "intermediate_size": 16,
            "attention_mask": attention_mask,
            "residual": all_sublayers(2),
            "position": LearnedPositions(hidden_size=WIDTH, num_heads=2, max_length=LENGTH),
            "norm": "post",
            "num_segments": 2,
            "tie_embeddings": True,
        }
        | model
    )
    initialise(transformer, seed_for=streams(0), std=0.3)
    return PretrainingModule(
        nsp=nsp,
        head_std=0.02,
        model=transformer,
        optimizer=OPTIMIZER,
        max_steps=100,
        seed_for=streams(0),
    )


def batch(rows: int = ROWS, *, padded: bool = True) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(rows)
    tokens = torch.randint(VOCAB, (rows, LENGTH), generator=generator)
    made = {
        "tokens": tokens,
        "segments": (torch.arange(LENGTH) > 3).long().expand(rows, LENGTH),
        "predict": torch.arange(0, rows * LENGTH, 3),
        "next_sentence": torch.arange(rows) % 2,
    }
    made["targets"] = torch.randint(VOCAB, made["predict"].shape, generator=generator)
    if padded:
        made["padding_mask"] = torch.arange(LENGTH) < torch.tensor([7, 5, 7, 6])[:rows, None]
    return made


def loss_by_hand(module: PretrainingModule, data: dict[str, torch.Tensor]) -> tuple[float, float]:
    """Every position scored by the plain formula, then those that count picked out."""
    hidden = module.model.encode(
        data["tokens"], segments=data["segments"], padding_mask=data.get("padding_mask")
    )
    dense, norm = module.head.dense, module.head.norm
    states = F.layer_norm(F.gelu(dense(hidden)), (WIDTH,), norm.weight, norm.bias, norm.eps)
    scores = (states @ module.model.tokens.weight.T + module.head.bias).flatten(0, 1)
    token_loss = F.cross_entropy(scores[data["predict"]], data["targets"]).item()
    pooled = torch.tanh(module.pooler.dense(hidden[:, 0]))
    pairs = F.cross_entropy(module.next_sentence(pooled), data["next_sentence"]).item()
    return token_loss, pairs


@pytest.mark.parametrize("padded", [False, True])
def test_the_loss_is_the_mean_of_tokens_plus_the_mean_of_pairs(padded: bool) -> None:
    module, data = make(), batch(padded=padded)
    token_loss, nsp_loss = loss_by_hand(module, data)
    assert module.training_step(data, 0).item() == pytest.approx(token_loss + nsp_loss, rel=1e-6)


def test_without_nsp_there_is_no_pooler_and_the_labels_are_ignored() -> None:
    module, data = make(nsp=False), batch()
    token_loss, _ = loss_by_hand(make(), data)
    assert module.training_step(data, 0).item() == pytest.approx(token_loss, rel=1e-6)
    assert set(module.evaluate([data])) == {"loss", "token_loss", "token_accuracy"}
    assert not [name for name in module.exported_state() if name.startswith(("pooler", "next"))]


def test_scores_are_means_over_tokens_and_over_pairs() -> None:
    module = make()
    batches = [batch(4), batch(2)]
    tokens = torch.tensor([len(b["targets"]) for b in batches]).double()
    losses = torch.tensor([loss_by_hand(module, b) for b in batches]).double()
    scores = module.evaluate(batches)
    token_loss = (losses[:, 0] * tokens).sum() / tokens.sum()
    nsp_loss = (4 * losses[0, 1] + 2 * losses[1, 1]) / 6
    assert scores["token_loss"] == pytest.approx(token_loss.item(), rel=1e-5)
    assert scores["loss"] == pytest.approx((token_loss + nsp_loss).item(), rel=1e-5)
    right = 0
    for data in batches:
        _, states = module.hidden_states(data)
        best = module.head(states, module.model.tokens.weight).argmax(1)
        right += int((best == data["targets"]).sum())
    assert scores["token_accuracy"] == pytest.approx(right / tokens.sum().item())
    assert scores["nsp_accuracy"] * 6 == pytest.approx(round(scores["nsp_accuracy"] * 6))


def test_it_learns_what_it_is_shown() -> None:
    module, data = make(), batch()
    optimizer = module.configure_optimizers()["optimizer"]
    for _ in range(150):
        optimizer.zero_grad()
        module.training_step(data, 0).backward()
        optimizer.step()
    scores = module.evaluate([data])
    assert scores["token_accuracy"] == scores["nsp_accuracy"] == 1.0
    assert scores["loss"] < 0.2


@pytest.mark.parametrize(("mask", "past"), [("causal", slice(0, 4)), ("reverse", slice(3, None))])
def test_a_one_sided_model_predicts_from_its_side_alone(mask: str, past: slice) -> None:
    """What lies on the other side of a predicting position leaves its states as they were."""
    module, data = make(attention_mask=mask), batch(padded=False)
    data["predict"] = torch.arange(3, ROWS * LENGTH, LENGTH)
    changed = dict(data, tokens=(data["tokens"] + 1) % VOCAB)
    changed["tokens"][:, past] = data["tokens"][:, past]
    states, others = (module.hidden_states(b)[1] for b in (data, changed))
    torch.testing.assert_close(states, others)


def test_the_pooled_token_is_the_one_that_sees_the_whole_sequence() -> None:
    data = batch()
    poolings = {"bidirectional": "first", "reverse": "first", "causal": "last"}
    for mask, pooling in poolings.items():
        module = make(attention_mask=mask)
        assert module.pooler.pooling == [pooling]
        changed = dict(data, tokens=data["tokens"].clone())
        changed["tokens"][:, 2] = (changed["tokens"][:, 2] + 1) % VOCAB
        before, after = (
            module.next_sentence_logits(module.hidden_states(b)[0], b) for b in (data, changed)
        )
        assert ((before - after).abs().amax(1) > 0).all()


def test_the_exported_state_holds_each_parameter_once_under_stable_names() -> None:
    state = make().exported_state()
    assert {name.partition(".")[0] for name in state} == {
        "model",
        "head",
        "pooler",
        "next_sentence",
    }
    assert {"model.tokens.weight", "head.dense.weight", "head.bias", "pooler.dense.weight"} <= set(
        state
    )
    assert len({value.data_ptr() for value in state.values()}) == len(state)
    assert "model.output.weight" not in state


def test_arms_share_the_initial_values_of_what_they_share() -> None:
    bert, no_nsp = make().exported_state(), make(nsp=False).exported_state()
    assert set(no_nsp) < set(bert)
    assert all(torch.equal(value, bert[name]) for name, value in no_nsp.items())


def test_an_output_embedding_that_would_never_train_is_refused() -> None:
    with pytest.raises(ValueError, match=r"type model\.tie_embeddings=true"):
        make(tie_embeddings=False)
    assert make(output=False).exported_state().keys() == make().exported_state().keys()


@pytest.mark.parametrize("nsp", [True, False])
def test_it_goes_on_from_a_parents_encoder_and_heads(nsp: bool) -> None:
    parent, child = make(nsp=nsp), make(nsp=nsp)
    with torch.no_grad():
        for parameter in parent.parameters():
            parameter.add_(0.1)
    assert child.evaluate([batch()]) != parent.evaluate([batch()])
    child.start_from([parent.exported_state()])
    assert child.evaluate([batch()]) == parent.evaluate([batch()])


def test_it_goes_on_from_one_model_of_its_own_objective_alone() -> None:
    state = make(nsp=False).exported_state()
    with pytest.raises(ValueError, match="this arm has 2: choose another arm"):
        make(nsp=False).start_from([state, state])
    with pytest.raises(ValueError, match=r"the parent's pooler.dense.weight is missing"):
        make(nsp=True).start_from([state])
