"""Fine-tuning: what is read of the encoders, what is trained, and what a head is given."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch.nn import functional as F

from experiments.randomness import streams
from lightning_modules.encoders import Encoders
from lightning_modules.finetuning import FinetuningModule
from lightning_modules.heads.layers import CHOICES, LayerChoice
from lightning_modules.initialisation import initialise
from lightning_modules.positions.learned import LearnedPositions
from lightning_modules.pretraining import PretrainingModule
from lightning_modules.residual import all_sublayers
from lightning_modules.transformer import Transformer

OPTIMIZER = {
    "lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-6, "weight_decay": 0.01, "clip": 1.0,
    "warmup_steps": 0, "schedule": "linear", "bias_correction": True,
}  # fmt: skip
WIDTH, LENGTH, VOCABULARY = 16, 12, 30


seed_for = streams(0)


def encoder(mask: str = "bidirectional", *, num_layers: int = 2) -> Transformer:
    model = Transformer(
        vocab_size=VOCABULARY,
        max_length=LENGTH,
        num_layers=num_layers,
        hidden_size=WIDTH,
        num_heads=2,
        intermediate_size=32,
        attention_mask=mask,
        residual=all_sublayers(num_layers),
        position=LearnedPositions(hidden_size=WIDTH, num_heads=2, max_length=LENGTH),
        norm="post",
        num_segments=2,
        tie_embeddings=True,
    )
    initialise(model, seed_for=seed_for, std=0.2)
    return model


def finetuning(
    masks: Sequence[str] = ("bidirectional",),
    *,
    kind: str = "classification",
    num_labels: int = 3,
    **settings,
) -> FinetuningModule:
    torch.manual_seed(0)
    return FinetuningModule(
        encoders=Encoders([encoder(mask) for mask in masks]),
        kind=kind,
        num_labels=num_labels,
        head_std=0.02,
        optimizer=OPTIMIZER,
        max_steps=10,
        seed_for=seed_for,
        **settings,
    )


def batch(kind: str = "classification", *, lengths: Sequence[int] = (5, 9, 12)) -> dict:
    generator = torch.Generator().manual_seed(1)
    shape = (len(lengths), max(lengths))
    real = torch.arange(shape[1]) < torch.tensor(lengths)[:, None]
    tokens = torch.randint(5, VOCABULARY, shape, generator=generator) * real
    made = {"tokens": tokens, "segments": torch.zeros_like(tokens), "padding_mask": real}
    if kind == "span":
        return made | {"start": torch.tensor([1, 2, 3]), "end": torch.tensor([2, 2, 5])}
    if kind == "tagging":
        return made | {"labels": torch.where(real, tokens % 3, -100)}
    return made | {"labels": torch.tensor([0, 1, 2])}


@pytest.mark.parametrize("kind", ["classification", "span", "tagging"])
@pytest.mark.parametrize("masks", [("bidirectional",), ("causal", "reverse")])
@pytest.mark.parametrize("bilstm_layers", [0, 1])
def test_padding_changes_no_output(kind: str, masks: Sequence[str], bilstm_layers: int) -> None:
    module = finetuning(masks, kind=kind, bilstm_layers=bilstm_layers).eval()
    padded = module.outputs(batch(kind))
    for row, length in enumerate((5, 9, 12)):
        alone = {
            name: value[row : row + 1, :length] if value.dim() == 2 else value[row : row + 1]
            for name, value in batch(kind).items()
        }
        for name, expected in module.outputs(alone).items():
            found = padded[name][row : row + 1]
            found = found if kind == "classification" else found[:, :length]
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_the_loss_of_a_span_is_the_mean_of_start_and_end() -> None:
    module = finetuning(kind="span").eval()
    outputs, given = module.outputs(batch("span")), batch("span")
    by_hand = [
        -torch.log_softmax(outputs[end], -1)[row, given[end][row]]
        for end in ("start", "end")
        for row in range(3)
    ]
    torch.testing.assert_close(module.loss(outputs, given), torch.stack(by_hand).mean())
    assert outputs["start"][0, 5:].isneginf().all(), "padding answers nothing"


def test_a_tags_loss_ignores_what_has_no_label() -> None:
    module = finetuning(kind="tagging").eval()
    given = batch("tagging")
    logits = module.outputs(given)["logits"]
    kept = given["labels"] >= 0
    expected = F.cross_entropy(logits[kept], given["labels"][kept])
    torch.testing.assert_close(module.training_step(given, 0), expected)


def test_a_similarity_is_fitted_by_its_squared_error() -> None:
    module = finetuning(kind="regression", num_labels=1).eval()
    given = batch() | {"labels": torch.tensor([0.0, 2.5, 5.0])}
    found = module.outputs(given)["logits"]
    assert found.shape == (3, 1)
    by_hand = [(found[row, 0] - given["labels"][row]) ** 2 for row in range(3)]
    torch.testing.assert_close(module.training_step(given, 0), torch.stack(by_hand).mean())


@pytest.mark.parametrize(("pooling", "moves"), [("first", False), ("last", True), ("auto", True)])
def test_left_to_right_the_first_token_knows_nothing_of_the_others(
    pooling: str, moves: bool
) -> None:
    """Why LTR is pooled at its last token: at the first it could not beat chance."""
    module = finetuning(["causal"], pooling=pooling).eval()
    other = batch()
    other["tokens"][:, 2] = 29 - other["tokens"][:, 2] % 20
    before, after = (module.outputs(given)["logits"] for given in (batch(), other))
    assert (not before.equal(after)) == moves


def test_two_directions_see_both_sides_of_every_token() -> None:
    states = finetuning(["causal", "reverse"], kind="tagging").eval()
    for changed in (1, 10):
        other = batch("tagging", lengths=[12])
        before = states.outputs(other)["logits"][0, 5]
        other["tokens"][0, changed] = 29 - other["tokens"][0, changed] % 20
        assert not states.outputs(other)["logits"][0, 5].equal(before)


def test_frozen_encoders_are_features_without_dropout_and_stay_as_they_are() -> None:
    module = finetuning(frozen=True, dropout=0.0)
    before = {name: value.clone() for name, value in module.model.state_dict().items()}
    optimizer = module.configure_optimizers()["optimizer"]
    for _ in range(3):
        optimizer.zero_grad()
        module.training_step(batch(), 0).backward()
        optimizer.step()
    assert all(value.equal(before[name]) for name, value in module.model.state_dict().items())
    assert module.head.linear.weight.grad is not None
    assert not module.model.training
    assert module.training


def test_the_bilstm_alone_has_its_own_learning_rate() -> None:
    module = finetuning(bilstm_layers=1, bilstm_lr=0.5)
    groups = module.configure_optimizers()["optimizer"].param_groups
    rates = {id(p): group["initial_lr"] for group in groups for p in group["params"]}
    own = {id(p) for p in module.bilstm.parameters()}
    assert {rate for key, rate in rates.items() if key in own} == {0.5}
    assert {rate for key, rate in rates.items() if key not in own} == {1e-3}
    assert len(rates) == len(list(module.parameters()))


def pretrained(mask: str, *, nsp: bool) -> PretrainingModule:
    return PretrainingModule(
        nsp=nsp,
        head_std=0.02,
        model=encoder(mask),
        optimizer=OPTIMIZER,
        max_steps=1,
        seed_for=seed_for,
    )


def test_each_parent_gives_its_encoder_and_a_trained_pooler_goes_with_its_own() -> None:
    parents = [pretrained("causal", nsp=False), pretrained("reverse", nsp=True)]
    with torch.no_grad():
        for parent in parents:
            for value in parent.parameters():
                value.add_(torch.randn_like(value))
    states = [parent.exported_state() for parent in parents]
    both = finetuning(["causal", "reverse"])
    both.start_from(states)
    for loaded, parent in zip(both.model.encoders, parents, strict=True):
        for name, value in loaded.named_parameters():
            assert value.equal(parent.model.get_parameter(name)), name
    one = finetuning(["reverse"])
    one.start_from(states[1:])
    assert one.pooler.dense.weight.equal(parents[1].pooler.dense.weight)
    without = finetuning(["causal"])
    untrained = without.pooler.dense.weight.clone()
    without.start_from(states[:1])
    assert without.pooler.dense.weight.equal(untrained)


def test_a_task_of_shorter_sequences_takes_the_first_of_its_parents_positions() -> None:
    state = pretrained("bidirectional", nsp=False).exported_state()
    longer = torch.randn(LENGTH + 5, WIDTH)
    longer[:LENGTH] = state["model.position.table"]
    expected, found = finetuning(), finetuning()
    expected.start_from([state])
    found.start_from([state | {"model.position.table": longer}])
    assert found.eval().outputs(batch())["logits"].equal(expected.eval().outputs(batch())["logits"])
    with pytest.raises(ValueError, match=r"position.table is of shape \(9, 16\), expected \(12"):
        finetuning().start_from([state | {"model.position.table": longer[:9]}])


def test_the_weights_of_another_model_are_refused() -> None:
    state = PretrainingModule(
        nsp=False,
        head_std=0.02,
        model=encoder(num_layers=1),
        optimizer=OPTIMIZER,
        max_steps=1,
        seed_for=seed_for,
    ).exported_state()
    with pytest.raises(ValueError, match=r"model.blocks.1\S* is missing, expected"):
        finetuning().start_from([state])


@pytest.mark.parametrize("choice", CHOICES)
def test_the_layers_of_table_7(choice: str) -> None:
    hidden = [torch.full((1, 2, 3), float(2**layer)) for layer in range(6)]  # embeddings, 5 layers
    found = LayerChoice(choice, num_layers=5)(hidden)
    expected = {
        "embeddings": hidden[0],
        "second_to_last": hidden[4],
        "last": hidden[5],
        "sum_last_four": torch.full((1, 2, 3), (4 + 8 + 16 + 32) / 4),
        "sum_all": torch.full((1, 2, 3), (2 + 4 + 8 + 16 + 32) / 5),
        "concat_last_four": torch.cat(hidden[2:], dim=-1),
    }[choice]
    torch.testing.assert_close(found, expected)


def test_a_choice_of_more_layers_than_there_are_says_so() -> None:
    with pytest.raises(ValueError, match="needs an encoder of 4 layers or more"):
        LayerChoice("concat_last_four", num_layers=2)
