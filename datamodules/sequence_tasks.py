"""Sequence tasks for length generalisation: trained up to a length, evaluated at and beyond it.

    data = SequenceTask(task="copy", length=20, evaluate_to=2.0, seed_for=..., num_workers=0)
    data.batch(0)                        # {"tokens": [64, 43], "scored": [64, 43]}
    data.lengths                         # {"x1": 20, "x1_1": 22, "x1_25": 25, "x1_5": 30, "x2": 40}
    data.problems_of(40)                 # batches of length 40 alone, the same for every run

datamodules/sequence_problems.py writes the problems. Training draws each problem's length
uniformly from the task's shortest to N and pads on the right, where a left-to-right model never
looks; an evaluation has one length and no padding.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

import numpy as np
import torch

from datamodules import sequence_problems as sequences
from datamodules.base import Batch, SeedFor, StepDataModule
from datamodules.multiples import lengths

MULTIPLES = (1, 1.1, 1.25, 1.5, 2, 4, 8)
EVALUATION_SEED = 1905  # belongs to the task: every run is tested on the same problems
EVALUATION_TOKENS = 16384  # a forward pass, whatever the length
PASSKEY_DISTANCES = 32  # Chen et al. 2023, section 3.4
PASSKEY_TRIALS = 10


class SequenceTask(StepDataModule):
    """Problems of one task.

    length: N, the longest in training. evaluate_to: the longest evaluated, as a multiple of N.
    symbols: the letters of copy, reverse and sort, and passkey's filler.
    evaluation_size: problems for each evaluated length.

    A batch: tokens [B, T] int64; scored [B, T] bool, True where a token belongs to the answer.
    """

    version = 1
    limits: ClassVar = {
        "length": (1, 65536),
        "evaluate_to": (1.0, 8.0),
        "batch_size": (1, 1_000_000),
        "symbols": (1, 10_000),
        "evaluation_size": (1, 1_000_000),
    }

    def __init__(
        self,
        *,
        task: Literal["copy", "reverse", "sort", "addition", "passkey"] = "copy",
        length: int = 20,
        evaluate_to: float = 2.0,
        batch_size: int = 64,
        symbols: int = 16,
        evaluation_size: int = 512,
        seed_for: SeedFor,
        num_workers: int,
    ) -> None:
        super().__init__(seed_for=seed_for, num_workers=num_workers)
        self.shortest = sequences.TASKS[task].shortest
        if length < self.shortest:
            raise ValueError(
                f"data.length={length} is too short: {task} needs {self.shortest} tokens or more"
            )
        self.task = task
        self.length = length
        self.batch_size = batch_size
        self.symbols = symbols
        self.evaluation_size = evaluation_size
        self.vocab_size = sequences.FIRST_SYMBOL + symbols
        self.lengths = lengths(length, to=evaluate_to, multiples=MULTIPLES)
        # What the model must have positions for.
        self.sequence_length = sequences.total_length(task, max(self.lengths.values()))

    @property
    def trained_length(self) -> int:
        return sequences.total_length(self.task, self.length)

    def batch(self, step: int) -> Batch:
        generator = np.random.default_rng(self.seed_for("data", step))
        tokens = np.full((self.batch_size, self.trained_length), sequences.PADDING, dtype=np.int64)
        drawn = generator.integers(self.shortest, self.length + 1, self.batch_size)
        for row, length in zip(tokens, drawn.tolist(), strict=True):
            (problem,) = sequences.problems(self.task, generator, 1, length, self.symbols)
            row[: len(problem)] = problem
        return _batch(tokens)

    def validation_batches(self) -> Iterator[Batch]:
        """Of length N, other problems than the test's."""
        return self._evaluation(self.length, purpose=1)

    def test_batches(self) -> Iterator[Batch]:
        return self.problems_of(self.length)

    def problems_of(self, length: int) -> Iterator[Batch]:
        """The test problems of one length."""
        return self._evaluation(length, purpose=0)

    def passkeys_by_distance(self) -> Iterator[tuple[int, Batch]]:
        """For 32 distances up to the longest evaluated length: ten texts that begin with the key,
        which lies that many tokens before ASK. Nothing for the other tasks."""
        if self.task != "passkey":
            return
        longest = max(self.lengths.values())
        for number in range(1, PASSKEY_DISTANCES + 1):
            distance = max(self.shortest, round(number * longest / PASSKEY_DISTANCES))
            generator = np.random.default_rng([EVALUATION_SEED, 2, number])
            depths = np.zeros(PASSKEY_TRIALS, dtype=np.int64)
            texts = sequences.passkeys(generator, depths, distance, self.symbols)
            yield distance, _batch(sequences.framed(*texts))

    def _evaluation(self, length: int, *, purpose: int) -> Iterator[Batch]:
        generator = np.random.default_rng([EVALUATION_SEED, purpose, length])
        tokens = sequences.problems(
            self.task, generator, self.evaluation_size, length, self.symbols
        )
        size = max(1, EVALUATION_TOKENS // tokens.shape[1])
        for start in range(0, len(tokens), size):
            yield _batch(tokens[start : start + size])


def _batch(tokens: sequences.Ints) -> Batch:
    """Tokens [B, T] with what belongs to an answer: all that follows ASK, padding aside."""
    after = np.cumsum(tokens == sequences.ASK, axis=1).astype(bool)
    after &= ~np.isin(tokens, (sequences.ASK, sequences.PADDING))
    return {"tokens": torch.from_numpy(tokens), "scored": torch.from_numpy(after)}
