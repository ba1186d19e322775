"""Training data as one stream of steps: batch k is a function of (seed, data, k) alone.

    class Task(StepDataModule):
        def batch(self, step): ...            # {"tokens": [B, T]}
        def validation_batches(self): ...     # a list of such batches
        def test_batches(self): ...

Because no loader carries state, a resumed run sees exactly the batches that the uninterrupted one
would have seen, and neither worker counts nor prefetching can change them.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.context import BaseContext
from typing import Any

import pytorch_lightning as pl
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from datamodules.vocabulary import Vocabulary

Batch = dict[str, Tensor]
SeedFor = Callable[[str, int], int]


class StepDataModule(pl.LightningDataModule, ABC):
    """A task: its training batch at every step, and its fixed validation and test batches.

    seed_for: (stream, step) -> seed; with workers it must be picklable.
    num_workers: processes that prepare training batches; it cannot change what they contain.
    sequence_length: the longest input, in tokens; trained_length: the longest in training.
    vocabulary, lowercase: where tokens are text, how; see datamodules/vocabulary.py.
    """

    sequence_length: int
    vocabulary: Sequence[str] | None = None
    lowercase: bool = True

    def __init__(self, *, seed_for: SeedFor, num_workers: int) -> None:
        super().__init__()
        if num_workers < 0:
            raise ValueError(f"num_workers is {num_workers}; expected 0 or more")
        self.seed_for = seed_for
        self.num_workers = num_workers

    @property
    def trained_length(self) -> int:
        return self.sequence_length

    def module_arguments(self) -> dict[str, Any]:
        """What the task's LightningModule must know of the data, as its keyword arguments."""
        return {}

    def written_in(self) -> Vocabulary | None:
        """How the tokens are text; None where they are not."""
        return None if self.vocabulary is None else Vocabulary(self.vocabulary, self.lowercase)

    def facts(self) -> dict[str, float]:
        """What is known of the task without any model, reported beside every run's scores."""
        return {}

    @abstractmethod
    def batch(self, step: int) -> Batch:
        """The training batch of a step, counted from 0: a pure function of (seed, data, step)."""

    @abstractmethod
    def validation_batches(self) -> Iterable[Batch]:
        """The validation set, in the same order every time."""

    @abstractmethod
    def test_batches(self) -> Iterable[Batch]:
        """The test set, in the same order every time."""

    def train_dataloader(self) -> DataLoader:
        """batch(k) for k from the trainer's step (0, or where a run resumes) to its max_steps."""
        trainer = self.trainer
        if trainer is None or trainer.max_steps < 0:
            raise ValueError(
                "training is a stream of steps and has no end of its own: "
                "attach a trainer with max_steps, e.g. trainer.max_steps=1000"
            )
        return StepLoader(
            _Steps(self),
            sampler=_RemainingSteps(lambda: trainer.global_step, trainer.max_steps),
            batch_size=None,
            num_workers=self.num_workers,
            multiprocessing_context=_worker_context() if self.num_workers else None,
        )

    def val_dataloader(self) -> DataLoader:
        return DataLoader(_Fixed(self.validation_batches()), batch_size=None)

    def test_dataloader(self) -> DataLoader:
        return DataLoader(_Fixed(self.test_batches()), batch_size=None)


def _worker_context() -> BaseContext:
    """A forked worker would hang where its parent has run a two-thread operation, and would break
    CUDA. A fork server has only imports behind it, and pays for them once for all workers."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["pytorch_lightning"])
    return context


class StepLoader(DataLoader):
    """A DataLoader whose whole state is the trainer's step: it says so to Lightning, which warns
    when a loader that cannot resume is resumed in the middle of an epoch."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        assert not state, "a StepLoader saves no state"


class _Steps(Dataset):
    """Step -> training batch."""

    def __init__(self, source: StepDataModule) -> None:
        # Worker processes get a pickled copy, and a trainer does not pickle.
        self.source = copy.copy(source)
        self.source.trainer = None

    def __getitem__(self, step: int) -> Batch:
        return self.source.batch(step)


class _RemainingSteps(Sampler[int]):
    """The steps still to do. Its length is that of the whole run, done steps included, because
    Lightning counts the batches before a checkpoint into the epoch that it resumes."""

    def __init__(self, first: Callable[[], int], last: int) -> None:
        self.first = first
        self.last = last

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.first(), self.last))

    def __len__(self) -> int:
        return self.last


class _Fixed(Dataset):
    """A list of batches as a map-style dataset."""

    def __init__(self, batches: Iterable[Batch]) -> None:
        self.batches = list(batches)

    def __getitem__(self, index: int) -> Batch:
        return self.batches[index]

    def __len__(self) -> int:
        return len(self.batches)
