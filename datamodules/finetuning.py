"""What the fine-tuning tasks share: encoded examples, epochs as permutations, padded batches.

    class Sentiment(FinetuningDataModule):
        kind, num_labels = "classification", 2
        def rows(self, split): ...             # [{"tokens": [2, ...], "segments": ..., "label": 1}]
        def score(self, split, outputs): ...   # {"score": 0.91, "accuracy": 0.91}

Epoch e is the permutation (seed, data, e) of the training rows, batch k a slice of it; the last and
short batch of an epoch is kept. Validation is a split of the training set, test the official
development set, so that nothing is chosen on what is reported.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal, TypedDict

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from datamodules.base import Batch, SeedFor, StepDataModule
from datamodules.encoding import padded

Split = Literal["train", "validation", "test"]
Kind = Literal["classification", "regression", "span", "tagging"]
Outputs = dict[str, NDArray[np.floating]]

EVALUATION_BATCH = 256
IGNORED = -100  # a tagging label that no loss and no score counts


class Row(TypedDict, total=False):
    """One encoded example: tokens and segments, and what its kind of task asks for."""

    tokens: list[int]
    segments: list[int]
    label: float  # classification: the class's number; regression: the value
    start: int  # span: token indices, both included; both 0 where the window has no answer
    end: int
    labels: list[int]  # tagging: one a token, IGNORED where none counts


class FinetuningDataModule(StepDataModule):
    """A downstream task of one kind.

    A batch: tokens and segments int64 [B, T], padding_mask bool [B, T] (True: real), and labels [B]
    (classification; regression: float32), start and end [B] (span) or labels [B, T] (tagging).
    """

    kind: Kind
    num_labels: int
    vocab_size: int
    pad: int = 0

    def __init__(
        self, *, batch_size: int, sequence_length: int, seed_for: SeedFor, num_workers: int
    ) -> None:
        super().__init__(seed_for=seed_for, num_workers=num_workers)
        self.batch_size = batch_size
        self.sequence_length = sequence_length

    @abstractmethod
    def rows(self, split: Split) -> Sequence[Row]:
        """The encoded examples (of a span task: windows) of a split, in a fixed order."""

    @abstractmethod
    def score(self, split: Split, outputs: Outputs) -> dict[str, float]:
        """The task's own metrics of a model's outputs over the split's batches in order.

        outputs: {"logits": [N, C]} (classification; regression: C = 1), {"start": [N, T], "end":
        [N, T]} (span, -inf at padding) or {"logits": [N, T, C]} (tagging), T up to
        `sequence_length`. Among the metrics are "score", the headline number, at most 1, and
        "degenerate", 1 where every example got the same answer.
        """

    @property
    def steps_per_epoch(self) -> int:
        return -(-len(self.rows("train")) // self.batch_size)

    def module_arguments(self) -> dict[str, Any]:
        return {"kind": self.kind, "num_labels": self.num_labels}

    def batch(self, step: int) -> Batch:
        epoch, index = divmod(step, self.steps_per_epoch)
        rows = self.rows("train")
        order = _permutation(self.seed_for("data", epoch), len(rows))
        chosen = order[index * self.batch_size : (index + 1) * self.batch_size]
        return self.collate([rows[i] for i in chosen])

    def validation_batches(self) -> list[Batch]:
        return self._batches("validation")

    def test_batches(self) -> list[Batch]:
        return self._batches("test")

    def _batches(self, split: Split) -> list[Batch]:
        rows = self.rows(split)
        starts = range(0, len(rows), EVALUATION_BATCH)
        return [self.collate(rows[i : i + EVALUATION_BATCH]) for i in starts]

    def collate(self, rows: Sequence[Row]) -> Batch:
        """Rows as a batch, padded to the longest of them."""
        tokens, padding_mask = padded([row["tokens"] for row in rows], fill=self.pad)
        segments, _ = padded([row["segments"] for row in rows], fill=0)
        batch = {"tokens": tokens, "segments": segments, "padding_mask": padding_mask}
        if self.kind == "span":
            batch["start"] = torch.tensor([row["start"] for row in rows])
            batch["end"] = torch.tensor([row["end"] for row in rows])
        elif self.kind == "tagging":
            batch["labels"], _ = padded([row["labels"] for row in rows], fill=IGNORED)
        else:
            dtype = torch.float32 if self.kind == "regression" else torch.int64
            batch["labels"] = torch.tensor([row["label"] for row in rows], dtype=dtype)
        return batch


@lru_cache(maxsize=4)
def _permutation(seed: int, count: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).permutation(count)


def classification_scores(labels: ArrayLike, outputs: Outputs) -> dict[str, float]:
    """accuracy of logits [N, C]; it is the score."""
    predictions = outputs["logits"].argmax(axis=1)
    accuracy = float((predictions == np.asarray(labels)).mean())
    degenerate = float(len(np.unique(predictions)) == 1)
    return {"score": accuracy, "accuracy": accuracy, "degenerate": degenerate}


def majority_share(labels: ArrayLike) -> float:
    """The accuracy of always answering the commonest class."""
    counts = np.bincount(np.asarray(labels))
    return float(counts.max() / counts.sum())
