"""AdamW, as it is meant today and as BERT's published code has it.

The original Adam divides the two running means by 1 - beta^t, since both start at 0. BERT's public
optimiser leaves that out: with betas of 0.9 and 0.999 its first step is 0.1 / sqrt(0.001) = 3.2
times as long, and fine-tuning on few examples is the less stable for it (arXiv 2006.05987).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch


class UncorrectedAdamW(torch.optim.Optimizer):
    """AdamW without bias correction: p -= lr * (m / (sqrt(v) + eps) + weight_decay * p)."""

    def __init__(
        self,
        params: Iterable[Any],
        *,
        lr: float,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(
            params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        )

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step over all parameters that have a gradient; returns the closure's loss."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            if not params:
                continue
            for p in params:
                if not self.state[p]:
                    self.state[p] = {"mean": torch.zeros_like(p), "square": torch.zeros_like(p)}
            gradients = [p.grad for p in params]
            means = [self.state[p]["mean"] for p in params]
            squares = [self.state[p]["square"] for p in params]
            beta1, beta2 = group["betas"]
            torch._foreach_lerp_(means, gradients, 1 - beta1)
            torch._foreach_mul_(squares, beta2)
            torch._foreach_addcmul_(squares, gradients, gradients, 1 - beta2)
            denominators = torch._foreach_sqrt(squares)
            torch._foreach_add_(denominators, group["eps"])
            torch._foreach_mul_(params, 1 - group["lr"] * group["weight_decay"])
            torch._foreach_addcdiv_(params, means, denominators, -group["lr"])
        return loss


def decay_groups(
    parameters: Iterable[torch.nn.Parameter], *, weight_decay: float
) -> list[dict[str, Any]]:
    """Two parameter groups: matrices and tables decay, biases and norms do not."""
    parameters = list(parameters)
    return [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]


def make_optimizer(groups: list[dict[str, Any]], settings: dict[str, Any]) -> torch.optim.Optimizer:
    """The optimiser of these parameter groups that the fields of OptimizerConfig describe."""
    common = {
        "lr": settings["lr"],
        "betas": (settings["beta1"], settings["beta2"]),
        "eps": settings["eps"],
    }
    if settings["bias_correction"]:
        return torch.optim.AdamW(groups, **common, fused=True)
    return UncorrectedAdamW(groups, **common)
