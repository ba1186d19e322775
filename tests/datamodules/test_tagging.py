"""Entity tagging: first sub-tokens, entities of tags, F1."""

from __future__ import annotations

import numpy as np
import pytest

from datamodules.tagging import entities, first_subtoken_labels, tagging_scores

TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")


def test_only_the_first_subtoken_of_a_word_has_its_label():
    word_of = [None, 0, 0, 1, 2, 2, 2, None]
    assert first_subtoken_labels(word_of, [5, 6, 7]) == [-100, 5, -100, 6, 7, -100, -100, -100]


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("O O", set()),
        ("B-PER I-PER O B-LOC", {("PER", 0, 1), ("LOC", 3, 3)}),
        ("B-PER B-PER", {("PER", 0, 0), ("PER", 1, 1)}),
        ("B-PER I-LOC", {("PER", 0, 0), ("LOC", 1, 1)}),
        ("I-PER I-PER O I-PER", {("PER", 0, 1), ("PER", 3, 3)}),
    ],
)
def test_entities_are_maximal_runs(tags, expected):
    assert entities(tags.split()) == expected


def test_f1_counts_whole_entities():
    labels = [[-100, 1, 2, 0, 3, -100], [1, 0]]
    predicted = [[0, 1, 0, 0, 3, 0], [1, 0, 0, 0, 0, 0]]  # PER cut short, LOC right; PER right
    scores = tagging_scores(labels, {"logits": np.eye(5)[predicted]}, tags=TAGS)
    assert scores["precision"] == scores["recall"] == scores["f1"] == pytest.approx(2 / 3)
    assert scores["accuracy"] == pytest.approx(5 / 6)
    assert scores["degenerate"] == 0


def test_no_entity_anywhere_is_degenerate_and_scores_nothing():
    scores = tagging_scores([[1, 2]], {"logits": np.eye(5)[[[0, 0]]]}, tags=TAGS)
    assert scores["score"] == 0
    assert scores["degenerate"] == 1
