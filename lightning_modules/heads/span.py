"""The span head: where an answer starts and where it ends, a score for each token."""

from __future__ import annotations

import torch
from torch import nn


class SpanHead(nn.Module):
    """One start and one end vector, as in BERT's SQuAD (section 4.2)."""

    def __init__(self, *, hidden_size: int) -> None:
        super().__init__()
        self.linear = nn.Linear(hidden_size, 2)

    def forward(
        self, hidden: torch.Tensor, padding_mask: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """[B, T, D] -> start and end logits, each [B, T]; -inf at padding."""
        logits = self.linear(hidden)
        if padding_mask is not None:
            logits = logits.masked_fill(~padding_mask[..., None], float("-inf"))
        start, end = logits.unbind(-1)
        return start, end
