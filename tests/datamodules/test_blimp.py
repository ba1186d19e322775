"""BLiMP's minimal pairs: files, what is scored, accuracies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from datamodules.downstream.blimp import Blimp
from datamodules.vocabulary import Vocabulary
from tests.datamodules.official import VOCABULARY, blimp_line

SHARED = Path(__file__).resolve().parents[3] / "shared/data"
LINES = [
    blimp_line(i, paradigm=f"p{i % 3}", phenomenon="islands" if i % 3 else "binding")
    for i in range(30)
]


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    (tmp_path / "blimp").mkdir()
    (tmp_path / "blimp/a.jsonl").write_text("\n".join(LINES[:20]), encoding="utf-8")
    (tmp_path / "blimp/b.jsonl").write_text("\n".join(LINES[20:]), encoding="utf-8")
    return tmp_path


def load(data_dir: Path, **settings) -> Blimp:
    return Blimp(
        parent_vocabulary=Vocabulary(VOCABULARY, True),
        data_dir=data_dir,
        seed_for=lambda stream, step: step,
        num_workers=0,
        **settings,
    )


def decoded(data: Blimp) -> list[str]:
    rows = [
        [VOCABULARY[token] for token, real in zip(tokens, mask, strict=True) if real]
        for batch in data.test_batches()
        for tokens, mask in zip(
            batch["tokens"].tolist(), batch["padding_mask"].tolist(), strict=True
        )
    ]
    assert all((row[0], row[-1]) == ("[CLS]", "[SEP]") for row in rows)
    return [" ".join(row[1:-1]).replace(" ##", "") for row in rows]


@pytest.mark.parametrize("batch_size", [4, 32])
def test_batches_hold_good_and_bad_sentences_in_turn(data_dir: Path, batch_size: int) -> None:
    data = load(data_dir, batch_size=batch_size)
    assert len(data.pairs) == 27, "one of each paradigm is for validation"
    assert decoded(data) == [text for pair in data.pairs for text in pair[:2]]
    assert sum(len(batch["tokens"]) for batch in data.validation_batches()) == 6
    assert len({pair.good for pair in data.pairs}) == 27


def test_as_many_pairs_of_each_paradigm_are_scored_as_asked_for(data_dir: Path) -> None:
    data = load(data_dir, pairs=4)
    counts = [sum(pair.paradigm == f"p{i}" for pair in data.pairs) for i in range(3)]
    assert counts == [3, 3, 3]
    assert set(data.pairs) < set(load(data_dir).pairs)


def test_accuracy_is_the_share_of_pairs_told_right_in_all_and_of_each_phenomenon(
    data_dir: Path,
) -> None:
    data = load(data_dir)
    likelihoods = np.zeros(54)
    for index, pair in enumerate(data.pairs):  # right in p0, wrong in p1, undecided in p2
        likelihoods[2 * index] = {"p0": 1.0, "p1": -1.0, "p2": 0.0}[pair.paradigm]
    expected = {"": 1 / 3, "binding": 1.0, "islands": 0.0}
    assert data.accuracies(likelihoods) == pytest.approx(expected)


@pytest.mark.parametrize("line", ['{"sentence_good": "a"', "[]", LINES[0].replace("UID", "id")])
def test_a_broken_line_is_told(data_dir: Path, line: str) -> None:
    (data_dir / "blimp/b.jsonl").write_text(f"{LINES[1]}\n{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"b.jsonl, line 2: expected an object with the texts sen"):
        load(data_dir)


def test_no_sentence_is_cut(data_dir: Path) -> None:
    with pytest.raises(ValueError, match=r"has \d+ tokens, and none may be cut: type data.seq"):
        load(data_dir, sequence_length=8)


@pytest.mark.skipif(not SHARED.exists(), reason="../shared/data is not at hand")
def test_the_real_file_has_67_paradigms_in_13_phenomena() -> None:
    data = load(SHARED, vocabulary="vocab/bert-base-uncased-vocab.txt", pairs=6)
    assert len(data.pairs) == 67 * 5
    assert len(data.accuracies(np.zeros(2 * 67 * 5))) == 1 + 13
