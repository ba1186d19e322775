"""A .wandb file that was cut short or damaged is read as far as it goes, and says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments import mirror
from experiments.errors import UserError
from experiments.offline_reader import BLOCK_SIZE, TornLog, read_run, records
from tests.tracking.conftest import logged_rows, make_run, without_own


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[dict[str, object]]]:
    """A .wandb file that spans blocks, and the rows in it."""
    run_dir = make_run(tmp_path_factory.mktemp("runs"), rows=400)
    mirror.mirror_now(run_dir, project="lab")
    (file,) = run_dir.glob("wandb/offline-run-*/run-*.wandb")
    return file.read_bytes(), logged_rows(run_dir)


def test_a_log_of_several_blocks_is_read_whole(log, tmp_path: Path) -> None:
    content, rows = log
    assert len(content) > 2 * BLOCK_SIZE
    run = read_run(_write(tmp_path, content))
    assert run.problem is None
    assert [without_own(row) for row in run.history] == rows


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.999])
def test_a_log_cut_short_gives_the_rows_before_the_cut(log, kept: float, tmp_path: Path) -> None:
    content, rows = log
    run = read_run(_write(tmp_path, content[: int(len(content) * kept)]))
    assert run.problem is not None
    assert run.exit_code is None
    found = [without_own(row) for row in run.history]
    assert found == rows[: len(found)]
    assert len(found) >= kept * len(rows) - 10
    with pytest.raises(ValueError, match="mirror the run again"):
        run.result()


def test_every_cut_is_reported(log, tmp_path: Path) -> None:
    content, _ = log
    whole = list(records(_write(tmp_path, content)))
    for cut in range(len(content) - 1, len(content) - 400, -1):
        read, file = [], _write(tmp_path, content[:cut])
        try:
            read.extend(records(file))
        except TornLog:
            pass
        else:  # between two records: what is missing is the exit record, the last one
            assert read_run(file).problem == "ends before the run's exit record"
        assert len(read) < len(whole)


def test_a_damaged_record_is_reported_and_ends_the_reading(log, tmp_path: Path) -> None:
    content, rows = log
    middle = len(content) // 2
    damaged = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    run = read_run(_write(tmp_path, damaged))
    assert "damaged record" in str(run.problem)
    assert 0 < len(run.history) < len(rows)


def test_what_is_not_a_wandb_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a W&B run"):
        read_run(_write(tmp_path, b"something else"))
    with pytest.raises(UserError, match="found 0"):
        read_run(tmp_path / "nothing")


def _write(folder: Path, content: bytes) -> Path:
    file = folder / "run-x.wandb"
    file.write_bytes(content)
    return file
