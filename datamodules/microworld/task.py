"""A downstream task of microworld, the synthetic language: generated examples with exact labels.

    data = MicroworldTask(task="entailment", train_size=2000, seed_for=seed_for, num_workers=0)
    data.batch(0)                  # tokens, segments, padding_mask, labels
    data.facts()                   # {"majority": 0.333}

Examples belong to the task, not to the run: every seed is trained and tested on the same ones, a
larger train_size adds to a smaller. No text of one split occurs in another.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import cycle
from random import Random
from typing import Any, ClassVar, Literal

import numpy as np

from datamodules.base import SeedFor
from datamodules.encoding import encode_pair
from datamodules.finetuning import (
    IGNORED,
    FinetuningDataModule,
    Kind,
    Outputs,
    Row,
    Split,
    classification_scores,
    majority_share,
)
from datamodules.microworld.lexicon import CLS, PAD, SEP, VOCABULARY, encode
from datamodules.microworld.tasks.base import SpanText, TaggedText, Text
from datamodules.spans import SpanQuestion, SpanReader, Window, span_scores
from datamodules.tagging import tagging_scores

Example = Text | SpanText | TaggedText
KINDS: dict[str, Kind] = {"spans": "span", "entities": "tagging"}  # the others classify


class MicroworldTask(FinetuningDataModule):
    """One of the tasks of `datamodules.microworld.tasks`.

    train_size: without one, the task's own.
    task_seed: draws the examples; it belongs to the task, not to the run.
    stride: passage tokens between windows, where a question's text exceeds sequence_length.
    """

    version = 5
    # Few where what pre-training may know already is asked for, many where all have to learn and
    # what they learn tells the arms apart.
    train_sizes: ClassVar = {
        "coherence": 128,
        "entailment": 1600,
        "paraphrase": 1200,
        "sentiment": 1600,
        "spans": 9600,
        "entities": 4800,
    }
    limits: ClassVar = {
        "train_size": (1, 100_000),
        "validation_size": (1, 100_000),
        "test_size": (1, 100_000),
        "batch_size": (1, 100_000),
        "sequence_length": (8, 100_000),
        "stride": (1, 100_000),
        "task_seed": (0, 2147483647),
    }
    pad = PAD
    vocab_size = len(VOCABULARY)

    def __init__(
        self,
        *,
        task: Literal[
            "coherence", "entailment", "paraphrase", "sentiment", "spans", "entities"
        ] = "entailment",
        train_size: int | None = None,
        validation_size: int = 500,
        test_size: int = 2000,
        batch_size: int = 32,
        sequence_length: int = 64,
        stride: int = 16,
        task_seed: int = 1810,
        seed_for: SeedFor,
        num_workers: int,
    ) -> None:
        super().__init__(
            batch_size=batch_size,
            sequence_length=sequence_length,
            seed_for=seed_for,
            num_workers=num_workers,
        )
        generator = importlib.import_module(f"datamodules.microworld.tasks.{task}")
        self.draw: Callable[[Random, str], Example] = generator.draw
        self.kind = KINDS.get(task, "classification")
        self.tags: tuple[str, ...] = getattr(generator, "TAGS", ())
        self.classes: tuple[str, ...] = generator.LABELS
        self.num_labels = {"span": 2, "tagging": len(self.tags)}.get(self.kind, len(self.classes))
        self.reader = SpanReader(sequence_length=sequence_length, stride=stride, cls=CLS, sep=SEP)
        self.vocabulary = VOCABULARY
        self.task = task
        self.task_seed = task_seed
        self.sizes: dict[Split, int] = {
            "test": test_size,
            "validation": validation_size,
            "train": self.train_sizes[task] if train_size is None else train_size,
        }

    def __getstate__(self) -> dict[str, Any]:
        """For worker processes: they draw the examples again from the settings."""
        drawn = ("examples", "encoded", "windows")
        return {key: value for key, value in self.__dict__.items() if key not in drawn}

    @cached_property
    def examples(self) -> dict[Split, list[Example]]:
        """Each split's examples, its classes in turn, no example twice in all splits together."""
        seen: set[Example] = set()
        held_out = self._drawn("test")
        training = self._drawn("train")
        streams = {"test": held_out, "validation": training, "train": training}
        drawn: dict[Split, list[Example]] = {split: [] for split in self.sizes}
        for split, size in self.sizes.items():
            for label in cycle(self.classes):
                if len(drawn[split]) == size:
                    break
                example = next(e for e in streams[split](label) if e not in seen)
                seen.add(example)
                drawn[split].append(example)
        return drawn

    def _drawn(self, part: str) -> Callable[[str], Iterator[Example]]:
        """label -> ever more examples of it."""
        random = Random(f"microworld/{self.task}/{part}/{self.task_seed}")

        def of(label: str) -> Iterator[Example]:
            while True:
                yield self.draw(random, label)

        return of

    @cached_property
    def windows(self) -> dict[Split, list[list[Window]]]:
        """The windows of each question of a span task."""
        return {
            split: [self.reader.windows(question) for question in self._questions(split)]
            for split in self.examples
        }

    @cached_property
    def encoded(self) -> dict[Split, list[Row]]:
        if self.kind == "span":
            return {
                split: [window.row for mine in windows for window in mine]
                for split, windows in self.windows.items()
            }
        return {split: [self._row(e) for e in items] for split, items in self.examples.items()}

    def _row(self, example: Example) -> Row:
        if isinstance(example, TaggedText):
            tokens, segments = self._tokens(example.text, None)
            labels = [self.tags.index(tag) for tag in example.tags][: len(tokens) - 2]
            return Row(tokens=tokens, segments=segments, labels=[IGNORED, *labels, IGNORED])
        assert isinstance(example, Text)
        tokens, segments = self._tokens(example.first, example.second)
        return Row(tokens=tokens, segments=segments, label=example.label)

    def _tokens(self, first: str, second: str | None) -> tuple[list[int], list[int]]:
        return encode_pair(
            encode(first),
            None if second is None else encode(second),
            length=self.sequence_length,
            cls=CLS,
            sep=SEP,
        )

    def rows(self, split: Split) -> Sequence[Row]:
        return self.encoded[split]

    def facts(self) -> dict[str, float]:
        """majority: the test accuracy of always answering the commonest class."""
        if self.kind != "classification":
            return {}
        return {"majority": majority_share([row["label"] for row in self.rows("test")])}

    def score(self, split: Split, outputs: Outputs) -> dict[str, float]:
        """accuracy; of spans exact_match and f1; of entities their f1."""
        if self.kind == "classification":
            return classification_scores([row["label"] for row in self.rows(split)], outputs)
        if self.kind == "tagging":
            labels = [row["labels"] for row in self.rows(split)]
            return tagging_scores(labels, outputs, tags=self.tags)
        answers = self.reader.answers(self.windows[split], outputs)
        return span_scores(self._questions(split), answers)

    def _questions(self, split: Split) -> list[SpanQuestion]:
        return [question_of(e) for e in self.examples[split] if isinstance(e, SpanText)]


def question_of(example: SpanText) -> SpanQuestion:
    """The example as tokens: every word is one."""
    words = example.passage.split()
    ends = np.cumsum([len(word) + 1 for word in words]) - 1
    offsets = [(int(end) - len(word), int(end)) for word, end in zip(words, ends, strict=True)]
    answer = " ".join(words[example.start : example.end + 1])
    return SpanQuestion(
        question=encode(example.question),
        passage=encode(example.passage),
        text=example.passage,
        offsets=offsets,
        answers=(answer,),
        start=example.start,
        end=example.end,
    )
