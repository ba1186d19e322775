"""The classification head: dropout and one linear layer on the pooled vector."""

from __future__ import annotations

import torch
from torch import nn


class Classifier(nn.Module):
    """Pooled vectors [B, D] -> logits [B, C]; token states [B, T, D] -> [B, T, C], a tagger."""

    def __init__(self, *, hidden_size: int, num_labels: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(hidden_size, num_labels)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return self.linear(self.dropout(states))
