"""Runs followed live by the real client: whatever fails, no step is lost and none comes twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from experiments.mirror import Mirror, mirror_now
from experiments.upload import marks
from experiments.verification import verify
from experiments.wandb_reading import read_online_runs
from experiments.wandb_record import run_arguments
from tests.drivers.loopback.server import DROP, KEY, LoopbackServer
from tests.tracking.conftest import has_ended, logged_rows, make_run, read_json, wait_for
from tests.tracking.online import HURRY, PROJECT, Training, assert_holds, sync


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackServer]:
    with LoopbackServer() as server:
        (tmp_path / "home").mkdir()
        for key, value in (server.environment(tmp_path / "home") | HURRY).items():
            monkeypatch.setenv(key, value)
        yield server


def mirror() -> Mirror:
    return Mirror(project=PROJECT, sweep="depth", online=True, say=lambda line: None)


def test_a_run_is_followed_up_to_its_checkpoints_and_finished(
    server: LoopbackServer, tmp_path: Path
) -> None:
    training, steps = Training(tmp_path), server.database.steps
    with mirror() as following:
        following.submit(training.path)
        training.log(100)
        time.sleep(1.0)
        assert training.run_id not in server.database.runs  # nothing is durable yet
        training.checkpoint(150)
        training.log(200)
        wait_for(lambda: steps(training.run_id) == list(range(0, 160, 10)))
        assert server.database.runs[training.run_id]["state"] == "running"
        # Killed, and resumed from that checkpoint: what came after it is logged again.
        training.killed_back_to(150)
        training.checkpoint(300)
        wait_for(lambda: steps(training.run_id) == list(range(0, 310, 10)))
        training.finish()
    assert following.close().mirrored == [training.path]
    assert_holds(server, training)
    (noted,) = marks(training.path).values()
    assert (noted["rows"], noted["last_step"]) == (50, 490)
    (run,) = read_online_runs(f"loopback/{PROJECT}")
    assert (run.group, run.job_type) == ("causal-all", "train")
    assert {"symmetry", "sweep:depth", "mine"} <= set(run.tags)
    assert run.result() == training.result


@pytest.mark.parametrize(
    ("status", "where", "applied"),
    [
        (500, "file_stream", False),
        (429, "", False),
        (DROP, "file_stream", True),  # it took the rows, and the client cannot know
    ],
)
def test_a_server_that_fails_for_a_while_loses_and_doubles_nothing(
    server: LoopbackServer, tmp_path: Path, status: int, where: str, applied: bool
) -> None:
    training = Training(tmp_path)
    with mirror() as following:
        following.submit(training.path)
        fault = server.fail(status, where=where, times=3, applied=applied)
        training.checkpoint(100)
        wait_for(lambda: server.database.steps(training.run_id) == list(range(0, 110, 10)))
        training.finish()
    assert fault.left == 0
    assert following.close().failed == {}
    assert_holds(server, training)


def test_a_network_lost_in_the_middle_is_made_up_for(
    server: LoopbackServer, tmp_path: Path
) -> None:
    training = Training(tmp_path)
    with mirror() as following:
        following.submit(training.path)
        training.checkpoint(100)
        wait_for(lambda: len(server.database.steps(training.run_id)) == 11)
        server.lose_network()
        training.checkpoint(200)
        time.sleep(1.0)
        server.restore_network()
        training.finish()
    assert following.close().failed == {}
    assert_holds(server, training)


def test_what_a_lost_network_keeps_back_is_sent_by_a_later_sync(
    server: LoopbackServer, tmp_path: Path
) -> None:
    training, never_seen = Training(tmp_path), Training(tmp_path, seed=1)
    following = mirror()
    for run in (training, never_seen):
        following.submit(run.path)
    training.checkpoint(100)
    wait_for(lambda: len(server.database.steps(training.run_id)) == 11)
    server.lose_network()
    training.finish()
    never_seen.finish()
    failed = following.close(timeout=2.0).failed
    assert set(failed) == {training.path, never_seen.path}
    offline = sync(runs=tmp_path)
    assert (offline.returncode, offline.stdout.count("NOT SENT")) == (1, 2), offline.stderr
    server.restore_network()
    done = sync(runs=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "W&B: 2 sent, 0 already there, 0 not sent" in done.stdout
    assert_holds(server, training)
    assert_holds(server, never_seen)


def test_a_killed_mirror_leaves_a_run_that_a_later_sync_completes(
    server: LoopbackServer, tmp_path: Path
) -> None:
    training = Training(tmp_path)
    with mirror() as following:
        following.submit(training.path)
        training.checkpoint(200)
        wait_for(lambda: len(server.database.steps(training.run_id)) > 3)
        assert following.pid
        os.kill(following.pid, signal.SIGKILL)
        wait_for(lambda: has_ended(following.pid or 0))
        training.finish()
    assert "ended with SIGKILL" in following.close().failed[training.path]
    first, second = sync(runs=tmp_path), sync("--check", runs=tmp_path)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "1 sent" in first.stdout
    assert "1 already there" in second.stdout
    assert_holds(server, training)


def test_two_mirrors_of_one_run_send_it_once(server: LoopbackServer, tmp_path: Path) -> None:
    training = Training(tmp_path)
    with mirror() as one, mirror() as other:
        for following in (one, other):
            following.submit(training.path)
        training.checkpoint(100)
        wait_for(lambda: len(server.database.steps(training.run_id)) == 11)
        training.finish()
    assert [report.failed for report in (one.close(), other.close())] == [{}, {}]
    assert_holds(server, training)


def test_an_unfinished_run_is_left_as_such_and_goes_on_later(
    server: LoopbackServer, tmp_path: Path
) -> None:
    training = Training(tmp_path)
    with mirror() as first:
        first.submit(training.path)
        training.checkpoint(100)
        wait_for(lambda: len(server.database.steps(training.run_id)) == 11)
    assert first.close().unfinished == [training.path]
    assert server.database.runs[training.run_id]["state"] == "failed"
    training.finish()
    with mirror() as second:
        second.submit(training.path)
    assert second.close().mirrored == [training.path]
    assert_holds(server, training)


def test_what_cannot_be_mended_is_said_and_not_called_sent(
    server: LoopbackServer, tmp_path: Path
) -> None:
    twice, lost = (make_run(tmp_path, seed=seed, rows=10) for seed in range(2))
    assert sync(runs=tmp_path).returncode == 0
    history = server.database.runs[twice.name]["history"]
    history[len(history)] = history[3]
    del server.database.runs[lost.name]["history"][5]
    done = sync("--check", runs=tmp_path)
    assert done.returncode == 1
    assert "W&B holds step 30 more than once" in done.stdout
    assert "W&B lacks step 50 though it holds later ones" in done.stdout
    assert "type make sync PROJECT=<another> to send the run whole" in done.stdout


@pytest.mark.parametrize(
    ("field", "lost"),
    [("tags", ["symmetry", "mine"]), ("group", "another"), ("jobType", None)],
)
def test_a_label_that_the_server_lost_is_found_and_sent_again(
    server: LoopbackServer, tmp_path: Path, field: str, lost: object
) -> None:
    run_dir = make_run(tmp_path, rows=5)
    assert sync(runs=tmp_path).returncode == 0
    run = server.database.runs[run_dir.name]
    sent = run[field]
    run[field] = lost
    done = sync("--check", runs=tmp_path)
    assert "1 sent, 0 already there, 0 not sent" in done.stdout, done.stdout + done.stderr
    assert run[field] == sent
    run["tags"] = [*run["tags"], "seen on W&B's pages"]
    assert "1 already there" in sync("--check", runs=tmp_path).stdout


def test_verification_names_the_labels_that_lack(server: LoopbackServer, tmp_path: Path) -> None:
    run_dir = make_run(tmp_path, rows=5)
    assert sync(runs=tmp_path).returncode == 0
    server.database.runs[run_dir.name] |= {"tags": ["symmetry"], "jobType": "pretrain"}
    (run,) = read_online_runs(PROJECT)
    result = read_json(run_dir / "result.json")
    rows = [{"step": row.pop("_step"), **row} for row in logged_rows(run_dir)]
    labels = {"tags": ["sweep:depth"], "group": "causal-all"}
    told = run_arguments(result, project=PROJECT, entity=None, **labels)
    found = verify(run, result=result, rows=rows, told=told)
    assert found.problems == []
    assert found.missing == (
        "W&B holds job_type 'pretrain' instead of 'train'; "
        "lacks the tag causal-none-all, sweep:depth"
    )


def test_the_real_wandb_sync_brings_the_offline_file_whole(
    server: LoopbackServer, tmp_path: Path
) -> None:
    run_dir = make_run(tmp_path)
    mirror_now(run_dir, project=PROJECT)
    (folder,) = run_dir.glob("wandb/offline-run-*")
    command = [sys.executable, "-m", "wandb", "sync", "--project", PROJECT, str(folder)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    (run,) = read_online_runs(PROJECT)
    rows = [{"step": row.pop("_step"), **row} for row in logged_rows(run_dir)]
    result = read_json(run_dir / "result.json")
    labels = {"tags": ["sweep:depth", "mine"], "group": "causal-all"}
    told = run_arguments(result, project=PROJECT, entity=None, **labels)
    assert verify(run, result=result, rows=rows, told=told).holds
    # And ours finds nothing left to send.
    assert "1 already there" in sync(runs=tmp_path).stdout


@pytest.mark.parametrize(
    ("key", "said"), [("w" * 40, "refuses the API key"), ("", "There is no API key")]
)
def test_without_a_good_key_sync_says_what_to_type(
    server: LoopbackServer, tmp_path: Path, key: str, said: str
) -> None:
    make_run(tmp_path / "runs")
    home = {"HOME": str(tmp_path), "WANDB_API_KEY": key}
    done = sync(runs=tmp_path / "runs", **home)
    assert done.returncode == 2
    assert said in done.stderr
    assert "wandb login" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    for secret in (KEY, "w" * 40):
        assert secret not in done.stdout + done.stderr
    assert server.database.runs == {}
