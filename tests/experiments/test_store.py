"""The run folder: whole or absent, whatever is killed while it is written."""

from __future__ import annotations

import errno
import os

import pytest

from experiments.files import DiskFull, append_line, read_lines, write_atomic
from experiments.store import Busy, RunFolder, State


@pytest.fixture
def folder(tmp_path) -> RunFolder:
    made = RunFolder(tmp_path / "study" / "0123456789abcdef")
    made.path.mkdir(parents=True)
    return made


def test_a_failed_write_leaves_the_old_content_and_nothing_else(tmp_path, monkeypatch) -> None:
    path = tmp_path / "result.json"
    write_atomic(path, "old")

    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["result.json"]


def test_a_torn_line_is_passed_over_and_swallows_nothing(tmp_path) -> None:
    path = tmp_path / "history.jsonl"
    append_line(path, {"step": 1})
    with path.open("a") as file:
        file.write('{"step": 2, "lo')
    assert read_lines(path) == [{"step": 1}]
    append_line(path, {"step": 3})
    assert read_lines(path) == [{"step": 1}, {"step": 3}]


def test_nan_never_reaches_a_file(tmp_path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        append_line(tmp_path / "history.jsonl", {"step": 1, "loss": float("nan")})


def test_only_done_is_finished(folder: RunFolder) -> None:
    assert folder.state() == State.waiting
    write_atomic(folder.result_file, "{}")
    assert folder.state() == State.waiting
    folder.finish({"status": "completed"})
    assert folder.state() == State.finished


def test_one_process_at_a_time(folder: RunFolder) -> None:
    with folder.locked():
        assert folder.state() == State.running
        with pytest.raises(Busy), RunFolder(folder.path).locked():
            pass
    assert folder.state() == State.waiting


def test_a_start_without_an_end_is_an_interruption(folder: RunFolder) -> None:
    folder.start_attempt(step=0)
    assert folder.state() == State.interrupted


def test_failed_until_forgiven(folder: RunFolder) -> None:
    number = folder.start_attempt(step=0)
    folder.end_attempt(number, state=State.failed, reason="ValueError: x")
    assert folder.state() == State.failed
    assert folder.attempts()[-1]["reason"] == "ValueError: x"
    folder.forgive()
    assert folder.state() == State.waiting


@pytest.mark.parametrize(
    ("checkpoints", "state"),
    [
        ([0, 0], State.interrupted),
        ([0, 0, 0], State.failed),
        ([0, 0, 5, 5], State.interrupted),
        ([5, 5, 5, 5], State.failed),
        ([0, 5, 9, 12, 15], State.interrupted),
    ],
)
def test_three_interruptions_without_a_new_checkpoint_are_a_failure(
    folder: RunFolder, checkpoints: list[int], state: State
) -> None:
    step = 0
    for checkpoint in checkpoints:
        number = folder.start_attempt(step=step)
        folder.end_attempt(
            number, state=State.interrupted, reason="killed by SIGKILL", checkpoint=checkpoint
        )
        step = checkpoint
    assert folder.state() == state


def test_a_sweep_killed_with_its_workers_three_times_does_not_hang_on_one_run(
    folder: RunFolder,
) -> None:
    for _ in range(3):
        folder.start_attempt(step=0)
    assert folder.state() == State.failed


def test_a_late_note_of_an_earlier_attempt_does_not_pass_for_the_last(folder: RunFolder) -> None:
    for number in (2, 1):
        folder.start_attempt(step=0, number=number)
        folder.end_attempt(number, state=State.interrupted, reason=f"of {number}")
    assert folder.attempts()[-1]["reason"] == "of 2"


def test_there_is_room_to_note_that_there_is_none(folder: RunFolder, monkeypatch) -> None:
    from experiments import store

    number = folder.start_attempt(step=0)

    def append(path, row, *, durable):
        if folder.reserve_file.exists():
            raise DiskFull("No space left on device")
        append_line(path, row, durable=durable)

    monkeypatch.setattr(store, "append_line", append)
    folder.end_attempt(number, state=State.failed, reason="No space left on device")
    assert folder.state() == State.failed


def test_preparing_never_touches_a_finished_run(folder: RunFolder) -> None:
    folder.prepare({"config": {"seed": 1}})
    folder.finish({"status": "completed"})
    folder.prepare({"config": {"seed": 2}})
    assert folder.spec() == {"config": {"seed": 1}}
