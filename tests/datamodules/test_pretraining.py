"""The pre-training task: batches as functions of (seed, step), shared text, held-out documents."""

from __future__ import annotations

import hashlib
import pickle
import sys
from functools import partial
from types import ModuleType

import numpy as np
import pytest
import torch

from datamodules.pretraining import Pretraining
from datamodules.text.corpus import Corpus, split
from tests.datamodules.text_corpora import CLS, PAD, SEP, VOCABULARY, random_corpus


def stream_seed(seed: int, stream: str, step: int) -> int:
    digest = hashlib.sha256(f"{seed}/{stream}/{step}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


@pytest.fixture(autouse=True)
def generated(monkeypatch):
    """A stand-in for the embedded language: random words in random documents."""
    stub = ModuleType("datamodules.microworld.documents")
    stub.VOCABULARY = VOCABULARY

    def documents(seed, count):
        generator = np.random.default_rng(seed)
        return [
            [
                generator.integers(5, 2000, generator.integers(3, 12)).tolist()
                for _ in range(generator.integers(2, 12))
            ]
            for _ in range(count)
        ]

    stub.documents = documents
    monkeypatch.setitem(sys.modules, "datamodules.microworld.documents", stub)


def pretraining(seed=0, tmp_path=None, **settings) -> Pretraining:
    defaults = {"num_documents": 200, "sequence_length": 32, "batch_size": 8, "num_workers": 0}
    return Pretraining(
        **{**defaults, "data_dir": tmp_path, "seed_for": partial(stream_seed, seed), **settings}
    )


def equal(one, other) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def text(batch, data) -> list[list[int]]:
    """A batch's tokens as they were before masking."""
    tokens = batch["tokens"].clone()
    if data.objective == "mlm":
        tokens.ravel()[batch["predict"]] = batch["targets"]
    return tokens.tolist()


# A batch


@pytest.mark.parametrize("packing", ["segment_pairs", "full_sentences"])
@pytest.mark.parametrize("objective", ["mlm", "ltr", "rtl"])
def test_a_batch_holds_what_it_says(packing, objective):
    data = pretraining(packing=packing, objective=objective)
    batch = data.batch(0)
    shapes = {key: tuple(value.shape) for key, value in batch.items()}
    n = len(batch["predict"])
    expected = {"tokens": (8, 32), "segments": (8, 32), "predict": (n,), "targets": (n,)}
    if packing == "segment_pairs":
        expected["next_sentence"] = (8,)
    assert shapes == {**expected, "padding_mask": (8, 32)}
    assert batch.pop("padding_mask").dtype == torch.bool
    assert {value.dtype for value in batch.values()} == {torch.int64}
    assert batch["tokens"].max() < data.vocab_size == len(data.vocabulary)


def test_padding_is_told_and_only_where_there_is_some():
    data = pretraining(batch_size=1, objective="ltr")
    seen = set()
    for step in range(60):
        batch = data.batch(step)
        padded = bool((batch["tokens"] == PAD).any())
        assert padded == ("padding_mask" in batch)
        if padded:
            assert torch.equal(batch["padding_mask"], batch["tokens"] != PAD)
        seen.add(padded)
    assert seen == {True, False}


def test_left_to_right_and_right_to_left_predict_every_ordinary_token_once():
    for objective, step in (("ltr", 1), ("rtl", -1)):
        batch = pretraining(objective=objective).batch(3)
        tokens, predicted = batch["tokens"], batch["predict"] + step
        assert torch.equal(tokens.ravel()[predicted], batch["targets"])
        ordinary = torch.isin(tokens, torch.tensor([PAD, CLS, SEP]), invert=True).ravel()
        counts = torch.bincount(predicted, minlength=tokens.numel())
        assert (counts[ordinary] == 1).all()
        assert counts.max() == 1


# The same text for every arm, a function of (seed, step)


@pytest.mark.parametrize("packing", ["segment_pairs", "full_sentences"])
def test_arms_read_the_same_text_whatever_they_predict(packing):
    arms = [
        pretraining(packing=packing, objective=objective, mask_rate=rate)
        for objective, rate in [("mlm", 0.15), ("mlm", 0.4), ("ltr", 0.15), ("rtl", 0.15)]
    ]
    for step in (0, 1, 70):
        first, *others = (text(arm.batch(step), arm) for arm in arms)
        assert all(other == first for other in others)


def test_another_seed_reads_and_masks_otherwise():
    one, other = pretraining(seed=0), pretraining(seed=1)
    assert text(one.batch(0), one) != text(other.batch(0), other)


def test_batch_k_is_the_same_for_whoever_asks_and_when():
    straight = pretraining()
    batches = [straight.batch(step) for step in range(3 * straight.steps_per_epoch)]
    for step in (len(batches) - 1, 0, straight.steps_per_epoch, 5):
        assert equal(pretraining().batch(step), batches[step])
    resumed = pretraining()
    assert all(equal(resumed.batch(step), batches[step]) for step in reversed(range(len(batches))))


def test_an_epoch_is_a_permutation_and_the_next_one_another():
    data = pretraining(packing="full_sentences", objective="ltr", batch_size=4)
    epochs = [
        [row for k in range(data.steps_per_epoch) for row in data.batch(k + start)["tokens"]]
        for start in (0, data.steps_per_epoch)
    ]
    rows = [[tuple(row.tolist()) for row in epoch] for epoch in epochs]
    assert len(set(rows[0])) == len(rows[0])
    assert rows[0] != rows[1]


def test_a_worker_processes_copy_reads_the_same_batches():
    copy = pickle.loads(pickle.dumps(pretraining()))
    assert equal(copy.batch(2), pretraining().batch(2))


def test_a_corpus_smaller_than_a_batch_is_read_over_and_over():
    data = pretraining(num_documents=8, batch_size=256)
    assert data.steps_per_epoch == 1
    assert data.batch(0)["tokens"].shape == (256, 32)


# Held-out documents


@pytest.mark.parametrize("packing", ["segment_pairs", "full_sentences"])
def test_validation_and_test_are_the_same_for_every_seed_and_not_trained_on(packing):
    one, other = (pretraining(seed=seed, packing=packing, objective="ltr") for seed in (0, 1))
    for batches in ("validation_batches", "test_batches"):
        for a, b in zip(getattr(one, batches)(), getattr(other, batches)(), strict=True):
            assert equal(a, b)
    trained = trigrams(one.batch(k)["tokens"] for k in range(one.steps_per_epoch))
    held_out = trigrams(
        batch["tokens"] for batch in (*one.validation_batches(), *one.test_batches())
    )
    # Random words: that three in a row occur twice by chance has a probability of 1e-4.
    assert len(held_out) > 100
    assert len(held_out & trained) <= 2


def trigrams(batches) -> set[tuple[int, ...]]:
    rows = [row for batch in batches for row in batch.tolist()]
    found = {tuple(row[i : i + 3]) for row in rows for i in range(len(row) - 2)}
    return {trigram for trigram in found if min(trigram) >= 5}


def test_arms_of_one_objective_are_validated_on_the_same_masks():
    one, other = pretraining(seed=0), pretraining(seed=5, batch_size=4)
    for a, b in zip(one.validation_batches(), other.validation_batches(), strict=True):
        assert equal(a, b)


def test_an_evaluation_reads_at_most_what_it_was_told():
    data = pretraining(num_documents=800, held_out=0.1, validation_sequences=70)
    assert [len(batch["tokens"]) for batch in data.validation_batches()] == [64, 6]


def test_documents_are_held_out_by_content_wherever_they_stand():
    corpus = random_corpus(300)
    order = np.random.default_rng(1).permutation(300)
    documents = [
        [
            corpus.tokens[corpus.sentences[s] : corpus.sentences[s + 1]].tolist()
            for s in range(corpus.documents[d], corpus.documents[d + 1])
        ]
        for d in range(300)
    ]
    shuffled = Corpus.of([documents[d] for d in order], VOCABULARY)
    parts, moved = (split(c, 0.05, at_least=2) for c in (corpus, shuffled))
    assert [len(part) for part in parts] == [270, 15, 15]
    for part, again in zip(parts, moved, strict=True):
        assert set(part) == set(order[again])
    twice = Corpus.of(documents + documents, VOCABULARY)
    for part in split(twice, 0.05, at_least=2):
        assert set(part % 300) == set(part[part < 300]), "copies stay together"


# Mistakes


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_documents": None}, "type data.num_documents=20000"),
        ({"vocab_size": 100}, "vocabulary of its own: type data.vocabulary=null"),
        ({"corpus": "books.txt"}, r"books\.txt is read whole: type data=corpus data.corpus=books"),
        ({"mask_token_share": 0.95}, "add up to more than 1"),
        ({"num_documents": 5}, "has 5 documents.*expected at least 6"),
    ],
)
def test_a_mistake_is_one_clear_sentence(settings, message):
    with pytest.raises(ValueError, match=message):
        pretraining(**settings)
