"""Checkpoints: the newest two, whole, and each attempt's safe from every other attempt."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from experiments import checkpoint
from experiments.history import History


class Trainer:
    """Stands at a step, and saves that."""

    def __init__(self, step: int) -> None:
        self.global_step = step

    def save_checkpoint(self, path: Path) -> None:
        path.write_text(f"state at {self.global_step}")


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "checkpoint"


@pytest.fixture
def history(tmp_path) -> History:
    made = History(tmp_path / "history.jsonl", draft=tmp_path / "draft")
    made.publish()
    return made


def save(folder: Path, step: int, *, attempt: int, history: History) -> int:
    trainer: Any = Trainer(step)
    return checkpoint.save(folder, trainer, attempt=attempt, history=history)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.ckpt"))


def test_the_newest_two_are_kept(folder, history) -> None:
    for step in (5, 10, 15):
        assert save(folder, step, attempt=1, history=history) == step
    assert names(folder) == ["10-1.ckpt", "15-1.ckpt"]
    assert checkpoint.newest(folder) == (15, folder / "15-1.ckpt")


def test_what_was_adopted_is_out_of_its_maker_s_reach(folder, history) -> None:
    save(folder, 5, attempt=1, history=history)
    assert checkpoint.adopt(folder, attempt=2, history=history) == (5, folder / "5-2.ckpt")
    for step in (10, 15, 20):  # attempt 1 wakes
        save(folder, step, attempt=1, history=history)
    assert (folder / "5-2.ckpt").read_text() == "state at 5"
    assert names(folder) == ["15-1.ckpt", "20-1.ckpt", "5-2.ckpt"]
    save(folder, 7, attempt=2, history=history)
    assert names(folder) == ["5-2.ckpt", "7-2.ckpt"]


def test_one_of_another_curve_is_not_adopted(folder, history, tmp_path) -> None:
    save(folder, 5, attempt=1, history=history)
    other = History(tmp_path / "other.jsonl", draft=tmp_path / "other")
    other.append({"step": 10, "train/loss": 1.0})
    save(folder, 10, attempt=1, history=other)
    history.append({"step": 10, "train/loss": 2.0})
    assert checkpoint.adopt(folder, attempt=2, history=history) == (5, folder / "5-2.ckpt")


def test_one_that_vanishes_while_it_is_adopted_is_passed_over(folder, history, monkeypatch) -> None:
    save(folder, 5, attempt=1, history=history)
    save(folder, 10, attempt=1, history=history)
    write_atomic = checkpoint.write_atomic

    def slow(path: Path, content: bytes) -> None:
        (folder / "10-1.ckpt").unlink(missing_ok=True)
        write_atomic(path, content)

    monkeypatch.setattr(checkpoint, "write_atomic", slow)
    assert checkpoint.adopt(folder, attempt=2, history=history) == (5, folder / "5-2.ckpt")


def test_what_a_killed_attempt_half_wrote_goes_with_the_next_save(folder, history) -> None:
    save(folder, 5, attempt=1, history=history)
    (folder / ".7-1.tmp").write_text("half")
    checkpoint.adopt(folder, attempt=2, history=history)
    save(folder, 7, attempt=2, history=history)
    assert not (folder / ".7-1.tmp").exists()


def test_a_late_finisher_removes_no_later_attempt_s(folder, history) -> None:
    save(folder, 5, attempt=1, history=history)
    save(folder, 5, attempt=3, history=history)
    checkpoint.remove(folder, attempt=2)
    assert names(folder) == ["5-3.ckpt"]
    checkpoint.remove(folder, attempt=3)
    assert not folder.exists()


def test_a_checkpoint_is_durable_after_the_rows_before_it(folder, history, monkeypatch) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        synced.append(os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    save(folder, 5, attempt=1, history=history)
    assert synced[:2] == ["history.jsonl", ".5-1.tmp"]
