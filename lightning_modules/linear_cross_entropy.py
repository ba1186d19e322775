"""Cross-entropy of a linear layer's outputs without ever holding all of them.

    loss = linear_cross_entropy(states, weight, bias, targets)     # the mean over N, a scalar

Equal to `F.cross_entropy(F.linear(states, weight, bias), targets)`. For a vocabulary of 30,522 and
4,096 predictions that expression writes and reads 500 MB of logits several times; here a few rows'
logits at a time become, in place, the gradient of their own loss, while they are in the cache.

Shapes: N predictions, D width, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F

CHUNK_ELEMENTS = 5_000_000  # logits held at a time: 20 MB in float32, 163 rows of 30,522


class _LinearCrossEntropy(torch.autograd.Function):
    """The gradients are computed in the forward pass, where the logits are at hand anyway."""

    @staticmethod
    def forward(
        context: Any,
        states: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        targets: torch.Tensor,
    ) -> torch.Tensor:
        # Half precision takes the sum over the vocabulary, and the loss, in float32.
        wide = torch.promote_types(states.dtype, torch.float32)
        loss = torch.zeros((), dtype=wide, device=states.device)
        grad_states = torch.empty_like(states)
        grad_weight = torch.empty_like(weight)
        grad_bias = torch.zeros_like(bias)
        rows = max(1, CHUNK_ELEMENTS // len(weight))
        chunks = list(
            zip(states.split(rows), targets.split(rows), grad_states.split(rows), strict=True)
        )
        for x, y, grad_x in chunks:
            log_probabilities = F.linear(x, weight, bias).log_softmax(1, dtype=wide)
            loss -= log_probabilities.gather(1, y[:, None]).sum()
            # d(loss)/d(logits) = softmax - one-hot, but for the mean's 1 / N
            gradient = log_probabilities.exp_()
            gradient[torch.arange(len(y), device=y.device), y] -= 1
            grad_bias += gradient.sum(0)
            gradient = gradient.to(weight.dtype)
            grad_x.copy_(gradient @ weight)
            first = x is chunks[0][0]
            grad_weight.addmm_(gradient.T, x.to(weight.dtype), beta=0 if first else 1)
        # Not saved through autograd, which would keep a hold on them: this way it may add an
        # embedding's other gradients to grad_weight in place.
        context.gradients = [grad_states, grad_weight, grad_bias]
        return loss / len(states)

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> Any:
        (upstream,) = gradients
        assert context.gradients, "linear_cross_entropy can be differentiated only once"
        states, weight, bias = context.gradients
        context.gradients = None
        scale = upstream / len(states)
        return states.mul_(scale), weight.mul_(scale), bias.mul_(scale), None


def linear_cross_entropy(
    states: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, targets: torch.Tensor
) -> torch.Tensor:
    """The mean cross-entropy of states [N, D] under weight [V, D] and bias [V]; targets [N].

    Differentiable once, in states, weight and bias.
    """
    return _LinearCrossEntropy.apply(states, weight, bias, targets)
