"""A run that starts from others leads to them in W&B."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from experiments.mirror import mirror_now
from experiments.offline_reader import OfflineRun, read_run
from tests.tracking.conftest import REPO, read_json

# Published fine-tunings and their pre-trainings, trained on two cores.
BERT = REPO / "results" / "bert"


def a_child(num_parents: int) -> Path:
    """The first published run that starts from so many others."""
    return next(
        folder
        for folder in sorted(BERT.iterdir())
        if len(read_json(folder / "result.json")["parents"]) == num_parents
    )


def mirrored(published: Path, runs: Path) -> OfflineRun:
    """The run mirrored anew, and read back from the W&B file alone."""
    folder = runs / "bert" / published.name
    shutil.copytree(published, folder, ignore=shutil.ignore_patterns("wandb"))
    assert mirror_now(folder, project="lab")
    return read_run(folder)


@pytest.mark.parametrize("num_parents", [1, 2])
def test_a_childs_record_names_its_parents_by_their_ids_in_wandb(
    tmp_path: Path, num_parents: int
) -> None:
    published = a_child(num_parents)
    started_from = read_json(published / "result.json")["parents"]
    child = mirrored(published, tmp_path)
    parents = [mirrored(BERT / parent["run_id"], tmp_path) for parent in started_from]
    assert len({parent.id for parent in parents}) == num_parents
    assert [tag for tag in child.tags if tag.startswith("parent:")] == [
        f"parent:{parent.id}" for parent in parents
    ]
    assert child.config["parents"] == started_from
    assert [parent["run_id"] for parent in child.config["parents"]] == [p.id for p in parents]
    assert child.result()["parents"] == started_from
    for parent in parents:
        assert parent.job_type == "pretrain"
        assert not any(tag.startswith("parent:") for tag in parent.tags)
    assert child.job_type == "finetune"
