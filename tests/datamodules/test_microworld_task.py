"""The tasks of microworld as datamodules: splits, balance, batches, scores."""

from __future__ import annotations

import copy
import pickle
from collections import Counter

import numpy as np
import pytest

from datamodules.microworld.documents import documents
from datamodules.microworld.lexicon import decode
from datamodules.microworld.task import MicroworldTask, question_of

TASKS = ("coherence", "entailment", "paraphrase", "sentiment", "spans", "entities")


def seed_for(stream: str, step: int) -> int:
    return 1000 + step


def task(name: str, **settings) -> MicroworldTask:
    sizes = {"train_size": 300, "validation_size": 60, "test_size": 120}
    return MicroworldTask(task=name, **{**sizes, **settings}, seed_for=seed_for, num_workers=0)


def perfect(data: MicroworldTask, split: str) -> dict[str, np.ndarray]:
    """The outputs of a model that is always right."""
    rows = data.rows(split)
    width = data.sequence_length
    if data.kind == "classification":
        return {"logits": np.eye(data.num_labels)[[row["label"] for row in rows]]}
    if data.kind == "tagging":
        logits = np.zeros((len(rows), width, data.num_labels))
        for i, row in enumerate(rows):
            for t, label in enumerate(row["labels"]):
                logits[i, t, max(label, 0)] = 1
        return {"logits": logits}
    return {name: np.eye(width)[[row[name] for row in rows]] for name in ("start", "end")}


@pytest.mark.parametrize("name", TASKS)
def test_no_example_occurs_twice_in_all_splits_together(name):
    drawn = task(name).examples
    together = [example for split in drawn.values() for example in split]
    assert len(together) == len(set(together)) == 480


@pytest.mark.parametrize("name", TASKS)
def test_examples_belong_to_the_task_and_a_larger_training_set_adds_to_a_smaller(name):
    small, large = task(name), task(name, train_size=400)
    assert small.examples["test"] == large.examples["test"]
    assert small.examples["validation"] == large.examples["validation"]
    assert small.examples["train"] == large.examples["train"][:300]
    assert task(name, task_seed=7).examples["test"] != small.examples["test"]


def test_without_a_size_a_task_has_its_own():
    assert len(task("coherence", train_size=None).examples["train"]) == 128


@pytest.mark.parametrize("name", TASKS)
def test_the_classes_of_a_split_are_equally_many(name):
    data = task(name)
    kinds = [getattr(e, "label", None) for e in data.examples["test"]]
    assert set(Counter(kinds).values()) == {120 // len(data.classes)}
    if data.kind == "classification":
        assert data.facts() == {"majority": pytest.approx(1 / len(data.classes))}


@pytest.mark.parametrize("name", ["coherence", "entailment", "spans"])
def test_passages_are_no_part_of_pretraining_documents(name):
    """But for a few of two short sentences, of which the language has only so many."""
    stories = "\n".join(
        " ".join(decode(sentence) for sentence in story) for story in documents(seed=1, count=3000)
    )
    examples = [example for split in task(name).examples.values() for example in split]
    passages = [e.passage if name == "spans" else e.first for e in examples]
    assert sum(passage in stories for passage in passages) <= 0.01 * len(passages)


@pytest.mark.parametrize("name", TASKS)
def test_all_examples_fit_whole_into_a_row(name):
    data = task(name, train_size=2000)
    longest = max(len(row["tokens"]) for row in data.rows("train"))
    assert longest < data.sequence_length == 64
    if data.kind == "span":
        assert all(len(windows) == 1 for windows in data.windows["train"])


@pytest.mark.parametrize("name", TASKS)
def test_a_model_that_is_always_right_scores_one(name):
    data = task(name)
    scores = data.score("test", perfect(data, "test"))
    assert scores["score"] == 1
    assert scores["degenerate"] == 0


def test_a_short_row_shows_long_passages_in_several_windows():
    data = task("spans", sequence_length=16, stride=3)
    windows = data.windows["test"]
    assert all(len(mine) > 1 for mine in windows)
    for example, mine in zip(data.examples["test"], windows, strict=True):
        answer = question_of(example).passage[example.start : example.end + 1]
        answered = [w.row for w in mine if w.row["start"]]
        assert answered
        for row in answered:
            assert row["tokens"][row["start"] : row["end"] + 1] == list(answer)
    assert data.score("test", _zeros_but_right(data))["score"] == 1


def _zeros_but_right(data):
    outputs = perfect(data, "test")
    for scores in outputs.values():
        scores[:, 0] = 0  # windows without the answer say nothing
    return outputs


@pytest.mark.parametrize("name", TASKS)
def test_a_pickled_copy_draws_the_same_batches(name):
    data = task(name)
    batch = data.batch(3)
    again = pickle.loads(pickle.dumps(copy.copy(data))).batch(3)
    assert batch.keys() == again.keys()
    assert all((batch[key] == again[key]).all() for key in batch)
