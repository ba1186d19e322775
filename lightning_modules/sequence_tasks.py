"""Sequence tasks: predict the answer from the prompt and the answer's tokens before it.

    tokens [B, T], scored [B, T]: True at the tokens of the answer

What is reported of a trained model, for every length of the datamodule (x1 is N, x1_1 is 1.1 N):

    exact_match_x2       the share of problems whose whole answer is right
    token_accuracy_x2    the share of the answers' tokens that are right
    k_max                of passkey: the largest distance of the key up to which at least a fifth of
                         the texts are answered at every distance (Chen et al. 2023, section 3.4)

Every token is scored with the true ones before it: greedy generation is right exactly when each of
these predictions is, so one pass is enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.nn import functional as F

from lightning_modules.base import AblationModule, Batch
from lightning_modules.transformer import Transformer

SUCCESS = 0.2  # k_max: the share of texts at a distance that must be answered


class SequenceTaskModule(AblationModule):
    """Trains a causal Transformer on the answers alone."""

    version = 1
    causal_only = True

    def __init__(
        self,
        *,
        model: Transformer,
        optimizer: dict[str, Any],
        max_steps: int,
        seed_for: Callable[[str, int], int],
    ) -> None:
        super().__init__(model=model, optimizer=optimizer, max_steps=max_steps, seed_for=seed_for)
        if model.attention_mask != "causal":
            raise ValueError(
                "an answer is predicted token by token, and another mask than the causal one shows "
                "it to the model: type attention_mask=causal"
            )

    def answer_logits(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """[M, V] for the M scored tokens of a batch, in its order, and these tokens [M]."""
        scored = batch["scored"][:, 1:]
        hidden = self.model.encode(batch["tokens"][:, :-1])
        return self.model.logits(hidden[scored]), batch["tokens"][:, 1:][scored]

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        return F.cross_entropy(*self.answer_logits(batch))

    @torch.no_grad()
    def evaluate(self, batches: Iterable[Batch]) -> dict[str, float]:
        """loss, exact_match and token_accuracy; all problems have answers of one length."""
        loss, right, exact, tokens, problems = 0.0, 0, 0, 0, 0
        was_training = self.training
        self.eval()
        for batch in batches:
            batch = {name: tensor.to(self.device) for name, tensor in batch.items()}
            logits, answers = self.answer_logits(batch)
            loss += F.cross_entropy(logits.float(), answers, reduction="sum").item()
            correct = (logits.argmax(-1) == answers).view(len(batch["tokens"]), -1)
            right += int(correct.sum())
            exact += int(correct.all(1).sum())
            tokens += len(answers)
            problems += len(correct)
        self.train(was_training)
        return {
            "loss": loss / tokens,
            "exact_match": exact / problems,
            "token_accuracy": right / tokens,
        }

    def test(self, datamodule: Any) -> dict[str, float | None]:
        """The scores that this file's head names."""
        scores: dict[str, float | None] = {}
        for name, length in datamodule.lengths.items():
            at_length = self.evaluate(datamodule.problems_of(length))
            scores[f"exact_match_{name}"] = at_length["exact_match"]
            scores[f"token_accuracy_{name}"] = at_length["token_accuracy"]
        successes = {
            distance: self.evaluate([batch])["exact_match"]
            for distance, batch in datamodule.passkeys_by_distance()
        }
        if successes:
            scores["k_max"] = k_max(successes)
        return scores


def k_max(successes: dict[int, float]) -> int:
    """The largest distance up to which none has less than a fifth of successes; 0 if the first."""
    reached = 0
    for distance in sorted(successes):
        if successes[distance] < SUCCESS:
            break
        reached = distance
    return reached
