"""Which of an encoder's layers a task reads: the last one, or the choices of BERT's Table 7.

Shapes: L layers, B sequences, T tokens, D hidden size.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

LAST_FOUR = 4
CHOICES = (
    "last", "embeddings", "second_to_last", "sum_last_four", "concat_last_four", "sum_all",
)  # fmt: skip


class LayerChoice(nn.Module):
    """L + 1 hidden states [B, T, D], the embedding output first, -> one [B, T, D or 4 D].

    The weighted sums learn a weight a layer, softmax-normalised and equal at the start (ELMo's
    scheme); "sum_all" leaves the embeddings out. `width` is the result's size in units of D.
    """

    def __init__(self, choice: str, *, num_layers: int) -> None:
        super().__init__()
        assert choice in CHOICES
        needed = {"second_to_last": 2, "sum_last_four": LAST_FOUR, "concat_last_four": LAST_FOUR}
        if num_layers < needed.get(choice, 1):
            raise ValueError(
                f"layers={choice} needs an encoder of {needed[choice]} layers or more, and this "
                f"one has {num_layers}: type module.layers=last"
            )
        self.choice = choice
        self.width = LAST_FOUR if choice == "concat_last_four" else 1
        counts = {"sum_last_four": LAST_FOUR, "sum_all": num_layers}
        self.weights: nn.Parameter | None = None
        if choice in counts:
            self.weights = nn.Parameter(torch.zeros(counts[choice]))

    def forward(self, hidden: Sequence[torch.Tensor]) -> torch.Tensor:
        if self.choice == "embeddings":
            return hidden[0]
        if self.choice == "second_to_last":
            return hidden[-2]
        if self.choice == "concat_last_four":
            return torch.cat(list(hidden[-LAST_FOUR:]), dim=-1)
        if self.weights is None:
            return hidden[-1]
        chosen = torch.stack(list(hidden[-len(self.weights) :]))
        return torch.einsum("l,lbtd->btd", self.weights.softmax(0), chosen)
