"""Language modelling from left to right, scored at several lengths.

    tokens [B, T + 1]: each of the first T predicts the one after it

What is reported of a trained model, for every length of the datamodule (x1 is N, x2 is 2 N, ...),
in nats per token, over the same text at every length:

    loss_x2           windows of that length that follow one another
    last_eighth_x2    of these, the last eighth alone: a model that is broken at far positions is
                      told from one that has had more context
    sliding_x2        windows a quarter of their length apart, each scored in its last quarter, so
                      that no token has less than three quarters of the window before it
    eighth_1_x8 ...   the loss by position: each eighth of the longest window
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.nn import functional as F

from lightning_modules.base import AblationModule, Batch
from lightning_modules.transformer import Transformer

EIGHTHS = 8


class LanguageModellingModule(AblationModule):
    """Trains a causal Transformer on windows of one length.

    sliding: whether sliding windows are scored as well, which costs four times what the others do.
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
        super().__init__(model=model, optimizer=optimizer, max_steps=max_steps, seed_for=seed_for)
        if model.attention_mask != "causal":
            raise ValueError(
                "language modelling predicts the next token, which another mask than the causal "
                "one shows to the model: type attention_mask=causal"
            )
        self.sliding = sliding

    def start_from(self, states: list[dict[str, torch.Tensor]]) -> None:
        """Take the weights of the one parent, a model of the same shape; its position encoding may
        have another schedule. Raises ValueError where the weights do not fit."""
        try:
            (state,) = states
            self.model.load_state_dict(state)
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"the parent's weights are of another model: {error}") from error

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        return self.next_token_loss(batch["tokens"])

    def next_token_loss(self, tokens: torch.Tensor, **inputs: torch.Tensor) -> torch.Tensor:
        """Mean nats of each token [B, T] after the first; inputs as of the model."""
        logits = self.model(tokens[:, :-1], **inputs)
        return F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())

    @torch.no_grad()
    def loss_by_position(self, batches: Iterable[Batch]) -> torch.Tensor:
        """[T] float64: the mean loss at each position of windows that are all of one length."""
        total, count = torch.zeros(()), 0
        was_training = self.training
        self.eval()
        for batch in batches:
            tokens = batch["tokens"].to(self.device)
            logits = self.model(tokens[:, :-1]).float()
            losses = F.cross_entropy(logits.transpose(1, 2), tokens[:, 1:], reduction="none")
            total = total + losses.double().sum(0).cpu()
            count += len(tokens)
        self.train(was_training)
        return total / count

    def evaluate(self, batches: Iterable[Batch]) -> dict[str, float]:
        """loss: nats per token."""
        return {"loss": self.loss_by_position(batches).mean().item()}

    def test(self, datamodule: Any) -> dict[str, float | None]:
        """The scores that this file's head names."""
        scores: dict[str, float | None] = {}
        for name, length in datamodule.lengths.items():
            losses = self.loss_by_position(datamodule.windows(length))
            scores[f"loss_{name}"] = losses.mean().item()
            scores[f"last_eighth_{name}"] = losses[-(length // EIGHTHS) :].mean().item()
            if self.sliding:
                sliding = self.loss_by_position(datamodule.sliding_windows(length))
                scores[f"sliding_{name}"] = sliding[-(length // 4) :].mean().item()
        for number, eighth in enumerate(losses.chunk(EIGHTHS), start=1):
            scores[f"eighth_{number}_{name}"] = eighth.mean().item()
        return {name: _finite(value) for name, value in scores.items()}


def _finite(value: float | None) -> float | None:
    return value if value is not None and value < float("inf") else None
