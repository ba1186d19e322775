"""What a bag of words scores on microworld's tasks, and how fast its documents are written.

Logistic regression on the words of A and of B, their products and how many are shared; for spans,
on each token by itself: its word, the question's first word, and whether the question has the word.
"""

from __future__ import annotations

import time
from typing import Any, Literal

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from datamodules.finetuning import Split
from datamodules.microworld.documents import documents
from datamodules.microworld.lexicon import encode
from datamodules.microworld.task import MicroworldTask

Task = Literal["coherence", "entailment", "paraphrase", "sentiment", "spans"]
CLASSIFICATION: tuple[Task, ...] = ("coherence", "entailment", "paraphrase", "sentiment")
NUM_DOCUMENTS = 10_000
C = 0.3  # the regressions' inverse regularisation


def _regression() -> LogisticRegression:
    return LogisticRegression(C=C, max_iter=1000)


def _task(name: Task, train_size: int | None) -> MicroworldTask:
    return MicroworldTask(
        task=name,
        train_size=train_size,
        seed_for=lambda stream, step: step,
        num_workers=0,
    )


def _bags(texts: list[str], vocab_size: int) -> np.ndarray:
    return np.stack([np.bincount(encode(text), minlength=vocab_size) for text in texts])


def _features(examples: list[Any], vocab_size: int) -> csr_matrix:
    first = _bags([e.first for e in examples], vocab_size)
    second = _bags([e.second or "" for e in examples], vocab_size)
    shared = np.minimum(first, second).sum(axis=1, keepdims=True)
    return csr_matrix(np.hstack([first, second, first * second, shared]), dtype=float)


def bag_of_words_accuracy(name: Task, train_size: int | None = 2000) -> float:
    """Of a classification task, on its test set; None trains on as many as the sweeps do."""
    data = _task(name, train_size)
    model = _regression().fit(
        _features(data.examples["train"], data.vocab_size),
        [row["label"] for row in data.rows("train")],
    )
    logits = model.decision_function(_features(data.examples["test"], data.vocab_size))
    if logits.ndim == 1:
        logits = np.stack([-logits, logits], axis=1)
    return data.score("test", {"logits": logits})["score"]


def bag_of_words_spans(train_size: int | None = 2000) -> dict[str, float]:
    """The span task's test scores with each token scored by itself."""
    data = _task("spans", train_size)

    def features(split: Split) -> tuple[csr_matrix, dict[str, np.ndarray], np.ndarray]:
        rows = data.rows(split)
        places = [
            (index, position)
            for index, row in enumerate(rows)
            for position, segment in enumerate(row["segments"])
            if segment
        ]
        columns = []
        for index, position in places:
            tokens = rows[index]["tokens"]
            word, question = tokens[position], tokens[1 : tokens.index(tokens[-1])]
            pair = question[0] * data.vocab_size + word
            columns.append((pair, data.vocab_size**2 + (word in question)))
        indices = np.array(columns)
        matrix = csr_matrix(
            (np.ones(indices.size), indices.ravel(), np.arange(0, indices.size + 1, 2)),
            shape=(len(indices), data.vocab_size**2 + 2),
        )
        targets = {
            "start": np.array([rows[i]["start"] == position for i, position in places]),
            "end": np.array([rows[i]["end"] == position for i, position in places]),
        }
        return matrix, targets, np.array(places)

    train, targets, _ = features("train")
    test, _, places = features("test")
    outputs = {}
    for name in ("start", "end"):
        model = _regression().fit(train, targets[name])
        scores = np.full((len(data.rows("test")), data.sequence_length), -np.inf)
        scores[places[:, 0], places[:, 1]] = model.decision_function(test)
        outputs[name] = scores
    return data.score("test", outputs)


def main() -> None:
    begin = time.perf_counter()
    stories = documents(seed=1, count=NUM_DOCUMENTS)
    seconds = time.perf_counter() - begin
    tokens = sum(len(sentence) for story in stories for sentence in story)
    print(f"{NUM_DOCUMENTS:,} documents, {tokens:,} tokens: {seconds:.2f} s")
    sizes = MicroworldTask.train_sizes
    print("                            bag of words")
    print("              majority      2,000 examples  as many as in the sweeps")
    for name in CLASSIFICATION:
        majority = _task(name, 1).facts()["majority"]
        equal, own = bag_of_words_accuracy(name), bag_of_words_accuracy(name, None)
        print(f"{name:<13} {majority:<13.3f} {equal:<15.3f} {own:.3f} ({sizes[name]:,})")
    equal, own = bag_of_words_spans()["score"], bag_of_words_spans(None)["score"]
    print(f"{'spans':<13} {'':<13} {equal:<15.3f} {own:.3f} ({sizes['spans']:,})")
