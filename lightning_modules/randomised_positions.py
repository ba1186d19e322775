"""Language modelling with randomised positions in training (after Ruoss et al. 2023, arXiv
2305.16843).

A window of the trained length stands at random positions below the longest length that the model is
evaluated at, so that every position is trained and none beyond the trained length is new. What is
reported is as of any language model (language_modelling.py), at the positions 0, 1, 2 ...
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from lightning_modules.base import Batch
from lightning_modules.language_modelling import LanguageModellingModule
from lightning_modules.positions.position_ids import randomised
from lightning_modules.transformer import Transformer


class RandomisedPositionsModule(LanguageModellingModule):
    """Trains a causal Transformer on windows at random, ascending positions, drawn once a batch.

    sliding: as of LanguageModellingModule.
    """

    version = 1
    causal_only = True

    def __init__(
        self,
        *,
        sliding: bool = True,
        model: Transformer,
        optimizer: dict[str, Any],
        max_steps: int,
        seed_for: Callable[[str, int], int],
    ) -> None:
        super().__init__(
            sliding=sliding,
            model=model,
            optimizer=optimizer,
            max_steps=max_steps,
            seed_for=seed_for,
        )

    def positions(self, length: int, step: int) -> torch.Tensor:
        """[length] int64: a step's positions, a function of (seed, positions, step)."""
        generator = torch.Generator().manual_seed(self.seed_for("positions", step))
        return randomised(length, upper=self.model.position.max_length, generator=generator)

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        tokens = batch["tokens"]
        positions = self.positions(tokens.shape[1] - 1, self.global_step).to(tokens.device)
        return self.next_token_loss(tokens, positions=positions)
