"""What the tasks of real text share: the vocabulary they are read with, and rows kept compactly.

vocabulary = task_vocabulary(None, None, parent, data_dir)     # the parent's
rows = PairRows(vocabulary, first=[...], second=[...], labels=[...], length=128)
rows[0]                                                        # Row(tokens=[2, ...], ...)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from datamodules.base import SeedFor
from datamodules.contents import find
from datamodules.encoding import encode_pair
from datamodules.finetuning import FinetuningDataModule, Row
from datamodules.text.corpus import Ints, offsets
from datamodules.text.wordpiece import WordPiece, read_vocabulary
from datamodules.vocabulary import Vocabulary

MOST_UNKNOWN = 0.5  # of a task's tokens


def task_vocabulary(
    file: str | None, lowercase: bool | None, parent: Vocabulary | None, data_dir: Path
) -> Vocabulary:
    """The vocabulary in the file below data_dir, or without one the parent's."""
    if file is not None:
        return Vocabulary(read_vocabulary(find(file, data_dir)), lowercase in (None, True))
    if parent is None:
        raise ValueError(
            "this run has no parent to take a vocabulary from, or one whose weights know of none: "
            "type data.vocabulary=<WordPiece vocabulary below paths.data>"
        )
    return Vocabulary(parent.tokens, parent.lowercase if lowercase is None else lowercase)


class TextTask(FinetuningDataModule):
    """A task whose text is read with a WordPiece vocabulary."""

    def __init__(
        self,
        *,
        written: Vocabulary,
        batch_size: int,
        sequence_length: int,
        seed_for: SeedFor,
        num_workers: int,
    ) -> None:
        super().__init__(
            batch_size=batch_size,
            sequence_length=sequence_length,
            seed_for=seed_for,
            num_workers=num_workers,
        )
        self.vocabulary, self.lowercase = written
        self.vocab_size = len(written.tokens)
        ids = (written.tokens.index(name) for name in ("[PAD]", "[UNK]", "[CLS]", "[SEP]"))
        self.pad, self.unknown, self.cls, self.sep = ids

    def wordpiece(self) -> WordPiece:
        assert self.vocabulary is not None
        return WordPiece(list(self.vocabulary), lowercase=self.lowercase)

    def check_known(self, tokens: ArrayLike) -> None:
        """ValueError where the vocabulary is of another language than these tokens' text."""
        share = float((np.asarray(tokens) == self.unknown).mean())
        if share > MOST_UNKNOWN:
            raise ValueError(
                f"{share:.0%} of the task's tokens are [UNK]: its text is not what the vocabulary "
                f"of {self.vocab_size} tokens was made for; pre-train on real text, such as "
                "\"pretraining.overrides=['data=corpus']\", see docs/tasks.md"
            )


class Encoded:
    """Texts as tokens in one flat array: encoded[i] are those of text i, as a list."""

    def __init__(self, wordpiece: WordPiece, texts: Sequence[str]) -> None:
        # Encoding splits at blanks alone; a line's end or a tab within a text is another blank.
        tokens, lengths = wordpiece.encode(" ".join(text.split()) for text in texts)
        self.tokens: NDArray[np.uint32] = tokens
        self.begin: Ints = offsets(lengths)

    def __len__(self) -> int:
        return len(self.begin) - 1

    def __getitem__(self, index: int) -> list[int]:
        return self.tokens[self.begin[index] : self.begin[index + 1]].tolist()


class PairRows(Sequence[Row]):
    """Rows of one text or two and a label, made when they are asked for."""

    def __init__(
        self,
        wordpiece: WordPiece,
        *,
        first: Sequence[str],
        second: Sequence[str] | None,
        labels: Sequence[float],
        length: int,
        cls: int,
        sep: int,
    ) -> None:
        self.first = Encoded(wordpiece, first)
        self.second = None if second is None else Encoded(wordpiece, second)
        self.labels = labels
        self.length = length
        self.cls = cls
        self.sep = sep

    def __len__(self) -> int:
        return len(self.first)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if isinstance(index, slice):
            return [self._row(i) for i in range(*index.indices(len(self)))]
        return self._row(range(len(self))[index])

    def _row(self, index: int) -> Row:
        tokens, segments = encode_pair(
            self.first[index],
            None if self.second is None else self.second[index],
            length=self.length,
            cls=self.cls,
            sep=self.sep,
        )
        return Row(tokens=tokens, segments=segments, label=self.labels[index])
