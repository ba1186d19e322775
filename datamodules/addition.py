"""Addition problems, generated and never stored, split so that no a+b is tested after training b+a.

    data = Addition(digits=3, format="reversed", seed_for=seed_for)
    data.batch(0)["tokens"]        # [128, 12]: "123+456=9750" as token ids

The split is by unordered pair {a, b}: with a random split of ordered problems, 98.6 % of held-out
three-digit problems would have their twin b+a in training.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from datamodules.addition_format import AdditionFormat
from datamodules.base import Batch, SeedFor, StepDataModule
from datamodules.symmetric_ceiling import exact_match_ceiling

HELD_OUT_PAIRS = 10_000  # for validation, and as many for test
FEW_PAIRS = 100_000  # below this number of pairs, a tenth is held out for each instead
EVALUATION_BATCH = 2048

Ints = NDArray[np.int64]


class Addition(StepDataModule):
    """Sums of two numbers of up to `digits` digits, in one of the formats of `addition_format`.

    split_seed: belongs to the task, not to the run: every seed is tested on the same problems.
    A batch is {"tokens": int64 [B, prompt_length + answer_length]}.
    """

    version = 1
    limits: ClassVar = {
        "digits": (1, 5),
        "batch_size": (1, 1_000_000),
        "split_seed": (0, 2147483647),
    }

    def __init__(
        self,
        *,
        digits: int = 3,
        format: Literal["reversed", "plain", "mingpt", "mingpt_plain"] = "reversed",
        batch_size: int = 128,
        split_seed: int = 2402,
        seed_for: SeedFor,
        num_workers: int,
    ) -> None:
        super().__init__(seed_for=seed_for, num_workers=num_workers)
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; expected 1 or more, e.g. batch_size=128")
        if split_seed < 0:
            raise ValueError(f"split_seed is {split_seed}; expected 0 or more, e.g. 2402")
        self.layout = AdditionFormat(digits, format)
        self.digits = digits
        self.format = format
        self.batch_size = batch_size
        self.vocab_size = self.layout.vocab_size
        self.prompt_length = self.layout.prompt_length
        self.answer_length = self.layout.answer_length
        self.sequence_length = self.layout.sequence_length
        self._split(split_seed)

    def _split(self, split_seed: int) -> None:
        """Draws the held-out pairs and, by a coin, which order of each is asked."""
        numbers = 10**self.digits
        pairs = numbers * (numbers + 1) // 2
        size = HELD_OUT_PAIRS if pairs >= FEW_PAIRS else pairs // 10
        generator = np.random.default_rng(split_seed)
        held_out = generator.choice(pairs, 2 * size, replace=False)
        coin = generator.integers(0, 2, 2 * size)
        small, large = pair_of(held_out)
        problems = np.stack([np.where(coin, large, small), np.where(coin, small, large)], axis=1)
        self.held_out = np.sort(held_out)
        self.validation_problems, self.test_problems = problems[:size], problems[size:]
        self.num_train_problems = numbers**2 - int(np.where(small == large, 1, 2).sum())

    @property
    def validation_size(self) -> int:
        return len(self.validation_problems)

    @property
    def test_size(self) -> int:
        return len(self.test_problems)

    def module_arguments(self) -> dict[str, Any]:
        return {"prompt_length": self.prompt_length, "vocab_size": self.vocab_size}

    def facts(self) -> dict[str, float]:
        """ceiling: the highest exact match of any model that cannot see the order of the prompt."""
        return {"ceiling": exact_match_ceiling(self.digits, self.format)}

    def batch(self, step: int) -> Batch:
        """Problems drawn uniformly, with replacement, from every order of every training pair."""
        generator = np.random.default_rng(self.seed_for("data", step))
        problems = generator.integers(0, 10**self.digits, (self.batch_size, 2))
        # At most a fifth of the pairs is held out, so this ends after a few rounds.
        while (rejected := self._is_held_out(problems)).any():
            problems[rejected] = generator.integers(0, 10**self.digits, (rejected.sum(), 2))
        return self._encoded(problems)

    def _is_held_out(self, problems: Ints) -> NDArray[np.bool_]:
        ids = pair_id(problems[:, 0], problems[:, 1])
        nearest = np.searchsorted(self.held_out, ids).clip(max=len(self.held_out) - 1)
        return self.held_out[nearest] == ids

    def validation_batches(self) -> list[Batch]:
        return self._evaluation(self.validation_problems)

    def test_batches(self) -> list[Batch]:
        return self._evaluation(self.test_problems)

    def _evaluation(self, problems: Ints) -> list[Batch]:
        starts = range(0, len(problems), EVALUATION_BATCH)
        return [self._encoded(problems[i : i + EVALUATION_BATCH]) for i in starts]

    def _encoded(self, problems: Ints) -> Batch:
        return {"tokens": torch.from_numpy(self.layout.encode(problems[:, 0], problems[:, 1]))}

    def encode(self, a: Ints, b: Ints) -> Tensor:
        """Operands [B] and [B] -> tokens [B, sequence_length]."""
        return torch.from_numpy(self.layout.encode(a, b))

    def decode(self, tokens: Tensor) -> tuple[Ints, ...]:
        """Tokens [B, sequence_length] -> (a, b, the written sum, right or wrong), each [B]."""
        return self.layout.decode(tokens.cpu().numpy())

    def swapped(self, tokens: Tensor) -> Tensor:
        """a+b -> b+a with the answer as it was: the perturbation that changes nothing.

        tokens: [B, prompt_length] or [B, sequence_length].
        """
        first, second = self.layout.operand_columns
        swapped = tokens.clone()
        swapped[:, first], swapped[:, second] = tokens[:, second], tokens[:, first]
        return swapped

    def shuffled(self, tokens: Tensor, generator: torch.Generator) -> Tensor:
        """All prompt tokens but the last permuted, each row by itself; the answer as it was.

        tokens: [B, prompt_length] or [B, sequence_length]. The last stays, because it is what a
        symmetric model predicts from: without '=' another one would be another question.
        """
        free = self.prompt_length - 1
        noise = torch.rand(len(tokens), free, generator=generator, device=generator.device)
        order = noise.argsort(dim=1).to(tokens.device)
        return torch.cat([tokens[:, :free].gather(1, order), tokens[:, free:]], dim=1)


def pair_id(a: Ints, b: Ints) -> Ints:
    """The unordered pairs {a, b}, numbered 0, 1, ... by the larger and then the smaller number."""
    large, small = np.maximum(a, b), np.minimum(a, b)
    return large * (large + 1) // 2 + small


def pair_of(ids: Ints) -> tuple[Ints, Ints]:
    """The inverse of `pair_id`: (smaller, larger)."""
    # Up to 8 digits double precision tells the first id of a number from the one before it:
    # 8 * 5e15 < 2^56, and the two roots lie two thirds of their spacing, 3e-8, apart.
    large = ((np.sqrt(8.0 * ids + 1) - 1) / 2).astype(np.int64)
    return ids - large * (large + 1) // 2, large
