"""Language modelling on bytes: trained on windows of one length, evaluated at multiples of it.

    data = ByteText(length=64, evaluate_to=8.0, seed_for=..., data_dir=..., num_workers=0)
    data.batch(0)["tokens"]                          # [32, 65]: 64 inputs and what follows each
    data.lengths                                     # {"x1": 64, "x2": 128, "x4": 256, "x8": 512}
    data.windows(256), data.sliding_windows(256)     # batches of held-out text

Whatever the length, the same bytes are predicted: `evaluation_bytes` of the test part, in stretches
of 16 N that are spread over it, each with the bytes before it as context for sliding windows. So
losses at two lengths differ by the context alone, and so do those of a model before and after its
context is extended.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from datamodules.base import Batch, SeedFor, StepDataModule
from datamodules.multiples import lengths
from datamodules.text.byte_parts import Bytes, byte_parts, segments

EVALUATION_TOKENS = 8192  # a forward pass, whatever the length: memory stays as it is


class ByteText(StepDataModule):
    """Windows of a text as bytes, vocabulary 256.

    corpus: "sympy_sources" (the same bytes everywhere, see datamodules/pinned_sources.py), or a
        file or folder of text below data_dir.
    length: N, in bytes, a multiple of 8.
    train_multiple: training windows are this many times N long; 1 but where a context is extended.
    evaluate_to: the longest evaluated length, as a multiple of N: one of `levels`, which are those
        that are evaluated up to it.
    held_out: the share of the text each for validation and for test.
    evaluation_bytes: how many bytes an evaluation predicts, rounded down to stretches of 16 N.

    A batch is {"tokens": int64 [B, T + 1]}; position t of the first T predicts the one after it.
    """

    version = 1
    files: ClassVar = ("corpus",)
    limits: ClassVar = {
        "length": (8, 65536),
        "train_multiple": (1.0, 16.0),
        "batch_size": (1, 1_000_000),
        "held_out": (0.001, 0.3),
        "evaluation_bytes": (128, 1_000_000_000),
    }
    levels: ClassVar = {"evaluate_to": (1, 2, 4, 8, 16)}

    def __init__(
        self,
        *,
        corpus: str = "sympy_sources",
        length: int = 64,
        train_multiple: float = 1.0,
        evaluate_to: float = 8.0,
        batch_size: int = 32,
        held_out: float = 0.05,
        evaluation_bytes: int = 32768,
        data_dir: Path,
        seed_for: SeedFor,
        num_workers: int,
    ) -> None:
        super().__init__(seed_for=seed_for, num_workers=num_workers)
        if length % 8:
            raise ValueError(
                f"data.length={length} has no whole eighths and quarters, which the evaluation "
                f"needs: expected a multiple of 8, such as {max(8, length // 8 * 8)}"
            )
        self.batch_size = batch_size
        self.vocab_size = 256
        self.length = length
        self.train_length = round(train_multiple * length)
        multiples = self.levels["evaluate_to"]
        self.lengths = lengths(length, to=evaluate_to, multiples=multiples)
        # What the model must have positions for.
        self.sequence_length = max(self.train_length, *self.lengths.values())
        parts = byte_parts(corpus, held_out=held_out, data_dir=data_dir)
        self.text = parts.train
        if len(self.text) <= self.train_length:
            raise ValueError(
                f"data.corpus={corpus} has {len(self.text)} bytes to train on: expected more than "
                f"one window of {self.train_length}"
            )
        size = max(multiples) * length
        self.lead = 3 * size // 4
        count = max(1, evaluation_bytes // size)
        self.validation_text = segments(parts.validation, count=count, lead=self.lead, size=size)
        self.test_text = segments(parts.test, count=count, lead=self.lead, size=size)

    @property
    def trained_length(self) -> int:
        return self.train_length

    def batch(self, step: int) -> Batch:
        """Windows that begin anywhere in the training part."""
        generator = np.random.default_rng(self.seed_for("data", step))
        starts = generator.integers(0, len(self.text) - self.train_length, self.batch_size)
        return _batch(self.text[starts[:, None] + np.arange(self.train_length + 1)])

    def validation_batches(self) -> Iterator[Batch]:
        return self._windows(self.validation_text, self.length)

    def test_batches(self) -> Iterator[Batch]:
        return self.windows(self.length)

    def windows(self, length: int) -> Iterator[Batch]:
        """Test windows that follow one another: [B, length + 1]. Every byte is predicted once, from
        between 1 and `length` bytes before it."""
        return self._windows(self.test_text, length)

    def sliding_windows(self, length: int) -> Iterator[Batch]:
        """Test windows a quarter of their length apart: [B, length + 1]. Every byte is predicted
        once in the last quarter of a window, from at least three quarters of `length` before it."""
        return self._windows(self.test_text, length, stride=length // 4)

    def _windows(self, text: Bytes, length: int, stride: int | None = None) -> Iterator[Batch]:
        stride = stride or length
        first = self.lead - (length - stride)
        rows = np.lib.stride_tricks.sliding_window_view(text[:, first:], length + 1, axis=1)
        windows = rows[:, ::stride].reshape(-1, length + 1)
        size = max(1, EVALUATION_TOKENS // length)
        for start in range(0, len(windows), size):
            yield _batch(windows[start : start + size])


def _batch(windows: Bytes) -> Batch:
    return {"tokens": torch.from_numpy(windows.astype(np.int64))}
