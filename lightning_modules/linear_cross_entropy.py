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

CHUNK_ELEMENTS = {"cpu": 5_000_000}  # logits at a time: 20 MB in float32, 163 rows of 30,522
CHUNK_ELEMENTS_ELSEWHERE = 250_000_000  # accelerators want large matrices


def rows_at_a_time(weight: torch.Tensor) -> int:
    """How many predictions' logits under weight [V, D] are held at once."""
    return max(1, CHUNK_ELEMENTS.get(weight.device.type, CHUNK_ELEMENTS_ELSEWHERE) // len(weight))


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
        device = states.device.type
        autocast = torch.is_autocast_enabled(device)
        narrow = torch.get_autocast_dtype(device) if autocast else states.dtype
        # Half precision takes the sum over the vocabulary, and the loss, in float32.
        wide = torch.promote_types(narrow, torch.float32)
        x_all, w, b = states.to(narrow), weight.to(narrow), bias.to(narrow)
        grad_states = torch.empty_like(states)
        grad_weight = torch.zeros_like(weight)
        grad_bias = torch.zeros_like(bias)
        loss = states.new_zeros((), dtype=wide)
        # Two buffers for all chunks: memory fresh from the system costs as much as the arithmetic.
        rows = rows_at_a_time(weight)
        scores = x_all.new_empty(min(rows, len(states)), len(weight))
        logs = torch.empty_like(scores, dtype=wide)
        with torch.autocast(device, enabled=False):
            for x, y, grad_x in zip(
                x_all.split(rows), targets.split(rows), grad_states.split(rows), strict=True
            ):
                logits = torch.addmm(b, x, w.T, out=scores[: len(x)])
                log_probabilities = torch.log_softmax(logits, 1, dtype=wide, out=logs[: len(x)])
                loss -= log_probabilities.gather(1, y[:, None]).sum()
                # d(loss)/d(logits) = softmax - one-hot, but for the mean's 1 / N
                gradient = log_probabilities.exp_()
                gradient[torch.arange(len(y), device=y.device), y] -= 1
                grad_bias += gradient.sum(0)
                gradient = gradient.to(narrow)
                grad_x.copy_(gradient @ w)
                if narrow == weight.dtype:
                    grad_weight.addmm_(gradient.T, x)
                else:
                    grad_weight += gradient.T @ x
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
