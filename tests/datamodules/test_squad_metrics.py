"""SQuAD's exact match and F1, by hand and against torchmetrics."""

from __future__ import annotations

from random import Random

import pytest
from torchmetrics.text import SQuAD

from datamodules.squad_metrics import exact_match, f1, normalised, squad_scores


def test_answers_are_compared_without_case_articles_and_punctuation():
    assert normalised("The  Tower, of a\tKing's!") == "tower of kings"
    assert normalised("an Athens anthem") == "athens anthem"
    assert exact_match("the tower.", "Tower") == 1
    assert exact_match("towers", "tower") == 0


@pytest.mark.parametrize(
    ("prediction", "answer", "expected"),
    [
        ("red box", "red box", 1.0),
        ("red box", "blue box", 1 / 2),
        ("box", "the big red box", 1 / 2),  # precision 1, recall 1/3
        ("red red box", "red box box", 2 / 3),  # each word as often as both have it
        ("lamp", "box", 0.0),
        ("", "box", 0.0),
        ("box", "", 0.0),
        ("", "", 1.0),
        ("the", "a", 1.0),  # both are empty once normalised
    ],
)
def test_f1_is_over_words(prediction, answer, expected):
    assert f1(prediction, answer) == pytest.approx(expected)
    assert f1(answer, prediction) == pytest.approx(expected)


def test_the_best_of_the_accepted_answers_counts_and_none_expects_none():
    assert squad_scores(["red box"], [["lamp", "box", "red box"]]) == {"exact_match": 1, "f1": 1}
    assert squad_scores(["box", ""], [[], []]) == {"exact_match": 0.5, "f1": 0.5}
    with pytest.raises(ValueError, match="no questions to score"):
        squad_scores([], [])


def test_scores_equal_torchmetrics():
    random = Random(5)
    words = ["red", "box", "the", "Box", "lamp.", "a", "LAMP", "-", "blue"]

    def text() -> str:
        return " ".join(random.choices(words, k=random.randint(1, 4)))

    predictions = [text() for _ in range(400)]
    answers = [[text() for _ in range(random.randint(1, 3))] for _ in predictions]
    metric = SQuAD()
    metric.update(
        [{"id": str(i), "prediction_text": text} for i, text in enumerate(predictions)],
        [
            {"id": str(i), "answers": {"text": accepted, "answer_start": [0] * len(accepted)}}
            for i, accepted in enumerate(answers)
        ],
    )
    theirs = metric.compute()
    ours = squad_scores(predictions, answers)
    assert 100 * ours["exact_match"] == pytest.approx(float(theirs["exact_match"]), abs=1e-4)
    assert 100 * ours["f1"] == pytest.approx(float(theirs["f1"]), abs=1e-4)
