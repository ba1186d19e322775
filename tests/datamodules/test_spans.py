"""Span questions: sliding windows and the answers of their scores, by hand and brute force."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from datamodules.spans import Candidate, SpanQuestion, SpanReader, answer_texts, span_scores

CLS, SEP = 101, 102
# Room for 10 - 2 - 3 = 5 passage tokens.
READER = SpanReader(sequence_length=10, stride=2, cls=CLS, sep=SEP, max_answer_length=3, n_best=20)


def question(length: int = 9, start: int | None = None, end: int | None = None) -> SpanQuestion:
    """Passage tokens 10, 11, ... written as "w10 w11 ..."."""
    words = [f"w{10 + i}" for i in range(length)]
    answers = () if start is None else (" ".join(words[start : end + 1]),)
    return SpanQuestion(
        question=[1, 2],
        passage=range(10, 10 + length),
        text=" ".join(words),
        offsets=[(4 * i, 4 * i + 3) for i in range(length)],
        answers=answers,
        start=start,
        end=end,
    )


def test_windows_start_a_stride_apart_until_one_reaches_the_end():
    windows = READER.windows(question())
    assert [(w.first, w.size) for w in windows] == [(0, 5), (2, 5), (4, 5)]
    assert windows[1].row["tokens"] == [CLS, 1, 2, SEP, 12, 13, 14, 15, 16, SEP]
    assert windows[1].row["segments"] == [0] * 4 + [1] * 6
    assert windows[1].position == 4


def test_a_short_passage_has_one_window():
    (window,) = READER.windows(question(3))
    assert window.row["tokens"] == [CLS, 1, 2, SEP, 10, 11, 12, SEP]
    assert window.best.all()


def test_a_long_question_is_cut():
    reader = replace(READER, max_query_length=1)
    assert reader.windows(question())[0].row["tokens"][:3] == [CLS, 1, SEP]
    with pytest.raises(ValueError, match="which a question of 2 tokens fills"):
        replace(READER, sequence_length=5).windows(question())


def test_each_token_is_best_in_the_window_that_shows_most_of_its_context():
    windows = READER.windows(question())
    # Token 3 stands at 3 of 0..4 (one on its right) and at 1 of 2..6 (one on its left): the first.
    # Token 4 has none on its right in 0..4, two on both sides in 2..6, none on its left in 4..8.
    best = {int(t) + w.first: i for i, w in enumerate(windows) for t in np.flatnonzero(w.best)}
    assert best == {0: 0, 1: 0, 2: 0, 3: 0, 4: 1, 5: 1, 6: 2, 7: 2, 8: 2}


def test_a_window_without_the_whole_answer_points_at_cls():
    windows = READER.windows(question(start=4, end=5))
    assert [(w.row["start"], w.row["end"]) for w in windows] == [(0, 0), (6, 7), (4, 5)]
    windows = READER.windows(question())
    assert [(w.row["start"], w.row["end"]) for w in windows] == [(0, 0)] * 3


def test_the_answer_is_the_highest_sum_over_all_windows_by_brute_force():
    generator = np.random.default_rng(3)
    asked = question()
    windows = READER.windows(asked)
    for _ in range(200):
        start, end = generator.normal(size=(2, 3, 10))
        possible = [
            (start[i, w.position + a] + end[i, w.position + b], w.first + a, w.first + b)
            for i, w in enumerate(windows)
            for a, b in itertools.product(range(w.size), repeat=2)
            if a <= b < a + 3 and w.best[a]
        ]
        answer = READER.best(windows, start, end)
        assert (answer.score, answer.start, answer.end) == pytest.approx(max(possible))


def test_only_the_n_best_starts_and_ends_are_combined():
    (window,) = READER.windows(question(3))
    start, end = np.zeros(8), np.zeros(8)
    start[4:7], end[4:7] = [1, 0, 9], [8, 7, 0]
    # The best start, 2, and the best end, 0, make no answer.
    assert replace(READER, n_best=1).best_in(window, start, end) is None
    # With two each: starts {0, 2}, ends {0, 1}; (0, 0) has 1 + 8.
    assert replace(READER, n_best=2).best_in(window, start, end) == Candidate(0, 0, 9.0)
    assert READER.best_in(window, start, end) == Candidate(0, 0, 9.0)


def test_padding_is_never_answered():
    (window,) = READER.windows(question(3))
    start = np.full(10, -np.inf)
    start[:8] = 0
    assert READER.best_in(window, start, start) == Candidate(0, 0, 0.0)


def test_a_passage_may_lack_the_answer_where_that_is_allowed():
    asked = question(3)
    windows = READER.windows(asked)
    start = np.zeros((1, 8))
    start[0, 0] = 5
    assert READER.best(windows, start, start) == Candidate(0, 0, 0.0)
    allowed = replace(READER, answers_may_lack=True)
    chosen = [allowed.best(windows, start, start)]
    assert chosen == [None]
    assert answer_texts([asked], chosen) == [""]
    assert span_scores([asked], chosen)["score"] == 1


def test_answers_are_the_passages_own_characters_and_each_question_reads_its_windows():
    questions = [question(start=4, end=5), question(3, start=1, end=1)]
    windows = [READER.windows(q) for q in questions]
    rows = [w.row for mine in windows for w in mine]
    outputs = {name: np.eye(10)[[row[name] for row in rows]] for name in ("start", "end")}
    for scores in outputs.values():
        scores[:, 0] = 0
    chosen = READER.answers(windows, outputs)
    assert answer_texts(questions, chosen) == ["w14 w15", "w11"]
    assert span_scores(questions, chosen) == {
        "score": 1,
        "exact_match": 1,
        "f1": 1,
        "degenerate": 0,
    }
    outputs["start"] = outputs["start"][:-1]
    with pytest.raises(ValueError, match="of 3 windows; expected 4"):
        READER.answers(windows, outputs)
