"""Small random corpora, and what the packings' tests measure on them."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from datamodules.text.corpus import SPECIAL_TOKENS, Corpus

VOCABULARY = [*SPECIAL_TOKENS, *(f"w{i}" for i in range(5, 2000))]
PAD, UNK, CLS, SEP, MASK = range(5)


def random_corpus(num_documents: int, *, seed: int = 0, most_sentences: int = 20) -> Corpus:
    """Documents of 1..most_sentences sentences of 1..40 ordinary tokens."""
    generator = np.random.default_rng(seed)
    return Corpus.of(
        [
            [
                generator.integers(5, len(VOCABULARY), generator.integers(1, 41)).tolist()
                for _ in range(generator.integers(1, most_sentences + 1))
            ]
            for _ in range(num_documents)
        ],
        VOCABULARY,
    )


def numbered_corpus(shape: list[list[int]]) -> Corpus:
    """A corpus with the given sentence lengths in which no token occurs twice, so that every token
    tells where it stands."""
    size = sum(map(sum, shape))
    counter = iter(range(5, 5 + size))
    documents = [[[next(counter) for _ in range(n)] for n in document] for document in shape]
    return Corpus.of(documents, [*SPECIAL_TOKENS, *(f"w{i}" for i in range(5, 5 + size))])


shapes = st.lists(st.lists(st.integers(1, 12), min_size=1, max_size=8), min_size=2, max_size=8)
