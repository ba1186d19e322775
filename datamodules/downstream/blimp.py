"""BLiMP (Warstadt et al., arXiv 1912.00582): does a model prefer the acceptable sentence of a pair?

    data = Blimp(data_dir=Path("data"), parent_vocabulary=vocabulary, ...)
    data.test_batches()              # sentences: the good and the bad one of each pair in turn
    data.accuracies(likelihoods)     # {"": 0.71, "island_effects": 0.52, ...}

67 paradigms of 1,000 pairs, grouped by phenomenon (the field linguistics_term). Nothing is trained:
the sentences are scored as pre-training left the model (lightning_modules/minimal_pairs.py).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from datamodules.base import Batch, SeedFor, StepDataModule
from datamodules.contents import find
from datamodules.downstream.text import Encoded, task_vocabulary
from datamodules.encoding import encode_pair, padded
from datamodules.hub import library, load
from datamodules.text.documents import corpus_files
from datamodules.text.lines import read_lines
from datamodules.text.wordpiece import WordPiece
from datamodules.vocabulary import Vocabulary

TEXTS = ("sentence_good", "sentence_bad")
KEYS = (*TEXTS, "linguistics_term", "UID")


class MinimalPair(NamedTuple):
    good: str
    bad: str
    phenomenon: str
    paradigm: str


class Blimp(StepDataModule):
    """Minimal pairs, all of them for testing, but the first of each paradigm, which is validation.

    source: a .jsonl file or a folder of them below data_dir, or hub:<dataset>@<commit>.
    vocabulary, lowercase: see `Glue`.
    pairs: how many pairs of each paradigm are scored, the first ones; null: all.
    batch_size: pairs that are scored at a time.
    """

    version = 1
    files: ClassVar = ("source", "vocabulary")
    limits: ClassVar = {
        "pairs": (2, 1_000_000),
        "batch_size": (1, 100_000),
        "sequence_length": (8, 65536),
    }

    def __init__(
        self,
        *,
        task: Literal["blimp"] = "blimp",
        source: str = "blimp",
        vocabulary: str | None = None,
        lowercase: bool | None = None,
        pairs: int | None = None,
        batch_size: int = 32,
        sequence_length: int = 64,
        parent_vocabulary: Vocabulary | None,
        data_dir: Path,
        seed_for: SeedFor,
        num_workers: int,
    ) -> None:
        super().__init__(seed_for=seed_for, num_workers=num_workers)
        written = task_vocabulary(vocabulary, lowercase, parent_vocabulary, data_dir)
        self.vocabulary, self.lowercase = written
        self.vocab_size = len(written.tokens)
        special = ("[PAD]", "[CLS]", "[SEP]", "[MASK]")
        self.pad, self.cls, self.sep, self.mask = map(written.tokens.index, special)
        self.sequence_length = sequence_length
        self.batch_size = batch_size
        of_paradigm: dict[str, list[MinimalPair]] = defaultdict(list)
        for pair in _hub(source) if source.startswith("hub:") else _files(find(source, data_dir)):
            if pairs is None or len(of_paradigm[pair.paradigm]) < pairs:
                of_paradigm[pair.paradigm].append(pair)
        validation = [mine[0] for mine in of_paradigm.values()]
        test = [pair for mine in of_paradigm.values() for pair in mine[1:]]
        if not test:
            raise ValueError(f"{source} holds no pairs to score: expected BLiMP's .jsonl files")
        wordpiece = WordPiece(list(written.tokens), lowercase=self.lowercase)
        self.validation = self._rows(validation, wordpiece, source)
        self.rows = self._rows(test, wordpiece, source)
        # Sentences of one length side by side: a batch is padded little.
        order = sorted(range(len(test)), key=lambda i: max(map(len, self.rows[2 * i : 2 * i + 2])))
        self.rows = [row for i in order for row in self.rows[2 * i : 2 * i + 2]]
        self.pairs = [test[i] for i in order]

    def _rows(self, pairs: list[MinimalPair], wordpiece: WordPiece, source: str) -> list[list[int]]:
        """The tokens of each pair's good and bad sentence in turn."""
        encoded = Encoded(wordpiece, [text for pair in pairs for text in pair[:2]])
        longest = max(len(encoded[i]) for i in range(len(encoded))) + 2
        if longest > self.sequence_length:
            raise ValueError(
                f"a sentence of {source} has {longest} tokens, and none may be cut: type "
                f"data.sequence_length={longest}, no longer than the pre-training's sequences"
            )
        return [
            encode_pair(encoded[i], None, length=self.sequence_length, cls=self.cls, sep=self.sep)[
                0
            ]
            for i in range(len(encoded))
        ]

    def module_arguments(self) -> dict[str, Any]:
        return {"mask_token": self.mask}

    def batch(self, step: int) -> Batch:
        return self._batches(self.validation)[0]

    def validation_batches(self) -> list[Batch]:
        return self._batches(self.validation)

    def test_batches(self) -> list[Batch]:
        return self._batches(self.rows)

    def _batches(self, rows: list[list[int]]) -> list[Batch]:
        size = 2 * self.batch_size
        return [self._batch(rows[i : i + size]) for i in range(0, len(rows), size)]

    def _batch(self, rows: list[list[int]]) -> Batch:
        tokens, padding_mask = padded(rows, fill=self.pad)
        segments = torch.zeros_like(tokens)
        return {"tokens": tokens, "segments": segments, "padding_mask": padding_mask}

    def accuracies(self, likelihoods: NDArray[np.floating]) -> dict[str, float]:
        """The share of pairs whose good sentence is the likelier: "" of all, and of each
        phenomenon. likelihoods: [2 x pairs], of the sentences of `test_batches` in order."""
        right = likelihoods[0::2] > likelihoods[1::2]
        phenomena = np.array([pair.phenomenon for pair in self.pairs])
        return {"": float(right.mean())} | {
            name: float(right[phenomena == name].mean()) for name in np.unique(phenomena).tolist()
        }


def _files(source: Path) -> Iterator[MinimalPair]:
    for path in corpus_files(source):
        for number, line in read_lines(path):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError:
                row = line
            yield _pair(row, f"{path}, line {number}")


def _hub(source: str) -> Iterator[MinimalPair]:
    name = source.partition(":")[2].partition("@")
    for paradigm in library().get_dataset_config_names(name[0], revision=name[2]):
        for number, row in enumerate(load(source, split="train", configuration=paradigm)):
            yield _pair(row, f"{source}, {paradigm}, row {number}")


def _pair(row: Any, where: str) -> MinimalPair:
    texts = [row.get(key) if isinstance(row, dict) else None for key in KEYS]
    if not all(isinstance(text, str) and text.strip() for text in texts):
        raise ValueError(
            f"{where}: expected an object with the texts {', '.join(KEYS)}, found {str(row)[:60]}"
        )
    return MinimalPair(*map(str, texts))
