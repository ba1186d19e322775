"""Bag of words: a control that knows which words a text has, and not their order.

    classification, regression   linear in the words of A, of B, their products, the shared ones
    span, tagging                linear in each token's own word

It is fine-tuned and scored as every arm is, and uses no encoder. Its weights start at zero and are
one a word, so its arm needs a far higher learning rate than BERT's: optimizer.lr=0.01 or more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from lightning_modules.base import Batch
from lightning_modules.encoders import Encoders
from lightning_modules.finetuning import POOLED, FinetuningModule
from lightning_modules.transformer import Transformer


class BagOfWordsModule(FinetuningModule):
    """Logistic regression on words. The encoders are kept out of it and not trained."""

    version = 1

    def __init__(
        self,
        *,
        encoders: Encoders,
        kind: str,
        num_labels: int,
        optimizer: dict[str, Any],
        max_steps: int,
        seed_for: Callable[[str, int], int],
    ) -> None:
        super().__init__(
            frozen=True,
            head_std=0.0,  # the head is replaced
            encoders=encoders,
            kind=kind,
            num_labels=num_labels,
            optimizer=optimizer,
            max_steps=max_steps,
            seed_for=seed_for,
        )
        self.pooler = None
        del self.head
        encoder = encoders.encoders[0]
        assert isinstance(encoder, Transformer)
        self.vocab_size = encoder.tokens.num_embeddings
        num_features = 3 * self.vocab_size + 1 if kind in POOLED else self.vocab_size
        self.words = nn.Linear(num_features, num_labels)
        nn.init.zeros_(self.words.weight)
        nn.init.zeros_(self.words.bias)

    def features(self, batch: Batch) -> torch.Tensor:
        """[B, 3V + 1]: how often each word stands in A and in B, the products, the overlap."""
        first, second = (
            self._counts(batch["tokens"], batch["padding_mask"] & (batch["segments"] == segment))
            for segment in (0, 1)
        )
        shared = torch.minimum(first, second).sum(dim=1, keepdim=True)
        return torch.cat([first, second, first * second, shared], dim=1)

    def _counts(self, tokens: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
        counts = torch.zeros(len(tokens), self.vocab_size, device=tokens.device)
        return counts.scatter_add_(1, tokens, counted.float())

    def outputs(self, batch: Batch) -> dict[str, torch.Tensor]:
        """logits [B, C] or [B, T, C]; for spans start and end [B, T], -inf at padding."""
        if self.kind in POOLED:
            return {"logits": self.words(self.features(batch))}
        of_word = self.words.weight.t()[batch["tokens"]] + self.words.bias
        if self.kind == "tagging":
            return {"logits": of_word}
        of_word = of_word.masked_fill(~batch["padding_mask"][..., None], float("-inf"))
        start, end = of_word.unbind(-1)
        return {"start": start, "end": end}
