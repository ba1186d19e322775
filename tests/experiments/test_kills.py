"""Real workers that are killed, starved of disk or of memory: what they leave is whole, and the run
goes on bit for bit."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from experiments import worker
from experiments.files import read_lines
from experiments.store import State
from tests.experiments import processes
from tests.experiments.processes import outcome, start

SETTINGS = ["runtime.checkpoint_steps=10", "model.dropout=0.1"]
# Every step is a checkpoint: at a random moment, one is likely being written.
BUSY_DISK = ["runtime.checkpoint_steps=1", "runtime.log_every=1"]


def trained(tmp_path_factory, name: str, *settings: str) -> tuple:
    from experiments.compose import compose
    from experiments.run import folder_of
    from experiments.spec import make_spec
    from tests.conftest import TINY

    runs = tmp_path_factory.mktemp(name)
    folder = folder_of(spec := make_spec(compose([*TINY, f"paths.runs={runs}", *settings])))
    folder.prepare(spec)
    worker.execute(folder.path)
    return outcome(folder)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> tuple:
    return trained(tmp_path_factory, "undisturbed", *SETTINGS)


@pytest.mark.parametrize("point", processes.POINTS)
def test_killed_at_any_point_it_goes_on_bit_for_bit(tiny, undisturbed, point: str) -> None:
    folder = tiny(*SETTINGS)
    for skip in (2, 0):  # first with checkpoints behind it, where the point comes more than once
        process = start(folder, point=point, number=signal.SIGKILL, skip=skip)
        process.join()
        if process.exitcode == 0:  # it comes once only
            folder.wipe()
    assert process.exitcode == -signal.SIGKILL
    assert not folder.is_done()
    assert folder.state() in (State.interrupted, State.waiting)
    assert worker.execute(folder.path) == State.finished
    assert outcome(folder) == undisturbed
    left = {str(path.relative_to(folder.path)) for path in folder.path.rglob(".*")}
    assert not left, "temporary files outlive the run"
    assert not folder.checkpoints.exists()


def test_killed_again_and_again_at_random_moments(tiny, tmp_path_factory) -> None:
    folder = tiny(*BUSY_DISK)
    draw = random.Random(0)
    kills = 0
    while not folder.is_done():
        process = start(folder)
        rows, began = len(folder.history()), time.monotonic()
        # Soon after its first new row: most of the time is spent on checkpoints.
        while process.is_alive() and len(read_lines(folder.history_file)) <= rows:
            assert time.monotonic() - began < 60
            time.sleep(0.005)
        time.sleep(draw.uniform(0, 0.06))
        if kills < 6 and process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.join()
    assert kills >= 2
    starts = [attempt["step"] for attempt in folder.attempts()]
    assert starts == sorted(starts)
    assert starts[-1] > 0
    assert outcome(folder) == trained(tmp_path_factory, "whole", *BUSY_DISK)


@pytest.mark.parametrize("damage", ["cut off", "one bit", "empty", "gone"])
def test_without_a_whole_checkpoint_it_starts_from_the_beginning_and_says_so(
    tiny, undisturbed, capsys, damage: str
) -> None:
    folder = tiny(*SETTINGS)
    start(folder, point="between two steps", number=signal.SIGKILL).join()
    checkpoints = sorted(folder.checkpoints.glob("*.ckpt"))
    assert len(checkpoints) == 2
    for path in checkpoints:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes({"cut off": data[:-9], "empty": b""}.get(damage, bytes(data)))
        if damage == "gone":
            path.unlink()
    assert worker.execute(folder.path) == State.finished
    assert "no checkpoint can be used: starting from the beginning" in capsys.readouterr().out
    assert folder.attempts()[-1]["step"] == 0
    assert outcome(folder) == undisturbed


def test_a_curve_that_lost_rows_is_not_continued(tiny, undisturbed, capsys) -> None:
    """After a power failure: the checkpoint was on the disk, the rows before it were not."""
    folder = tiny(*SETTINGS)
    start(folder, point="between two steps", number=signal.SIGKILL).join()
    lines = folder.history_file.read_bytes().splitlines(keepends=True)
    folder.history_file.write_bytes(b"".join(lines[:3]))  # steps 0, 5 and 10
    assert worker.execute(folder.path) == State.finished
    assert "is of another curve; trying the one before it" in capsys.readouterr().out
    assert folder.attempts()[-1]["step"] == 10
    assert outcome(folder) == undisturbed


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A file system of half a MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a file system is not permitted here")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_full_disk_fails_the_run_and_space_mends_it(tiny, small_disk, undisturbed) -> None:
    finished = tiny("trainer.max_steps=3", runs="disk")
    assert worker.execute(finished.path) == State.finished
    record = {path: path.read_bytes() for path in finished.path.rglob("*") if path.is_file()}
    folder = tiny(*SETTINGS, runs="disk")
    filler = small_disk / "filler"
    fill(filler, leave=60_000)  # less than a checkpoint
    assert worker.execute(folder.path) == State.failed
    reason = folder.attempts()[-1]["reason"]
    assert reason.startswith(f"No space left on device for {folder.checkpoints}")
    assert "free some space there, then train the run again" in reason
    assert folder.state() == State.failed
    assert not list(folder.path.rglob(".*.tmp"))

    fill(filler, leave=0)
    folder.forgive()  # its row fits the block that is there
    assert worker.execute(folder.path) == State.failed
    assert folder.attempts()[-1]["reason"].startswith("No space left on device")
    assert {path: path.read_bytes() for path in record} == record

    filler.unlink()
    folder.forgive()
    assert worker.execute(folder.path) == State.finished
    assert outcome(folder) == undisturbed


def fill(path: Path, *, leave: int) -> None:
    """Let a file take up all but about `leave` bytes of its file system."""
    with path.open("ab", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            file.truncate(max(0, file.tell() - leave))


@pytest.mark.parametrize(
    ("limit", "room", "settings", "reason"),
    [
        (resource.RLIMIT_FSIZE, 40_000, SETTINGS, "File too large for "),
        (resource.RLIMIT_AS, 200 * 2**20, ["model.hidden_size=2048"], "out of memory ("),
    ],
)
def test_a_limit_fails_the_run_with_a_sentence(
    tiny, limit: int, room: int, settings: list[str], reason: str
) -> None:
    folder = tiny(*settings)
    process = start(folder, limits={limit: room})
    process.join()
    assert process.exitcode == processes.OTHER
    assert folder.state() == State.failed
    assert folder.attempts()[-1]["reason"].startswith(reason)


def test_an_exhausted_limit_is_mended_by_a_retry(tiny, undisturbed) -> None:
    folder = tiny(*SETTINGS)
    start(folder, limits={resource.RLIMIT_FSIZE: 40_000}).join()
    folder.forgive()
    assert worker.execute(folder.path) == State.finished
    assert outcome(folder) == undisturbed
