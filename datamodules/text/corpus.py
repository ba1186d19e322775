"""A tokenised corpus: documents of sentences of token ids, in three flat arrays.

    corpus = Corpus.of([[[5, 6, 7], [8]], [[9, 10]]], vocabulary)
    corpus.tokens        [5 6 7 8 9 10]
    corpus.sentences     [0 3 4 6]      sentence s is tokens[sentences[s] : sentences[s + 1]]
    corpus.documents     [0 2 3]        document d is sentences documents[d] .. documents[d + 1]

A document's tokens lie side by side, so any run of its sentences is one slice of `tokens`, and a
training sequence is a few pairs (start, length). The arrays may be memory maps (`store.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@dataclass(frozen=True)
class Corpus:
    """tokens: uint16 or uint32 [tokens]; sentences: int64 [sentences + 1]; documents: int64
    [documents + 1]; hashes: uint64 [documents], of each document's tokens; vocabulary: the token
    of each id. No sentence and no document is empty."""

    tokens: NDArray[np.uint16] | NDArray[np.uint32]
    sentences: Ints
    documents: Ints
    hashes: NDArray[np.uint64]
    vocabulary: list[str]

    @classmethod
    def of(cls, documents: Iterable[Sequence[Sequence[int]]], vocabulary: Sequence[str]) -> Corpus:
        """From token ids in memory; empty sentences and documents are left out."""
        dtype = token_dtype(len(vocabulary))
        tokens: list[NDArray] = []
        lengths: list[int] = []
        counts: list[int] = []
        hashes: list[int] = []
        for document in documents:
            sentences = [sentence for sentence in document if len(sentence)]
            if sentences:
                flat = np.array([token for sentence in sentences for token in sentence], dtype)
                tokens.append(flat)
                lengths.extend(map(len, sentences))
                counts.append(len(sentences))
                hashes.append(document_hash(flat))
        return cls(
            np.concatenate([np.empty(0, dtype), *tokens]),
            offsets(lengths),
            offsets(counts),
            np.array(hashes, np.uint64),
            list(vocabulary),
        )

    def __len__(self) -> int:
        """The number of documents."""
        return len(self.documents) - 1

    def special(self, name: str) -> int:
        """The id of a special token, e.g. special("[MASK]"); ValueError when there is none."""
        try:
            return self.vocabulary.index(name)
        except ValueError:
            raise ValueError(
                f"the vocabulary has no {name}; expected BERT's special tokens "
                f"{', '.join(SPECIAL_TOKENS)} in it, one token a line"
            ) from None


def token_dtype(vocab_size: int) -> type[np.uint16] | type[np.uint32]:
    return np.uint16 if vocab_size <= 2**16 else np.uint32


def offsets(lengths: Sequence[int] | Ints) -> Ints:
    """[2, 3] -> [0, 2, 5]."""
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)


def document_hash(tokens: NDArray) -> int:
    """64 bits of the document's content."""
    return int.from_bytes(hashlib.blake2b(tokens.tobytes(), digest_size=8).digest(), "little")


class Split(NamedTuple):
    """The numbers of the documents of each part, ascending."""

    train: Ints
    validation: Ints
    test: Ints


def split(corpus: Corpus, held_out: float, *, at_least: int) -> Split:
    """A share `held_out` of the documents each for validation and for test.

    Chosen by the documents' content: no run's seed and no order of files can move a document, and
    two copies of one document always fall on the same side.
    at_least: the smallest number of documents in each part.
    """
    size = max(at_least, round(held_out * len(corpus)))
    ranked = np.sort(corpus.hashes)
    if len(corpus) >= 3 * size:
        validation = corpus.hashes <= ranked[size - 1]
        test = (corpus.hashes <= ranked[2 * size - 1]) & ~validation
        parts = Split(*(np.flatnonzero(p) for p in (~validation & ~test, validation, test)))
        if min(map(len, parts)) >= at_least:
            return parts
    raise ValueError(
        f"the corpus has {len(corpus)} documents ({len(np.unique(ranked))} different ones), too "
        f"few to hold out {size} each for validation and test; expected at least {3 * size}. "
        f"In a .txt file a blank line ends a document"
    )
