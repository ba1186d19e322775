"""Segment pairs for next-sentence prediction, by the rules of google-research/bert's
`create_pretraining_data.py`: [CLS] A [SEP] B [SEP].

A document's sentences are collected until they fill the target length; the collected chunk is cut
at a random sentence into A and B; with probability `random_next`, and always where the chunk is one
sentence, B is replaced by sentences from another document and the unused sentences are put back.
With probability `short` a document's target length is uniform in [2, max_tokens]. The longer of A
and B is cut, a token at a time from its front or its back, until both fit.

The original walks through one document after the other. Here all documents advance side by side,
one pair in each round, so that a round is a handful of array operations: what decides the speed is
the number of pairs, and the number of rounds only where one document is far longer than the rest.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from datamodules.text.corpus import Corpus, Ints
from datamodules.text.sequences import Sequences

TRIES = 10  # draws of the other document, as in the original


def segment_pairs(
    corpus: Corpus,
    documents: Ints,
    generator: Generator,
    *,
    max_tokens: int,
    short: float = 0.1,
    random_next: float = 0.5,
) -> Sequences:
    """One pass over `documents` (numbers of documents of the corpus), in no useful order.

    max_tokens: the most tokens of A and B together, the sequence length less 3.
    """
    begin, end = corpus.documents[documents], corpus.documents[documents + 1]
    short_target = generator.integers(2, max_tokens + 1, len(documents))
    target = np.where(generator.random(len(documents)) < short, short_target, max_tokens)
    at, active = begin.copy(), np.arange(len(documents))
    rounds: list[tuple[Ints, ...]] = []
    while len(active):
        first = at[active]
        last = _filled(corpus, first, target[active], end[active])
        size = last - first
        a_end = first + 1 + np.floor(generator.random(len(active)) * (size - 1)).astype(np.int64)
        a_end = np.where(size > 1, a_end, last)
        is_random = (size == 1) | (generator.random(len(active)) < random_next)

        b_begin, b_end = a_end.copy(), last.copy()
        where = np.flatnonzero(is_random)
        other = _other_document(active[where], len(documents), generator)
        b_begin[where] = generator.integers(begin[other], end[other])
        a_tokens = corpus.sentences[a_end[where]] - corpus.sentences[first[where]]
        missing = target[active[where]] - a_tokens
        b_end[where] = _filled(corpus, b_begin[where], missing, end[other])

        rounds.append((*_truncated(corpus, first, a_end, b_begin, b_end, max_tokens, generator),
                       is_random))  # fmt: skip
        at[active] = np.where(is_random, a_end, last)
        active = active[at[active] < end[active]]

    a_start, a_length, b_start, b_length, is_random = map(np.concatenate, zip(*rounds, strict=True))
    return Sequences(
        first=np.arange(0, 2 * len(a_start) + 1, 2),
        start=np.stack([a_start, b_start], axis=1).ravel(),
        length=np.stack([a_length, b_length], axis=1).ravel(),
        random_next=is_random.astype(np.bool_),
    )


def _filled(corpus: Corpus, first: Ints, target: Ints, end: Ints) -> Ints:
    """Where the sentences from `first` on reach `target` tokens, at least one sentence, at most to
    `end`: the number of the sentence after."""
    reached = np.searchsorted(corpus.sentences, corpus.sentences[first] + target)
    return np.minimum(np.maximum(reached, first + 1), end)


def _other_document(own: Ints, number: int, generator: Generator) -> Ints:
    """A document for each, drawn up to TRIES times until it is not its own."""
    other = generator.integers(0, number, len(own))
    for _ in range(TRIES - 1):
        same = np.flatnonzero(other == own)
        if not len(same):
            break
        other[same] = generator.integers(0, number, len(same))
    return other


def _truncated(
    corpus: Corpus,
    a_begin: Ints,
    a_end: Ints,
    b_begin: Ints,
    b_end: Ints,
    max_tokens: int,
    generator: Generator,
) -> tuple[Ints, Ints, Ints, Ints]:
    """(A's start, A's length, B's start, B's length) in tokens, of at most max_tokens together.

    Taking single tokens from the longer, from B where they are equal, ends with the shorter one
    whole where it is at most half, else with halves and the odd token in A.
    """
    a_start, b_start = corpus.sentences[a_begin], corpus.sentences[b_begin]
    a_length, b_length = corpus.sentences[a_end] - a_start, corpus.sentences[b_end] - b_start
    half = max_tokens // 2
    a_kept = np.minimum(a_length, np.maximum(max_tokens - b_length, max_tokens - half))
    b_kept = np.minimum(b_length, np.maximum(max_tokens - a_length, half))
    # How many of the removed tokens came off the front, each by a fair coin.
    a_start = a_start + generator.binomial(a_length - a_kept, 0.5)
    b_start = b_start + generator.binomial(b_length - b_kept, 0.5)
    return a_start, a_kept, b_start, b_kept
