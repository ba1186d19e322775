"""The chunked cross-entropy is the plain one, in value and in every gradient."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from lightning_modules import linear_cross_entropy as module
from lightning_modules.linear_cross_entropy import linear_cross_entropy


@pytest.mark.parametrize("chunk_elements", [1, 3 * 11, 1000])  # a row, three, all seven at a time
def test_value_and_gradients_are_those_of_linear_and_cross_entropy(
    chunk_elements: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(module.CHUNK_ELEMENTS, "cpu", chunk_elements)
    generator = torch.Generator().manual_seed(0)
    shapes = [(7, 5), (11, 5), (11,)]
    leaves = [torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes]
    targets = torch.randint(11, (7,), generator=generator)
    found, expected = (
        [leaf.clone().requires_grad_() for leaf in leaves],
        [leaf.clone().requires_grad_() for leaf in leaves],
    )
    loss = linear_cross_entropy(*found, targets)
    reference = F.cross_entropy(F.linear(*expected), targets)
    assert loss.item() == pytest.approx(reference.item(), rel=1e-14)
    # A factor in front, since the gradients are made before it is known.
    (3 * loss).backward()
    (3 * reference).backward()
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=0, atol=1e-13)


def test_large_scores_overflow_nowhere() -> None:
    states = torch.tensor([[1000.0], [-1000.0]])
    weight = torch.tensor([[1.0], [-1.0]])
    loss = linear_cross_entropy(states, weight, torch.zeros(2), torch.tensor([0, 0]))
    assert loss.item() == pytest.approx(1000.0)


def test_half_precision_is_near_the_full_one_and_its_gradients_keep_their_parameters_type() -> None:
    generator = torch.Generator().manual_seed(0)
    leaves = [torch.randn(s, generator=generator) for s in [(40, 8), (50, 8), (50,)]]
    targets = torch.randint(50, (40,), generator=generator)
    results = []
    for enabled in (False, True):
        copies = [leaf.clone().requires_grad_() for leaf in leaves]
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            loss = linear_cross_entropy(*copies, targets)
        loss.backward()
        assert {copy.grad.dtype for copy in copies} == {loss.dtype} == {torch.float32}
        results.append([loss.detach(), *(copy.grad for copy in copies)])
    for full, half in zip(*results, strict=True):
        assert (full - half).norm() < 0.02 * full.norm()


def test_gradients_of_a_tied_embedding_add_up() -> None:
    weight = torch.randn(6, 3, generator=torch.Generator().manual_seed(1), requires_grad=True)
    bias, tokens, targets = torch.zeros(6), torch.tensor([1, 4, 1]), torch.tensor([0, 5, 2])
    gradients = []
    for loss in (linear_cross_entropy, lambda x, w, b, y: F.cross_entropy(F.linear(x, w, b), y)):
        (gradient,) = torch.autograd.grad(
            loss(F.embedding(tokens, weight), weight, bias, targets), weight
        )
        gradients.append(gradient)
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-6)
