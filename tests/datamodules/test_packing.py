"""Sequences of an epoch: segment pairs against the original's rules, and full sentences."""

from __future__ import annotations

import itertools
import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from datamodules.text.full_sentences import full_sentences
from datamodules.text.pairs import segment_pairs
from datamodules.text.sequences import assemble, ranges
from tests.datamodules.text_corpora import CLS, PAD, SEP, numbered_corpus, random_corpus, shapes

# Segment pairs


def original_pairs(documents, rng, max_tokens, short=0.1):
    """google-research/bert's create_instances_from_document, retold: [(A, B, random)]."""
    found = []
    for number, document in enumerate(documents):
        target = rng.randint(2, max_tokens) if rng.random() < short else max_tokens
        chunk, length, i = [], 0, 0
        while i < len(document):
            chunk.append(document[i])
            length += len(document[i])
            if i == len(document) - 1 or length >= target:
                a_end = rng.randint(1, len(chunk) - 1) if len(chunk) >= 2 else 1
                a = list(itertools.chain(*chunk[:a_end]))
                is_random = len(chunk) == 1 or rng.random() < 0.5
                b = []
                if is_random:
                    for _ in range(10):
                        other = rng.randint(0, len(documents) - 1)
                        if other != number:
                            break
                    for j in range(
                        rng.randint(0, len(documents[other]) - 1), len(documents[other])
                    ):
                        b = b + documents[other][j]
                        if len(b) >= target - len(a):
                            break
                    i -= len(chunk) - a_end
                else:
                    b = list(itertools.chain(*chunk[a_end:]))
                while len(a) + len(b) > max_tokens:
                    longer = a if len(a) > len(b) else b
                    longer.pop(0 if rng.random() < 0.5 else -1)
                found.append((a, b, is_random))
                chunk, length = [], 0
            i += 1
    return found


def sentences_of(corpus):
    """The corpus as lists again."""
    text = [
        corpus.tokens[i:j].tolist()
        for i, j in zip(corpus.sentences[:-1], corpus.sentences[1:], strict=True)
    ]
    return [text[i:j] for i, j in zip(corpus.documents[:-1], corpus.documents[1:], strict=True)]


def pairs_of(corpus, seed, **rules):
    documents = np.arange(len(corpus))
    return segment_pairs(corpus, documents, np.random.default_rng(seed), **rules)


@pytest.fixture(scope="module")
def both():
    """(lengths of A, of B, random or not) of 20 passes over one corpus: the original's and ours."""
    corpus = random_corpus(150, seed=3)
    documents = sentences_of(corpus)
    original, ours = [], []
    for seed in range(20):
        rng = random.Random(seed)
        original += [(len(a), len(b), r) for a, b, r in original_pairs(documents, rng, 61)]
        found = pairs_of(corpus, seed, max_tokens=61)
        ours += list(zip(found.length[::2], found.length[1::2], found.random_next, strict=True))
    return np.array(original), np.array(ours)


def test_as_many_pairs_as_in_the_original(both):
    original, ours = both
    assert len(ours) == pytest.approx(len(original), rel=0.02)


@pytest.mark.parametrize("column", [0, 1], ids=["A", "B"])
def test_segments_are_as_long_as_in_the_original(both, column):
    counts = [np.bincount(side[:, column], minlength=64)[1:62] for side in both]
    table = np.array(counts)[:, np.sum(counts, axis=0) > 50]
    assert stats.chi2_contingency(table).pvalue > 1e-4


def test_as_many_random_next_sentences_as_in_the_original(both):
    counts = [np.bincount(side[:, 2], minlength=2) for side in both]
    assert stats.chi2_contingency(counts).pvalue > 1e-4
    assert counts[1][1] / counts[1].sum() > 0.5, "a chunk of one sentence is always random"


def test_as_many_short_pairs_as_in_the_original(both):
    """In this corpus most documents fill several sequences, so totals below the maximum are due to
    short targets and to documents' ends."""
    counts = [np.bincount(side[:, :2].sum(axis=1) < 61, minlength=2) for side in both]
    assert stats.chi2_contingency(counts).pvalue > 1e-4


def test_tokens_come_off_the_front_and_the_back_alike():
    corpus = numbered_corpus([[40], [40]])
    starts = [
        pairs_of(corpus, seed, max_tokens=20, short=0.0).start[::2] % 40 for seed in range(300)
    ]
    # A keeps 10 of 40: 30 coins.
    taken = np.concatenate(starts)
    assert taken.mean() == pytest.approx(15, abs=4 * np.sqrt(30 / 4 / len(taken)))
    assert taken.var() == pytest.approx(30 / 4, rel=0.25)


@settings(max_examples=60, deadline=None)
@given(shape=shapes, seed=st.integers(0, 1000), max_tokens=st.integers(5, 30))
def test_segment_pairs_keep_their_promises(shape, seed, max_tokens):
    corpus = numbered_corpus(shape)
    found = pairs_of(corpus, seed, max_tokens=max_tokens, short=0.2)
    home = np.repeat(np.arange(len(corpus)), np.diff(corpus.sentences[corpus.documents]))
    a_start, b_start = found.start[::2], found.start[1::2]
    a_end, b_end = a_start + found.length[::2], b_start + found.length[1::2]
    assert (found.length >= 1).all()
    assert (a_end - a_start + b_end - b_start <= max_tokens).all()
    assert (home[a_start] == home[a_end - 1]).all()
    assert (home[b_start] == home[b_end - 1]).all()
    follows = ~found.random_next
    assert (home[a_start[follows]] == home[b_start[follows]]).all()
    assert (a_end[follows] <= b_start[follows]).all()
    # With ten tries each, a random segment from its own document has probability 2^-10 or less.
    own = (home[a_start] == home[b_start]) & found.random_next
    assert own.sum() <= 2


def test_unused_sentences_are_put_back():
    """Every sentence of a document is read as A, or as the B that follows an A."""
    corpus = numbered_corpus([[3] * 12, [3] * 12])
    found = pairs_of(corpus, 0, max_tokens=12, short=0.0)
    read = set()
    for i in range(len(found)):
        for k in (2 * i, 2 * i + 1):
            if k % 2 == 0 or not found.random_next[i]:
                read |= set(range(found.start[k], found.start[k] + found.length[k]))
    assert read == set(range(len(corpus.tokens)))


def test_every_next_sentence_can_be_random_or_only_where_it_must():
    corpus = numbered_corpus([[3] * 12, [3] * 12])
    assert pairs_of(corpus, 0, max_tokens=12, random_next=1.0).random_next.all()
    found = pairs_of(corpus, 0, max_tokens=12, short=0.0, random_next=0.0)
    assert not found.random_next.any()


# Full sentences


def greedy(documents, max_tokens):
    """Full sentences by hand: rows of tokens between [CLS] and the last [SEP]."""
    rows, row = [], []
    for document in documents:
        opening = True
        for sentence in document:
            for cut in range(0, len(sentence), max_tokens):
                piece = sentence[cut : cut + max_tokens]
                separator = [SEP] if opening and row else []
                if len(row) + len(separator) + len(piece) > max_tokens:
                    rows.append(row)
                    row, separator = [], []
                row = row + separator + piece
                opening = False
    return [*rows, row]


@settings(max_examples=60, deadline=None)
@given(shape=shapes, seed=st.integers(0, 1000), max_tokens=st.integers(3, 30))
def test_full_sentences_fill_each_sequence_with_the_sentences_that_fit(shape, seed, max_tokens):
    corpus = numbered_corpus(shape)
    order = np.random.default_rng(seed).permutation(len(corpus))
    found = full_sentences(
        corpus, np.arange(len(corpus)), np.random.default_rng(seed), max_tokens=max_tokens
    )
    width = max_tokens + 2
    rows = assemble(found, np.arange(len(found)), corpus, width)
    expected = greedy([sentences_of(corpus)[d] for d in order], max_tokens)
    assert rows.lengths.tolist() == [len(row) + 2 for row in expected]
    assert rows.tokens.tolist() == [
        [CLS, *row, SEP] + [PAD] * (width - len(row) - 2) for row in expected
    ]
    assert not rows.segments.any()


def test_every_token_is_read_once_an_epoch():
    corpus = random_corpus(50)
    found = full_sentences(corpus, np.arange(len(corpus)), np.random.default_rng(0), max_tokens=62)
    read = Counter(ranges(found.start, found.length).tolist())
    assert read == Counter(range(len(corpus.tokens)))


# Sequences as token ids


def test_a_pair_is_assembled_with_its_special_tokens_and_segments():
    corpus = numbered_corpus([[3, 2], [4]])
    found = pairs_of(corpus, 1, max_tokens=13, short=0.0)
    rows = assemble(found, np.arange(len(found)), corpus, 16)
    for i in range(len(found)):
        a, b = (
            corpus.tokens[found.start[k] : found.start[k] + found.length[k]].tolist()
            for k in (2 * i, 2 * i + 1)
        )
        real = [CLS, *a, SEP, *b, SEP]
        assert rows.lengths[i] == len(real)
        assert rows.tokens[i].tolist() == real + [PAD] * (16 - len(real))
        segments = [0] * (len(a) + 2) + [1] * (len(b) + 1)
        assert rows.segments[i].tolist() == segments + [0] * (16 - len(real))
        assert rows.special[i].tolist() == [t in (CLS, SEP, PAD) for t in rows.tokens[i]]
