"""SQuAD 1.1 from its official JSON: spans, windows, the answers' text, and what is broken."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from datamodules.downstream.squad import Squad
from datamodules.squad_metrics import exact_match
from datamodules.vocabulary import Vocabulary
from tests.datamodules.official import VOCABULARY, squad

SHARED = Path(__file__).resolve().parents[3] / "shared/data"
PASSAGE = "The big cat sat on one mat. It was not very red, and the Dog ran under one tree."
SHORT = "One dog was red."


def question(text: str, *answers: str, passage: str = PASSAGE):
    return text, [(answer, passage.index(answer)) for answer in answers]


TRAIN = [
    [
        (PASSAGE, [question("what sat ?", "The big cat", "cat"), question("was it ?", "not very")]),
        (SHORT, [question("what was red ?", "One dog", passage=SHORT)]),
    ]
]
DEV = [[(PASSAGE, [question("what ran ?", "the Dog", "Dog"), question("on what ?", "one mat")])]]


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "squad"
    folder.mkdir()
    (folder / "train-v1.1.json").write_text(squad(TRAIN), encoding="utf-8")
    (folder / "dev-v1.1.json").write_text(squad(DEV), encoding="utf-8")
    return tmp_path


def load(data_dir: Path, **settings) -> Squad:
    defaults = {"validation_size": 1, "sequence_length": 32, "stride": 8}
    return Squad(
        parent_vocabulary=Vocabulary(VOCABULARY, True),
        data_dir=data_dir,
        seed_for=lambda stream, step: step,
        num_workers=0,
        **defaults | settings,
    )


def pointing(data: Squad, split: str = "test") -> dict[str, np.ndarray]:
    """Scores that are certain of each window's own start and end."""
    rows = data.rows(split)
    width = max(len(row["tokens"]) for row in rows)
    return {
        end: np.array([np.where(np.arange(width) == row[end], 9.0, 0.0) for row in rows])
        for end in ("start", "end")
    }


def test_questions_passages_and_spans_are_those_of_the_file(data_dir: Path) -> None:
    data = load(data_dir)
    found = {q.answers: q for split in ("train", "validation") for q in data.asked[split]}
    assert set(found) == {("The big cat", "cat"), ("not very",), ("One dog",)}
    asked = found["The big cat", "cat"]
    shown = [VOCABULARY[token] for token in asked.question]
    assert shown == ["w", "##h", "##a", "##t", "sat", "?"]
    shown = [VOCABULARY[token] for token in asked.passage[asked.start : asked.end + 1]]
    assert shown == ["the", "big", "cat"]
    assert asked.offsets[asked.end] == (8, 11)


def test_questions_on_one_passage_are_on_one_side(data_dir: Path) -> None:
    for size in (1, 2):
        parts = load(data_dir, validation_size=size).questions
        assert not {q.passage for q in parts.train} & {q.passage for q in parts.validation}
        assert len(parts.train) + len(parts.validation) == 3


@pytest.mark.parametrize("length", [20, 32, 64])
def test_the_right_spans_are_answered_as_the_passage_has_them(data_dir: Path, length: int) -> None:
    data = load(data_dir, sequence_length=length)
    assert (len(data.rows("test")) > 2) == (length < 32)
    assert data.facts()["windows_per_question"] >= 1
    scores = data.score("test", pointing(data))
    assert scores["exact_match"] == scores["f1"] == scores["score"] == 1
    assert scores["degenerate"] == 0


def test_a_wrong_span_scores_what_its_words_share(data_dir: Path) -> None:
    data = load(data_dir, sequence_length=64)
    outputs = pointing(data)
    ran = next(i for i, q in enumerate(data.asked["test"]) if q.answers[0] == "the Dog")
    outputs["end"][ran] = np.roll(outputs["end"][ran], 1)  # "the Dog ran": f1 of "dog ran", "dog"
    scores = data.score("test", outputs)
    assert scores["exact_match"] == 0.5
    assert scores["f1"] == pytest.approx((1 + 2 / 3) / 2)


def _without_answers(text: str) -> str:
    read = json.loads(text)
    read["data"][0]["paragraphs"][0]["qas"][0]["answers"] = []
    return json.dumps(read)


def _from_the_end(text: str) -> str:
    """A start that Python counts from the passage's end, at the same words."""
    read = json.loads(text)
    paragraph = read["data"][0]["paragraphs"][0]
    answer = paragraph["qas"][0]["answers"][0]
    answer["answer_start"] -= len(paragraph["context"])
    return json.dumps(read)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text[: len(text) // 2], r"line 1, column \d+: broken or cut off"),
        (lambda text: "[]", "expected 'data' to be list, found 'None'"),
        (lambda text: '{"data": 3}', "expected 'data' to be list, found '3'"),
        (lambda text: '{"data": []}', "expected examples, found none"),
        (_from_the_end, "question q1: expected the answer .* at character -"),
        (lambda text: text.replace('"qas"', '"questions"', 1), "article 0: expected 'qas' to be l"),
        (
            lambda text: text.replace('"text": "not very"', '"text": "not wery"'),
            r"question q2: expected the answer 'not wery' at character \d+, found 'not very",
        ),
        (lambda text: text.replace('"One dog"', '""'), "question q3: expected the answer ''"),
        (lambda text: text.replace("what was red ?", " "), "question q3: .* found an empty text"),
        (_without_answers, "question q1: expected an answer, found none"),
    ],
)
def test_a_broken_file_is_told_with_the_place(data_dir: Path, change, said: str) -> None:
    path = data_dir / "squad/train-v1.1.json"
    text = path.read_text(encoding="utf-8")
    path.write_text(change(text), encoding="utf-8")
    with pytest.raises(ValueError, match=rf"train-v1.1.json.*{said}"):
        load(data_dir)


def test_two_training_files_or_none_are_a_mistake(data_dir: Path) -> None:
    (data_dir / "squad/train-v1.1.subset.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match=r"has 2 files named train-v1.1\*: expected one"):
        load(data_dir)
    for path in (data_dir / "squad").glob("train*"):
        path.unlink()
    with pytest.raises(ValueError, match="has 0 files named train"):
        load(data_dir)


def test_the_hubs_copy_gives_the_same_questions(data_dir: Path, monkeypatch) -> None:
    datasets = pytest.importorskip("datasets")
    ours = load(data_dir).questions

    def load_dataset(name, configuration, *, split, revision):
        number, rows = 0, []
        for paragraphs in {"train": TRAIN, "validation": DEV}[split]:
            for context, asked in paragraphs:
                for text, answers in asked:
                    number += 1
                    told = {
                        "text": [answer for answer, _ in answers],
                        "answer_start": [start for _, start in answers],
                    }
                    rows.append(
                        {"id": f"q{number}", "question": text, "context": context, "answers": told}
                    )
        return rows

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    assert load(data_dir, source="hub:rajpurkar/squad@" + "0" * 40).questions == ours


@pytest.mark.skipif(not SHARED.exists(), reason="../shared/data is not at hand")
def test_the_real_questions_answers_are_found_again_from_their_tokens() -> None:
    data = load(
        SHARED,
        vocabulary="vocab/bert-base-uncased-vocab.txt",
        sequence_length=128,
        test_size=1500,
        train_size=500,
        stride=64,
        max_query_length=32,
    )
    questions = data.asked["test"]
    assert len(questions) == 1500
    found = [
        exact_match(q.text[q.offsets[q.start][0] : q.offsets[q.end][1]], q.answers[0])
        for q in questions
    ]
    # The others' answers end within a word: 'Japan' of 'Japanese'.
    assert np.mean(found) > 0.98
    assert data.score("test", pointing(data))["f1"] > 0.98
