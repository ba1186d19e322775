"""Contiguous text: RoBERTa's FULL-SENTENCES, [CLS] sentences [SEP].

The documents, in a new order each epoch, form one stream of sentences, and each sequence takes as
many whole sentences from it as fit. A sequence may cross the end of a document, and then has one
more [SEP] there: [CLS] end of one [SEP] beginning of the next [SEP]. A sentence that is longer than
a whole sequence is cut into pieces of that length.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from datamodules.text.corpus import Corpus, Ints
from datamodules.text.sequences import Sequences, ranges


def full_sentences(
    corpus: Corpus, documents: Ints, generator: Generator, *, max_tokens: int
) -> Sequences:
    """One pass over `documents`: every sentence in exactly one sequence (or cut, in several).

    max_tokens: the most tokens between [CLS] and the last [SEP], the sequence length less 2.
    """
    start, length, opens = _pieces(corpus, generator.permutation(documents), max_tokens)
    # A piece costs its tokens and, where it opens a document, the [SEP] before it: not at the
    # beginning of a sequence, where [CLS] stands already.
    cost = np.concatenate([[0], np.cumsum(length + opens)])
    following = memoryview(np.searchsorted(cost, cost[:-1] + opens + max_tokens, "right") - 1)
    firsts, piece = [], 0
    while piece < len(length):
        firsts.append(piece)
        piece = following[piece]

    # Pieces that follow each other in one sequence and one document are one slice.
    begins = opens.copy()
    begins[firsts] = True
    slices = np.flatnonzero(begins)
    return Sequences(
        first=np.append(np.searchsorted(slices, firsts), len(slices)),
        start=start[slices],
        length=np.add.reduceat(length, slices),
        random_next=None,
    )


def _pieces(corpus: Corpus, order: Ints, max_tokens: int) -> tuple[Ints, Ints, np.ndarray]:
    """The stream of sentences, none longer than max_tokens: (first token, length, whether it opens
    a document)."""
    counts = corpus.documents[order + 1] - corpus.documents[order]
    sentences = ranges(corpus.documents[order], counts)
    opening = np.zeros(len(sentences), np.bool_)
    opening[np.cumsum(counts) - counts] = True
    start = corpus.sentences[sentences]
    length = corpus.sentences[sentences + 1] - start
    cuts = -(-length // max_tokens)
    offset = max_tokens * ranges(np.zeros_like(cuts), cuts)
    rest = np.repeat(length, cuts) - offset
    opens = np.repeat(opening, cuts) & (offset == 0)
    return np.repeat(start, cuts) + offset, np.minimum(rest, max_tokens), opens
