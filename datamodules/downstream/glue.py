"""GLUE's tasks (Wang et al., arXiv 1804.07461): classification of one text or two, and similarity.

    data = Glue(task="mrpc", data_dir=Path("data"), parent_vocabulary=vocabulary, ...)
    data.batch(0)                  # tokens, segments, padding_mask, labels
    data.score("test", outputs)    # {"score": 0.84, "accuracy": 0.84, "f1": 0.89, ...}

docs/tasks.md tells the files that are expected.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from datamodules.base import SeedFor
from datamodules.downstream.examples import Splits
from datamodules.downstream.glue_files import TASKS, Pair, mismatched, splits
from datamodules.downstream.scores import f1, matthews, pearson, spearman
from datamodules.downstream.text import PairRows, TextTask, task_vocabulary
from datamodules.finetuning import (
    Outputs,
    Row,
    Split,
    classification_scores,
    majority_share,
)
from datamodules.text.wordpiece import WordPiece
from datamodules.vocabulary import Vocabulary


class Glue(TextTask):
    """One task of GLUE, tested on its official development set.

    source: a folder below data_dir that holds the tasks' folders, or hub:<dataset>@<commit>.
    vocabulary: a WordPiece file below data_dir; null: the parent's. lowercase: null: the parent's,
        or of a file true.
    train_size: null: all but the validation_size examples that are held out for choosing rates.
    """

    version = 1
    files: ClassVar = ("source", "vocabulary")
    folders: ClassVar = {
        "cola": "CoLA",
        "sst2": "SST-2",
        "mrpc": "MRPC",
        "qqp": "QQP",
        "stsb": "STS-B",
        "mnli": "MNLI",
        "qnli": "QNLI",
        "rte": "RTE",
        "wnli": "WNLI",
    }
    examples: ClassVar = "datamodules.downstream.glue_files"
    limits: ClassVar = {
        "train_size": (1, 10_000_000),
        "validation_size": (1, 100_000),
        "test_size": (1, 10_000_000),
        "batch_size": (1, 100_000),
        "sequence_length": (8, 65536),
    }

    def __init__(
        self,
        *,
        task: Literal[
            "cola", "sst2", "mrpc", "qqp", "stsb", "mnli", "qnli", "rte", "wnli"
        ] = "mrpc",
        source: str = "glue",
        vocabulary: str | None = None,
        lowercase: bool | None = None,
        train_size: int | None = None,
        validation_size: int = 300,
        test_size: int | None = None,
        batch_size: int = 32,
        sequence_length: int = 128,
        parent_vocabulary: Vocabulary | None,
        data_dir: Path,
        seed_for: SeedFor,
        num_workers: int,
    ) -> None:
        super().__init__(
            written=task_vocabulary(vocabulary, lowercase, parent_vocabulary, data_dir),
            batch_size=batch_size,
            sequence_length=sequence_length,
            seed_for=seed_for,
            num_workers=num_workers,
        )
        self.task = task
        self.classes = TASKS[task].labels
        self.kind = "classification" if self.classes else "regression"
        self.num_labels = len(self.classes) or 1
        if not source.startswith("hub:"):
            source = f"{source}/{self.folders[task]}"
        settings = {
            "task": task,
            "source": source,
            "train_size": train_size,
            "validation_size": validation_size,
            "test_size": test_size,
        }
        self.pairs: Splits[Pair] = splits(settings, data_dir)
        self.mismatched = mismatched(settings, data_dir)[:test_size]

    @cached_property
    def encoded(self) -> dict[Split, PairRows]:
        wordpiece = self.wordpiece()
        parts: dict[Split, list[Pair]] = {
            "train": self.pairs.train,
            "validation": self.pairs.validation,
            "test": [*self.pairs.test, *self.mismatched],
        }
        encoded = {split: self._rows(pairs, wordpiece) for split, pairs in parts.items()}
        self.check_known(encoded["train"].first.tokens)
        return encoded

    def _rows(self, pairs: list[Pair], wordpiece: WordPiece) -> PairRows:
        second = [pair.second for pair in pairs if pair.second is not None]
        return PairRows(
            wordpiece,
            first=[pair.first for pair in pairs],
            second=second or None,
            labels=[pair.label for pair in pairs],
            length=self.sequence_length,
            cls=self.cls,
            sep=self.sep,
        )

    def rows(self, split: Split) -> Sequence[Row]:
        return self.encoded[split]

    def facts(self) -> dict[str, float]:
        """majority: the test accuracy of always answering the commonest class."""
        if self.kind == "regression":
            return {}
        return {"majority": majority_share([pair.label for pair in self.pairs.test])}

    def score(self, split: Split, outputs: Outputs) -> dict[str, float]:
        """accuracy, which is the score; of MRPC and QQP also f1; of CoLA matthews, which is the
        score; of STS-B spearman, which is the score, and pearson. MNLI's score is of the matched
        genres, and accuracy_mismatched of the others."""
        pairs = getattr(self.pairs, split)
        labels = np.array([pair.label for pair in pairs])
        own = {"logits": outputs["logits"][: len(pairs)]}
        if self.kind == "regression":
            return similarity_scores(labels, own)
        scores: dict[str, Any] = classification_scores(labels, own)
        predictions = own["logits"].argmax(axis=1)
        if self.task in ("mrpc", "qqp"):
            scores["f1"] = f1(labels, predictions)
        elif self.task == "cola":
            scores["score"] = scores["matthews"] = matthews(labels, predictions)
        if len(others := outputs["logits"][len(pairs) :]):
            theirs = classification_scores([p.label for p in self.mismatched], {"logits": others})
            scores["accuracy_mismatched"] = theirs["accuracy"]
        return scores


def similarity_scores(labels: np.ndarray, outputs: Outputs) -> dict[str, float]:
    """spearman, which is the score, and pearson, of logits [N, 1]; both from -1 to 1."""
    predictions = outputs["logits"][:, 0]
    correlation = spearman(labels, predictions)
    return {
        "score": correlation,
        "spearman": correlation,
        "pearson": pearson(labels, predictions),
        "degenerate": float(len(np.unique(predictions)) == 1),
    }
