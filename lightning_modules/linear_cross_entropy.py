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

CHUNK_ELEMENTS = 4_000_000  # logits held at a time: 16 MB in float32, 131 rows of 30,522


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
        N, V = len(states), len(weight)
        # Half precision takes the sum over the vocabulary, and the loss, in float32.
        wide = torch.promote_types(states.dtype, torch.float32)
        loss = torch.zeros((), dtype=wide, device=states.device)
        grad_states = torch.empty_like(states)
        grad_weight = torch.zeros_like(weight)
        grad_bias = torch.zeros_like(bias)
        rows = max(1, CHUNK_ELEMENTS // V)
        for x, y, grad_x in zip(
            states.split(rows), targets.split(rows), grad_states.split(rows), strict=True
        ):
            logits = F.linear(x, weight, bias).to(wide)
            log_sum = logits.logsumexp(1)
            loss += (log_sum - logits.gather(1, y[:, None])[:, 0]).sum()
            # d(loss)/d(logits) = (softmax - one-hot) / N
            gradient = logits.sub_(log_sum[:, None]).exp_()
            gradient[torch.arange(len(y), device=y.device), y] -= 1
            gradient /= N
            grad_bias += gradient.sum(0)
            gradient = gradient.to(weight.dtype)
            grad_x.copy_(gradient @ weight)
            grad_weight += gradient.T @ x
        context.save_for_backward(grad_states, grad_weight, grad_bias)
        return loss / N

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> Any:
        (upstream,) = gradients
        return *(gradient * upstream for gradient in context.saved_tensors), None


def linear_cross_entropy(
    states: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, targets: torch.Tensor
) -> torch.Tensor:
    """The mean cross-entropy of states [N, D] under weight [V, D] and bias [V]; targets [N].

    Differentiable once, in states, weight and bias.
    """
    return _LinearCrossEntropy.apply(states, weight, bias, targets)
