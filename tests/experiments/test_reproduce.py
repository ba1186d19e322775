"""Reproducing a finished run: equal, equal within tolerance, or where it parts."""

from __future__ import annotations

import json
import shutil

import pytest

from experiments import worker
from experiments.reproduce import Difference, differences, main, verdict
from experiments.store import RunFolder, append_line, write_atomic


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> RunFolder:
    from experiments.compose import compose
    from experiments.run import folder_of
    from experiments.spec import make_spec
    from tests.conftest import TINY

    runs = tmp_path_factory.mktemp("reproduce") / "runs"
    folder = folder_of(spec := make_spec(compose([*TINY, f"paths.runs={runs}"])))
    folder.prepare(spec)
    worker.execute(folder.path)
    return folder


@pytest.fixture
def copy(finished, tmp_path) -> RunFolder:
    """The finished run once more, to be changed."""
    path = tmp_path / "runs" / "symmetry" / finished.path.name
    shutil.copytree(finished.path, path)
    return RunFolder(path)


def change(folder: RunFolder, **sections: dict) -> None:
    result = folder.result()
    for name, values in sections.items():
        result[name] = {**result[name], **values}
    write_atomic(folder.result_file, json.dumps(result))


def reproduce(folder: RunFolder, word: str = "") -> int:
    runs = folder.path.parents[1]
    return main([word or folder.path.name, "--runs", str(runs)])


def test_a_run_comes_out_equal_and_leaves_the_store_alone(copy, capsys) -> None:
    before = {path: path.stat().st_mtime_ns for path in copy.path.rglob("*")}
    assert reproduce(copy, copy.path.name[:6]) == 0
    said = capsys.readouterr().out
    assert "equal: metrics, weights and curve are the same, bit for bit" in said
    assert "sources differ" not in said
    assert before == {path: path.stat().st_mtime_ns for path in copy.path.rglob("*")}


def test_it_says_at_which_step_it_parts(copy, capsys) -> None:
    rows = copy.history()
    copy.history_file.unlink()
    for row in rows:
        changed = {"train/loss": row["train/loss"] + 1e-9} if row["step"] == 20 else {}
        append_line(copy.history_file, {**row, **changed})
    provenance = copy.result()["provenance"]
    change(copy, provenance={**provenance, "sources": "0123456789abcdef"})
    assert reproduce(copy) == 1
    said = capsys.readouterr().out
    assert "parts at step 20, train/loss" in said
    assert "the Python sources differ from those it was trained with (0123456789abcdef, now" in said


def test_other_numerics_are_given_a_tolerance(finished, copy) -> None:
    loss = copy.result()["metrics"]["test_loss"]
    numerics = {**copy.result()["provenance"]["numerics"], "torch": "2.6.0"}
    change(copy, metrics={"test_loss": loss * 1.001}, provenance={"numerics": numerics})
    reproduced, sentence = verdict(finished, copy, tolerance=0.01)
    assert reproduced
    assert sentence.startswith("equal within tolerance 0.01: largest relative difference 0.001, ")
    assert "torch: '2.13" in sentence
    reproduced, sentence = verdict(finished, copy, tolerance=1e-4)
    assert not reproduced
    assert sentence.startswith("parts at result, test_loss")


def test_equal_numerics_are_given_none(finished, copy) -> None:
    loss = copy.result()["metrics"]["test_loss"]
    change(copy, metrics={"test_loss": loss * (1 + 1e-12)})
    assert not verdict(finished, copy, tolerance=0.01)[0]


def test_other_weights_with_the_same_scores_are_not_equal(finished, copy) -> None:
    change(copy, provenance={"weights_sha256": "0" * 64})
    reproduced, sentence = verdict(finished, copy, tolerance=0.01)
    assert not reproduced
    assert "but the weights are not" in sentence


def test_a_missing_row_and_a_null_are_differences(finished, copy) -> None:
    rows = copy.history()
    copy.history_file.write_text("".join(json.dumps(row) + "\n" for row in rows[:-1]))
    change(copy, metrics={"exact_match": None})
    found = list(differences(finished, copy))
    assert found[0].where == f"step {rows[-1]['step']}, step"
    assert found[-1].where == "result, exact_match"
    assert {difference.relative for difference in found} == {float("inf")}


def test_differences_of_what_is_about_zero_do_not_blow_up() -> None:
    assert Difference("x", 1e-13, -1e-13).relative < 1e-9
    assert Difference("x", 2.0, 1.0).relative == 0.5


def test_a_mistake_is_one_sentence(copy, capsys) -> None:
    runs = str(copy.path.parents[1])
    assert main(["--runs", runs]) == 2
    assert main(["ffffffffffffffff", "--runs", runs]) == 2
    said = capsys.readouterr().err.splitlines()
    assert "type make reproduce RUN=<id>" in said[0]
    assert f"the nearest are {copy.path.name}" in said[1]
    copy.done_file.unlink()
    assert reproduce(copy) == 2
    assert "expected a finished run" in capsys.readouterr().err
