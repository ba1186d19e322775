"""CoNLL-2003 named-entity recognition (Tjong Kim Sang and De Meulder, 2003), a sentence at a time.

    data = Conll(data_dir=Path("data"), parent_vocabulary=vocabulary, ...)
    data.score("test", outputs)    # {"score": 0.95, "f1": 0.95, "precision": ..., "recall": ...}

A word's tag is predicted at its first sub-token (BERT's section 5.3, without its document context).
A sentence that is longer than a sequence is read in several rows, and scored as one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from datamodules.base import SeedFor
from datamodules.downstream.conll_files import TAGS, Sentence, splits
from datamodules.downstream.examples import Splits
from datamodules.downstream.text import Encoded, TextTask, task_vocabulary
from datamodules.encoding import encode_pair
from datamodules.finetuning import IGNORED, Outputs, Row, Split
from datamodules.tagging import entity_scores, first_subtoken_labels
from datamodules.text.wordpiece import WordPiece
from datamodules.vocabulary import Vocabulary


class Conll(TextTask):
    """Named entities, tested on the official development set (testa) or test set (testb).

    source: a folder below data_dir, or hub:<dataset>@<commit>. vocabulary, lowercase: see `Glue`;
        BERT is trained with case for this task.
    train_size, validation_size, test_size: sentences; null: all.
    """

    version = 1
    files: ClassVar = ("source", "vocabulary")
    examples: ClassVar = "datamodules.downstream.conll_files"
    limits: ClassVar = {
        "train_size": (1, 10_000_000),
        "validation_size": (1, 100_000),
        "test_size": (1, 10_000_000),
        "batch_size": (1, 100_000),
        "sequence_length": (8, 65536),
    }
    kind = "tagging"
    num_labels = len(TAGS)

    def __init__(
        self,
        *,
        task: Literal["ner"] = "ner",
        source: str = "conll2003",
        test_part: Literal["testa", "testb"] = "testa",
        vocabulary: str | None = None,
        lowercase: bool | None = None,
        train_size: int | None = None,
        validation_size: int = 500,
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
        settings = {
            "source": source,
            "test_part": test_part,
            "train_size": train_size,
            "validation_size": validation_size,
            "test_size": test_size,
        }
        self.sentences: Splits[Sentence] = splits(settings, data_dir)

    @cached_property
    def encoded(self) -> dict[Split, list[tuple[int, Row]]]:
        """Each split's rows, and the number of the sentence that each is of."""
        wordpiece = self.wordpiece()
        train, validation, test = (list(self._rows(s, wordpiece)) for s in self.sentences)
        self.check_known(np.concatenate([row["tokens"] for _, row in train]))
        return {"train": train, "validation": validation, "test": test}

    def _rows(self, part: list[Sentence], wordpiece: WordPiece) -> Iterator[tuple[int, Row]]:
        words = Encoded(wordpiece, [word for sentence in part for word in sentence.words])
        first = 0
        for number, sentence in enumerate(part):
            pieces = [words[first + i] or [self.unknown] for i in range(len(sentence.words))]
            labels = [TAGS.index(tag) for tag in sentence.tags]
            for row in self._chunks(pieces, labels):
                yield number, row
            first += len(sentence.words)

    def _chunks(self, pieces: list[list[int]], labels: list[int]) -> Iterator[Row]:
        """As many words a row as fit; a word that fits in none is cut."""
        room = self.sequence_length - 2
        begin = 0
        while begin < len(pieces):
            end, used = begin, 0
            while end < len(pieces) and (end == begin or used + len(pieces[end]) <= room):
                used += len(pieces[end])
                end += 1
            tokens = [token for piece in pieces[begin:end] for token in piece]
            tokens, segments = encode_pair(
                tokens, None, length=self.sequence_length, cls=self.cls, sep=self.sep
            )
            of_token = [word for word, piece in enumerate(pieces[begin:end]) for _ in piece]
            of_row = [None, *of_token[: len(tokens) - 2], None]
            row_labels = first_subtoken_labels(of_row, labels[begin:end])
            yield Row(tokens=tokens, segments=segments, labels=row_labels)
            begin = end

    def rows(self, split: Split) -> Sequence[Row]:
        return self.split_rows[split]

    @cached_property
    def split_rows(self) -> dict[Split, list[Row]]:
        return {split: [row for _, row in rows] for split, rows in self.encoded.items()}

    def score(self, split: Split, outputs: Outputs) -> dict[str, float]:
        """f1 over entities, which is the score, precision, recall, and the words' accuracy."""
        sentences = getattr(self.sentences, split)
        chosen: list[list[str]] = [[] for _ in sentences]
        for (number, row), logits in zip(self.encoded[split], outputs["logits"], strict=True):
            at = [index for index, label in enumerate(row["labels"]) if label != IGNORED]
            chosen[number] += [TAGS[tag] for tag in np.asarray(logits)[at].argmax(axis=1)]
        return entity_scores([sentence.tags for sentence in sentences], chosen)
