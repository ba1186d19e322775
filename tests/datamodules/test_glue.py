"""GLUE's nine tasks from files in the official formats, their quirks, and what is broken."""

from __future__ import annotations

import lzma
from pathlib import Path

import numpy as np
import pytest

from datamodules.downstream.glue import Glue
from datamodules.downstream.glue_files import TASKS, splits
from datamodules.vocabulary import Vocabulary
from tests.datamodules.official import (
    FOLDERS,
    VOCABULARY,
    glue_row,
    header,
    label,
    sentence,
    tsv,
    write_glue,
)

SHARED = Path(__file__).resolve().parents[3] / "shared/data"
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="../shared/data is not at hand")


def glue(data_dir: Path, task: str, **settings) -> Glue:
    defaults = {"validation_size": 4, "parent_vocabulary": Vocabulary(VOCABULARY, True)}
    return Glue(
        task=task,
        data_dir=data_dir,
        seed_for=lambda stream, step: step,
        num_workers=0,
        **defaults | settings,
    )


def test_there_are_nine_tasks():
    assert set(TASKS) == set(FOLDERS) == set(Glue.folders)
    assert Glue.folders == FOLDERS


@pytest.mark.parametrize("task", TASKS)
def test_every_task_is_read_from_its_official_columns(task: str, tmp_path: Path):
    write_glue(tmp_path, task)
    data = glue(tmp_path, task)
    assert [len(data.pairs.train), len(data.pairs.validation)] == [16, 4]
    labels = TASKS[task].labels
    wanted = {label(task, i): None for i in range(20)}
    found = {(p.first, p.second, p.label) for p in data.pairs.train + data.pairs.validation}
    assert found == {
        (
            sentence(i),
            None if len(TASKS[task].texts) == 1 else sentence(i + 1),
            labels.index(label(task, i)) if labels else float(label(task, i)),
        )
        for i in range(20)
    }
    assert set(labels or wanted) == set(wanted)
    assert data.num_labels == (len(labels) or 1)
    batch = data.batch(0)
    assert batch["tokens"].shape == batch["segments"].shape
    assert batch["segments"].max() == len(TASKS[task].texts) - 1
    assert str(batch["labels"].dtype) == ("torch.int64" if labels else "torch.float32")


def row_of(tmp_path: Path, task: str, *columns: str) -> Path:
    path = write_glue(tmp_path, task) / "train.tsv"
    rows = [glue_row(task, i) for i in range(20)]
    rows[7] = list(columns)
    path.write_text(tsv(rows, header(task)), encoding="utf-8")
    return path


def test_quotation_marks_are_characters_and_join_no_rows(tmp_path: Path):
    row_of(tmp_path, "qnli", "7", '"what was red', 'a "cat', "entailment")
    data = glue(tmp_path, "qnli")
    pairs = data.pairs.train + data.pairs.validation
    assert len(pairs) == 20
    assert ('"what was red', 'a "cat', 0) in pairs


def test_mrpc_may_begin_with_a_byte_order_mark_and_have_windows_line_ends(tmp_path: Path):
    path = write_glue(tmp_path, "mrpc") / "train.tsv"
    plain = glue(tmp_path, "mrpc").pairs
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert glue(tmp_path, "mrpc").pairs == plain


def test_colas_first_line_is_an_example(tmp_path: Path):
    write_glue(tmp_path, "cola")
    pairs = glue(tmp_path, "cola").pairs
    assert sentence(0) in [pair.first for pair in pairs.train + pairs.validation]


def test_files_may_be_compressed(tmp_path: Path):
    folder = write_glue(tmp_path, "rte")
    plain = glue(tmp_path, "rte").pairs
    for path in list(folder.iterdir()):
        path.with_name(path.name + ".xz").write_bytes(lzma.compress(path.read_bytes()))
        path.unlink()
    assert glue(tmp_path, "rte").pairs == plain


@pytest.mark.parametrize(
    ("task", "row", "said"),
    [
        (
            "sst2",
            ["the cat"],
            "line 9: expected 2 columns with tabs between them, found 1: the cat",
        ),
        ("sst2", ["the cat", "1", "0"], "line 9: expected 2 columns .* found 3"),
        ("sst2", ["the cat", "2"], "line 9: expected a label of 0, 1, found '2'"),
        ("sst2", [" ", "1"], "line 9: expected a text, found an empty one"),
        ("cola", ["gj04", "1", "", ""], "line 8: expected a text, found an empty one"),
        ("qnli", ["7", "what", "", "entailment"], "line 9: expected a text"),
        ("qnli", ["7", "what", "the cat", "Entailment"], "expected a label of entailment, not_ent"),
    ],
)
def test_a_broken_row_is_told_with_its_file_and_line(tmp_path: Path, task, row, said):
    path = row_of(tmp_path, task, *row)
    with pytest.raises(ValueError, match=f"{path}, {said}" if "line" in said else said):
        glue(tmp_path, task)


@pytest.mark.parametrize(
    ("score", "ok"), [("5.000", True), ("-0.1", False), ("5.1", False), ("", False), ("nan", False)]
)
def test_a_similarity_is_from_0_to_5(tmp_path: Path, score, ok):
    row_of(tmp_path, "stsb", *glue_row("stsb", 7)[:-1], score)
    if ok:
        glue(tmp_path, "stsb")
    else:
        with pytest.raises(ValueError, match=r"line 9: expected a similarity from 0 to 5, found '"):
            glue(tmp_path, "stsb")


def test_wrong_columns_a_wrong_encoding_and_a_missing_file_are_told(tmp_path: Path):
    path = write_glue(tmp_path, "sst2") / "train.tsv"
    good = path.read_bytes()
    path.write_bytes(good.replace(b"sentence\tlabel", b"text\tlabel"))
    with pytest.raises(ValueError, match="line 1: expected a header with the columns sentence, la"):
        glue(tmp_path, "sst2")
    path.write_bytes(good.splitlines(keepends=True)[0])
    with pytest.raises(ValueError, match=r"train.tsv: expected examples, found none"):
        glue(tmp_path, "sst2")
    path.write_bytes(good.replace(b"cat", b"caf\xe9", 1))
    with pytest.raises(ValueError, match=r"train.tsv, line \d+: expected UTF-8 text, .* 0xe9"):
        glue(tmp_path, "sst2")
    compressed = lzma.compress(good)
    path.with_name("train.tsv.xz").write_bytes(compressed[: len(compressed) // 2])
    path.unlink()
    with pytest.raises(ValueError, match=r"train.tsv.xz, after line \d+: damaged or cut off"):
        glue(tmp_path, "sst2")
    path.with_name("train.tsv.xz").unlink()
    with pytest.raises(ValueError, match=r"there is no .*train.tsv, plain or with .gz"):
        glue(tmp_path, "sst2")


def test_few_broken_rows_of_qqp_are_passed_over_and_many_are_an_error(tmp_path: Path, capsys):
    row_of(tmp_path, "qqp", "7", "8", "9", "a question broken")
    pairs = glue(tmp_path, "qqp").pairs
    assert len(pairs.train) + len(pairs.validation) == 19
    assert "1 broken rows were passed over, the last one line 9" in capsys.readouterr().err
    path = tmp_path / "glue/QQP/train.tsv"
    path.write_text(path.read_text(encoding="utf-8") + "broken\nrows\n", encoding="utf-8")
    with pytest.raises(ValueError, match="3 of its rows are broken, the last one line 23"):
        glue(tmp_path, "qqp")


def test_held_out_examples_follow_from_their_texts_and_a_larger_part_contains_a_smaller(tmp_path):
    folder = write_glue(tmp_path, "rte", train=60)
    small, large = glue(tmp_path, "rte", train_size=10), glue(tmp_path, "rte", train_size=30)
    assert large.pairs.train[:10] == small.pairs.train
    assert large.pairs.validation == small.pairs.validation
    assert not set(large.pairs.validation) & set(glue(tmp_path, "rte").pairs.train)
    path = folder / "train.tsv"
    head, *rows = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join([head, *reversed(rows)]), encoding="utf-8")
    assert glue(tmp_path, "rte", train_size=10).pairs == small.pairs


def test_equal_texts_are_on_one_side(tmp_path: Path):
    path = write_glue(tmp_path, "sst2") / "train.tsv"
    path.write_text("sentence\tlabel\n" + "a cat\t1\n" * 5 + "the dog\t0\n" * 5, encoding="utf-8")
    pairs = glue(tmp_path, "sst2", validation_size=2).pairs
    assert len(pairs.validation) == len(pairs.train) == 5
    assert not {p.first for p in pairs.validation} & {p.first for p in pairs.train}


def test_more_examples_than_there_are_is_a_mistake(tmp_path: Path):
    write_glue(tmp_path, "rte")
    with pytest.raises(ValueError, match=r"data.train_size=17, but .* has 16 examples for it"):
        glue(tmp_path, "rte", train_size=17)
    with pytest.raises(ValueError, match=r"data.train_size=None, but .* has 0 examples"):
        glue(tmp_path, "rte", validation_size=20)
    with pytest.raises(ValueError, match=r"data.test_size=7, but .* has 6 examples"):
        glue(tmp_path, "rte", test_size=7)


def test_texts_are_encoded_as_bert_does(tmp_path: Path):
    row_of(tmp_path, "qnli", "7", "The CAT  sat?", "one mat", "entailment")
    data = glue(tmp_path, "qnli")
    parts = [*data.pairs.train, *data.pairs.validation]
    place = [pair.first for pair in parts].index("The CAT  sat?")
    rows = [*data.rows("train")[:], *data.rows("validation")[:]]
    expected = ["[CLS]", "the", "cat", "sat", "?", "[SEP]", "one", "mat", "[SEP]"]
    assert [VOCABULARY[token] for token in rows[place]["tokens"]] == expected
    assert rows[place]["segments"] == [0] * 6 + [1] * 3


def test_a_vocabulary_of_another_language_is_refused(tmp_path: Path):
    write_glue(tmp_path, "rte")
    foreign = Vocabulary([*VOCABULARY[:5], "один", "два", "."], True)
    with pytest.raises(ValueError, match=r"% of the task's tokens are \[UNK\]"):
        glue(tmp_path, "rte", parent_vocabulary=foreign).batch(0)
    with pytest.raises(ValueError, match="no parent to take a vocabulary from"):
        glue(tmp_path, "rte", parent_vocabulary=None)


# Scores


def logits(predictions: list[int]) -> dict[str, np.ndarray]:
    return {"logits": np.eye(3)[predictions]}


def test_scores_are_those_of_the_task(tmp_path: Path):
    for task in ("mrpc", "cola", "stsb", "mnli"):
        write_glue(tmp_path, task)
    truth = [pair.label for pair in glue(tmp_path, "mrpc").pairs.test]
    right = glue(tmp_path, "mrpc").score("test", logits(truth))
    assert right == {"score": 1, "accuracy": 1, "f1": 1, "degenerate": 0}
    truth = [pair.label for pair in glue(tmp_path, "cola").pairs.test]
    wrong = glue(tmp_path, "cola").score("test", logits([1 - x for x in truth]))
    assert (wrong["score"], wrong["matthews"], wrong["accuracy"]) == (-1, -1, 0)
    data = glue(tmp_path, "stsb")
    values = np.array([[pair.label**3] for pair in data.pairs.test])
    scores = data.score("test", {"logits": values})
    assert scores["score"] == scores["spearman"] == pytest.approx(1)
    assert scores["pearson"] < 0.99
    assert data.facts() == {}


def test_mnlis_mismatched_genres_are_scored_apart(tmp_path: Path):
    write_glue(tmp_path, "mnli")
    data = glue(tmp_path, "mnli")
    assert len(data.rows("test")) == 12
    truth = [pair.label for pair in data.pairs.test]
    scores = data.score("test", logits([*truth, *(2 - p.label for p in data.mismatched)]))
    assert scores["accuracy"] == scores["score"] == 1
    assert scores["accuracy_mismatched"] == pytest.approx(2 / 6)
    (tmp_path / "glue/MNLI/dev_mismatched.tsv").unlink()
    assert "accuracy_mismatched" not in glue(tmp_path, "mnli").score("test", logits(truth))


# The hub


@pytest.mark.parametrize("task", ["mrpc", "mnli", "stsb"])
def test_the_hubs_copy_gives_the_same_examples(task: str, tmp_path: Path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    write_glue(tmp_path, task)
    commit = "0123456789" * 4
    asked = set()

    def load_dataset(name, configuration, *, split, revision):
        asked.add((name, configuration, revision))
        begin = ["train", *TASKS[task].hub_dev].index(split)
        texts, labels = TASKS[task].hub, TASKS[task].labels
        rows = []
        for i in range(100 * begin, 100 * begin + (20 if split == "train" else 6)):
            value = labels.index(label(task, i)) if labels else float(label(task, i))
            rows.append(
                dict(zip(texts, (sentence(i), sentence(i + 1)), strict=True)) | {"label": value}
            )
        return datasets.Dataset.from_list(rows)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    ours = glue(tmp_path, task)
    hub = glue(tmp_path, task, source=f"hub:nyu-mll/glue@{commit}")
    assert (hub.pairs, hub.mismatched) == (ours.pairs, ours.mismatched)
    assert asked == {("nyu-mll/glue", task, commit)}


def test_hub_rows_without_labels_or_columns_are_told(monkeypatch, tmp_path: Path):
    datasets = pytest.importorskip("datasets")
    source = "hub:nyu-mll/glue@" + "0" * 40
    rows = [{"sentence": "the cat", "label": -1}]
    monkeypatch.setattr(datasets, "load_dataset", lambda *args, **settings: rows)
    with pytest.raises(ValueError, match=r"train, row 0: expected a label of 0, 1, found ''"):
        glue(tmp_path, "sst2", source=source)
    rows[0] = {"sentence": None, "label": 1}
    with pytest.raises(ValueError, match="row 0: expected a text, found an empty one"):
        glue(tmp_path, "sst2", source=source)
    rows[0] = {"text": "the cat", "label": 1}
    with pytest.raises(ValueError, match="row 0: expected the columns sentence and label, found t"):
        glue(tmp_path, "sst2", source=source)


# The real files


@needs_shared
@pytest.mark.parametrize(
    ("task", "train", "dev", "majority"),
    [
        ("mrpc", 3668, 408, 0.684),
        ("cola", 8551, 1043, 0.691),
        ("mnli", 12925, 7469, 0.359),
        ("qnli", 9999, 5463, 0.505),
    ],
)
def test_the_real_files_are_read_whole(task, train, dev, majority):
    settings = {
        "task": task,
        "source": f"glue/{FOLDERS[task]}",
        "train_size": None,
        "validation_size": 300,
        "test_size": None,
    }
    parts = splits(settings, SHARED)
    assert len(parts.train) + len(parts.validation) == train
    assert 300 <= len(parts.validation) <= 310
    assert len(parts.test) == dev
    counts = np.bincount([pair.label for pair in parts.test])
    assert counts.max() / dev == pytest.approx(majority, abs=5e-4)
