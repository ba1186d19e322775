"""Every file of conf/position/ in the Transformer, and in every study that allows it."""

from __future__ import annotations

import copy
import functools
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from experiments.components import signature
from experiments.compose import CONF, choices, compose, normalised
from experiments.errors import UserError
from experiments.lineage import with_parents
from experiments.worker import build_model, build_run
from lightning_modules.positions.base import PositionEncoding
from lightning_modules.transformer import Transformer

KINDS = choices("position")
LENGTH, VOCAB = 9, 12
BASES = {  # the other studies, small and without parents
    "symmetry": ["data.digits=1", "model.hidden_size=32"],
    "bert_pretrain": ["data.num_documents=1000", "data.batch_size=2"],
    "bert": ["arm=no_pretraining", "data.batch_size=2"],
}


def component(kind: str) -> dict[str, Any]:
    chosen = OmegaConf.to_container(OmegaConf.load(CONF / "position" / f"{kind}.yaml"))
    assert isinstance(chosen, dict)
    return {str(key): value for key, value in chosen.items()}


@functools.cache
def composed(experiment: str, *overrides: str) -> dict[str, Any]:
    return compose([f"experiment={experiment}", *overrides])


def config_of(
    kind: str, *overrides: str, experiment: str = "symmetry", **changes: Any
) -> dict[str, Any]:
    """The experiment's config with another position encoding, checked as a typed override is."""
    config = copy.deepcopy(composed(experiment, *BASES.get(experiment, ()), *overrides))
    return with_parents(normalised({**config, "position": component(kind), **changes}))


def causal_only(kind: str) -> bool:
    return bool(signature(component(kind)["_target_"]).attributes.get("causal_only"))


def make(kind: str, attention_mask: str, *, max_length: int = LENGTH) -> Transformer:
    config = config_of(kind)
    config["model"]["init"] = {"std": 0.3, "rescale_residual": False}
    model = build_model(
        config,
        attention_mask=attention_mask,
        vocab_size=VOCAB,
        max_length=max_length,
        trained_length=max_length,
    )
    return model.double().eval()


def tokens(length: int = LENGTH) -> torch.Tensor:
    return torch.randint(VOCAB, (5, length), generator=torch.Generator().manual_seed(1))


def masks(kind: str) -> list[str]:
    return ["causal"] if causal_only(kind) else ["causal", "reverse", "bidirectional"]


CASES = [(kind, mask) for kind in KINDS for mask in masks(kind)]
ONE_SIDED = [case for case in CASES if case[1] != "bidirectional"]


@pytest.mark.parametrize(("kind", "mask"), ONE_SIDED)
@pytest.mark.parametrize("dropout", [False, True])
def test_nothing_comes_from_the_hidden_side(kind: str, mask: str, dropout: bool) -> None:
    model, before = make(kind, mask), tokens()
    for block in model.blocks:  # training takes another road through attention
        block.attention.train(dropout)
        block.attention.dropout = 1e-9
    after = before.clone()
    after[:, 4] = (after[:, 4] + 1) % VOCAB
    same = torch.isclose(model(before), model(after), rtol=0, atol=1e-10).all(-1)
    hidden = slice(0, 4) if mask == "causal" else slice(5, None)
    assert same[:, hidden].all()
    assert not same[:, 4].any()


@pytest.mark.parametrize(("kind", "mask"), ONE_SIDED)
def test_the_gradient_of_one_output_stays_on_its_side(kind: str, mask: str) -> None:
    model = make(kind, mask)
    embedded: list[torch.Tensor] = []

    def keep(module: Any, given: Any, out: torch.Tensor) -> None:
        out.retain_grad()
        embedded.append(out)

    model.tokens.register_forward_hook(keep)
    model(tokens())[:, 4].square().sum().backward()
    assert embedded[0].grad is not None
    reached = embedded[0].grad.abs().amax(-1) > 0
    seen = slice(0, 5) if mask == "causal" else slice(4, None)
    assert reached[:, seen].all()
    assert reached.sum() == reached[:, seen].sum()


@pytest.mark.parametrize(("kind", "mask"), CASES)
def test_padding_changes_nothing_for_real_tokens(kind: str, mask: str) -> None:
    model, x = make(kind, mask), tokens()
    real = torch.ones_like(x, dtype=torch.bool)
    real[:, 6:] = False
    padded = model(x, padding_mask=real)[:, :6]
    assert torch.allclose(padded, model(x[:, :6]), atol=1e-10)


@pytest.mark.parametrize(("kind", "mask"), CASES)
def test_positions_are_an_argument(kind: str, mask: str) -> None:
    """One row of positions for each sequence is the same as the positions they share."""
    model, positions = make(kind, mask), torch.arange(LENGTH)
    together = model(tokens(), positions=positions.expand(5, -1).clone())
    assert torch.allclose(together, model(tokens()), atol=1e-10)


@pytest.mark.parametrize(("kind", "mask"), CASES)
def test_a_shift_of_all_positions_is_seen_by_what_is_added_to_the_tokens_only(
    kind: str, mask: str
) -> None:
    """Within the trained length; what follows the length in use sees how far it goes beyond."""
    model, positions = make(kind, mask, max_length=50), torch.arange(LENGTH)
    same = torch.allclose(
        model(tokens()), model(tokens(), positions=positions + 30), rtol=0, atol=1e-9
    )
    absolute = type(model.position).embed is not PositionEncoding.embed
    assert same == (not absolute)


@pytest.mark.parametrize("kind", KINDS)
def test_only_a_learned_table_ends_at_the_trained_length(kind: str) -> None:
    model, longer = make(kind, "causal"), tokens(3 * LENGTH)
    if kind == "learned":
        with pytest.raises(IndexError):
            model(longer)
    else:
        logits = model(longer)
        assert logits.isfinite().all()
        # Nor does a longer pass leave anything behind for a shorter one.
        assert torch.equal(model(tokens()), make(kind, "causal")(tokens()))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not causal_only(kind)])
def test_only_without_positions_is_order_invisible_to_a_bidirectional_model(kind: str) -> None:
    model, x = make(kind, "bidirectional"), tokens()
    order = torch.tensor([3, 0, 7, 1, 8, 2, 6, 5, 4])
    blind = torch.allclose(model(x)[:, order], model(x[:, order]), atol=1e-10)
    assert blind == (kind == "none")


@pytest.mark.parametrize(("kind", "mask"), CASES)
def test_every_parameter_of_an_encoding_is_trained(kind: str, mask: str) -> None:
    model = make(kind, mask)
    model(tokens()).square().sum().backward()
    for name, parameter in model.position.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_initial_values_depend_on_seed_and_name_alone() -> None:
    shared = dict(make("none", "causal").named_parameters())
    for kind in KINDS:
        model, again = make(kind, "causal"), make(kind, "causal")
        values = dict(model.named_parameters())
        for name, value in again.named_parameters():
            assert torch.equal(value, values[name]), (kind, name)
        for name, value in shared.items():
            assert torch.equal(value, values[name]), (kind, name)


@pytest.mark.parametrize("kind", KINDS)
def test_training_works_below_autocast(kind: str) -> None:
    model = make(kind, "causal").float().train()
    exact = model(tokens())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(tokens())
    logits.float().square().mean().backward()
    assert torch.allclose(logits.float(), exact, atol=0.1 * exact.abs().max().item())
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("experiment", BASES)
def test_each_kind_is_an_override_of_each_study_or_refused_in_one_sentence(
    experiment: str,
) -> None:
    for kind in KINDS:
        for mask in ("causal", "bidirectional", "reverse"):
            if mask in masks(kind):
                config = config_of(kind, experiment=experiment, attention_mask=mask)
                assert config["position"]["name"] == kind
                continue
            with pytest.raises(UserError) as error:
                config_of(kind, experiment=experiment, attention_mask=mask)
            assert str(error.value) == (
                f"position={kind} is defined for a left-to-right model only: "
                "type attention_mask=causal, or choose another position"
            )


def losses(config: dict[str, Any], steps: int = 2) -> list[float]:
    """The first losses of a run, through the worker's own construction."""
    module, data = build_run(config)
    optimizer = module.configure_optimizers()["optimizer"]
    found = []
    for step in range(steps):
        loss = module.training_step(data.batch(step), step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_trains_in_the_symmetry_study(kind: str) -> None:
    found = losses(config_of(kind, "data.batch_size=8"))
    assert torch.tensor(found).isfinite().all()
    assert found[0] != found[1]


@pytest.mark.parametrize(
    ("experiment", "kind"), [("bert_pretrain", "rope"), ("bert_pretrain", "t5"), ("bert", "rope")]
)
def test_encodings_train_in_the_bert_study(experiment: str, kind: str) -> None:
    config = config_of(kind, experiment=experiment)
    assert config["position"]["name"] == kind
    assert torch.tensor(losses(config)).isfinite().all()
