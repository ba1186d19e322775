"""Training sequences as slices of a corpus: [CLS] slice [SEP] slice [SEP] ...

Both packings (`pairs.py`, `full_sentences.py`) give the sequences of an epoch in this form, a few
integers a sequence; `assemble` turns a batch of them into token ids, without a loop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from datamodules.text.corpus import Corpus, Ints


@dataclass(frozen=True)
class Sequences:
    """first: int64 [N + 1], sequence n has the slices first[n] .. first[n + 1]; start, length:
    int64 [slices], in the corpus's tokens; random_next: bool [N] where the sequences are pairs,
    whether the second slice comes from elsewhere, else None."""

    first: Ints
    start: Ints
    length: Ints
    random_next: NDArray[np.bool_] | None

    def __len__(self) -> int:
        return len(self.first) - 1


class Assembled(NamedTuple):
    """tokens, segments: int64 [B, T]; special: bool [B, T], [CLS], [SEP] or padding; lengths: int64
    [B], real tokens with the special ones."""

    tokens: Ints
    segments: Ints
    special: NDArray[np.bool_]
    lengths: Ints


def assemble(sequences: Sequences, chosen: Ints, corpus: Corpus, sequence_length: int) -> Assembled:
    """The chosen sequences [B] as token ids, padded to T = sequence_length.

    Segments count up to 1: the first slice and the [CLS] and [SEP] around it are 0; of pairs the
    second slice and its [SEP] are 1. Without pairs all are 0.
    """
    num_slices = sequences.first[chosen + 1] - sequences.first[chosen]
    slices = ranges(sequences.first[chosen], num_slices)
    length = sequences.length[slices]
    row = np.repeat(np.arange(len(chosen)), num_slices)
    # Where each slice begins in the flat batch: its row, after [CLS], and after what stands before
    # it in the row, one [SEP] for each slice.
    before = np.cumsum(length + 1) - (length + 1)
    first_of_row = np.cumsum(num_slices) - num_slices
    begin = row * sequence_length + 1 + before - before[first_of_row][row]
    ends = begin + length

    size = (len(chosen), sequence_length)
    tokens = np.full(size, corpus.special("[PAD]"), np.int64)
    segments = np.zeros(size, np.int64)
    special = np.ones(size, np.bool_)
    places = ranges(begin, length)
    tokens[:, 0] = corpus.special("[CLS]")
    tokens.ravel()[places] = corpus.tokens[ranges(sequences.start[slices], length)]
    tokens.ravel()[ends] = corpus.special("[SEP]")
    special.ravel()[places] = False
    if sequences.random_next is not None:
        segments.ravel()[ranges(begin[1::2], length[1::2] + 1)] = 1
    lengths = ends[first_of_row + num_slices - 1] - np.arange(len(chosen)) * sequence_length + 1
    return Assembled(tokens, segments, special, lengths)


def ranges(starts: Ints, counts: Ints) -> Ints:
    """[10, 20], [2, 3] -> [10, 11, 20, 21, 22]."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    return np.repeat(starts - ends + counts, counts) + np.arange(total)
