"""The head that predicts tokens: dense, activation, LayerNorm, then the token embedding, tied.

It is applied at the positions that predict something and nowhere else. Masked and directional
language models share it, so that arms differ in their objective alone.

Shapes: N predicting positions, D hidden size, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from lightning_modules.linear_cross_entropy import linear_cross_entropy, rows_at_a_time
from lightning_modules.transformer import ACTIVATIONS


class LanguageModelHead(nn.Module):
    """Scores of all tokens; the decoder's matrix [V, D] is the caller's embedding, not its own."""

    def __init__(
        self, *, hidden_size: int, vocab_size: int, activation: str, layer_norm_eps: float
    ) -> None:
        super().__init__()
        self.dense = nn.Linear(hidden_size, hidden_size)
        self.activation = ACTIVATIONS[activation]
        self.norm = nn.LayerNorm(hidden_size, eps=layer_norm_eps)
        self.bias = nn.Parameter(torch.zeros(vocab_size))

    def transform(self, states: torch.Tensor) -> torch.Tensor:
        """[..., D] -> [..., D], what the decoder is applied to."""
        return self.norm(self.activation(self.dense(states)))

    def forward(self, states: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
        """Scores [..., V] from states [..., D] and the token embedding [V, D]."""
        return F.linear(self.transform(states), embedding, self.bias)

    def loss(
        self, states: torch.Tensor, embedding: torch.Tensor, targets: torch.Tensor
    ) -> torch.Tensor:
        """The mean cross-entropy of targets [N] at states [N, D]."""
        return linear_cross_entropy(self.transform(states), embedding, self.bias, targets)

    @torch.no_grad()
    def score(
        self, states: torch.Tensor, embedding: torch.Tensor, targets: torch.Tensor
    ) -> tuple[float, float]:
        """(mean cross-entropy, share of targets that score highest), some rows at a time."""
        rows = rows_at_a_time(embedding)
        loss = correct = 0.0
        for x, y in zip(states.split(rows), targets.split(rows), strict=True):
            logits = self(x, embedding)
            loss += F.cross_entropy(logits, y, reduction="sum").item()
            correct += (logits.argmax(1) == y).sum().item()
        return loss / len(targets), correct / len(targets)
