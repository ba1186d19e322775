"""Carrying, listing and pruning run folders: `python -m experiments.store`."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from experiments.archive import main
from experiments.store import RunFolder, State

IDS = [f"{number:016x}" for number in range(1, 5)]


@pytest.fixture
def runs(tmp_path) -> Path:
    """Four runs: finished (1 and 2), interrupted with a checkpoint (3), failed (4)."""
    root = tmp_path / "runs"
    for number, run_id in enumerate(IDS, start=1):
        folder = RunFolder.of(root, study="symmetry" if number < 4 else "bert", run_id=run_id)
        spec = {"run_id": run_id, "config": {"variant": f"arm{number}", "seed": number}}
        folder.prepare(spec)
        attempt = folder.start_attempt(step=0)
        folder.history_file.write_bytes(os.urandom(3000))
        (folder.path / "weights").mkdir()
        (folder.path / "weights" / "5.safetensors").write_bytes(b"weights")
        if number < 3:
            folder.finish({"status": "completed", "metrics": {"exact_match": number / 4}})
        else:
            folder.checkpoints.mkdir()
            (folder.checkpoints / "5-1.ckpt").write_bytes(b"state")
            (folder.path / ".run.json.12-ab.tmp").write_text("left by a kill")
        if number == 4:
            folder.end_attempt(attempt, state=State.failed, reason="ValueError: x")
    return root


def record(folder: Path) -> dict[str, bytes]:
    """A run's files by name, without what belongs to its place."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".") and path.parent.name != "lease"
    }


def pack(runs: Path, to: Path, *arguments: str) -> list[Path]:
    assert main(["pack", "--runs", str(runs), "--to", str(to), *arguments]) == 0
    return sorted(to.iterdir())


def test_what_was_packed_is_what_is_unpacked(runs, tmp_path) -> None:
    pack(runs, tmp_path / "parts", "symmetry")
    there = tmp_path / "there"
    assert main(["unpack", str(tmp_path / "parts"), "--runs", str(there)]) == 0
    assert not (there / "bert").exists()
    for run_id in IDS[:3]:
        here = record(runs / "symmetry" / run_id)
        here = {k: v for k, v in here.items() if not k.startswith(("weights/", "checkpoint/"))}
        assert record(there / "symmetry" / run_id) == here
    states = [RunFolder.of(there, study="symmetry", run_id=i).state() for i in IDS[:3]]
    assert states == [State.finished, State.finished, State.interrupted]


def test_weights_and_checkpoints_come_along_when_asked(runs, tmp_path) -> None:
    pack(runs, tmp_path / "parts", IDS[2], "--weights", "--checkpoints")
    there = tmp_path / "there"
    main(["unpack", str(tmp_path / "parts"), "--runs", str(there)])
    assert record(there / "symmetry" / IDS[2]) == record(runs / "symmetry" / IDS[2])


def test_packing_again_gives_the_same_bytes(runs, tmp_path) -> None:
    first = pack(runs, tmp_path / "a")
    for path in runs.rglob("*"):
        os.utime(path, (1, 1))
    again = pack(runs, tmp_path / "b")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]


def test_parts_keep_to_their_size_and_stand_alone(runs, tmp_path, capsys) -> None:
    limit = 9000
    parts = pack(runs, tmp_path / "parts", "--part-mib", str(limit / 2**20))
    assert len(parts) > 1
    assert all(part.stat().st_size <= limit for part in parts)
    there = tmp_path / "there"
    assert main(["unpack", str(parts[-1]), "--runs", str(there)]) == 0
    assert 0 < len(list(there.glob("*/*/DONE"))) < 4
    with tarfile.open(parts[0]) as tar:  # and an ordinary tar reads it
        assert any(name.endswith("/MANIFEST.json") for name in tar.getnames())


def test_a_run_larger_than_a_part_is_cut(runs, tmp_path, capsys) -> None:
    big = runs / "symmetry" / IDS[0] / "wandb"
    big.mkdir()
    (big / "run.wandb").write_bytes(os.urandom(20000))
    parts = pack(runs, tmp_path / "parts", "--part-mib", str(8000 / 2**20))
    chunks = [part for part in parts if "-of-" in part.suffix]
    assert len(chunks) == 4
    there = tmp_path / "there"
    assert main(["unpack", str(tmp_path / "parts"), "--runs", str(there)]) == 0
    assert (there / "symmetry" / IDS[0] / "wandb" / "run.wandb").stat().st_size == 20000
    chunks[1].unlink()
    assert main(["unpack", str(tmp_path / "parts"), "--runs", str(tmp_path / "other")]) == 1
    assert "left out: 2 of 4 is missing" in capsys.readouterr().out
    assert len(list((tmp_path / "other").glob("*/*/run.json"))) == 3


def test_a_finished_run_is_never_overwritten(runs, tmp_path, capsys) -> None:
    pack(runs, tmp_path / "parts")
    result = runs / "symmetry" / IDS[0] / "result.json"
    result.write_text('{"metrics": {"exact_match": 0.9}}')
    before = {path: (path.stat().st_ino, path.read_bytes()) for path in runs.glob("*/*/*.json")}
    assert main(["unpack", str(tmp_path / "parts"), "--runs", str(runs)]) == 0
    said = capsys.readouterr().out
    assert f"symmetry/{IDS[0]}: kept: finished here, the archive's metrics differ" in said
    assert f"symmetry/{IDS[1]}: kept: finished here, with the same metrics" in said
    assert before == {
        path: (path.stat().st_ino, path.read_bytes()) for path in runs.glob("*/*/*.json")
    }


def test_a_finished_run_takes_the_place_of_an_unfinished_one(runs, tmp_path, capsys) -> None:
    there = tmp_path / "there"
    pack(runs, tmp_path / "before", IDS[2], "--checkpoints")
    main(["unpack", str(tmp_path / "before"), "--runs", str(there)])
    RunFolder.of(there, study="symmetry", run_id=IDS[2]).finish({"metrics": {}, "status": "x"})
    pack(there, tmp_path / "after")
    assert main(["unpack", str(tmp_path / "after"), "--runs", str(runs)]) == 0
    assert RunFolder.of(runs, study="symmetry", run_id=IDS[2]).is_done()
    assert main(["unpack", str(tmp_path / "before"), "--runs", str(runs)]) == 0
    assert RunFolder.of(runs, study="symmetry", run_id=IDS[2]).is_done()


def test_of_two_unfinished_ones_the_one_that_got_further_stays(runs, tmp_path, capsys) -> None:
    folder = RunFolder.of(runs, study="symmetry", run_id=IDS[2])
    pack(runs, tmp_path / "old", IDS[2], "--checkpoints")
    folder.start_attempt(step=5)
    pack(runs, tmp_path / "new", IDS[2], "--checkpoints")
    there = tmp_path / "there"
    for parts, said in (("old", "unpacked"), ("new", "in place of one less far"), ("old", "kept")):
        assert main(["unpack", str(tmp_path / parts), "--runs", str(there)]) == 0
        assert said in capsys.readouterr().out
    assert RunFolder.of(there, study="symmetry", run_id=IDS[2]).last_attempt() == 2


def test_a_run_that_is_being_trained_is_left_out(runs, tmp_path, capsys) -> None:
    folder = RunFolder.of(runs, study="symmetry", run_id=IDS[2])
    with folder.locked():
        assert main(["pack", "--runs", str(runs), "--to", str(tmp_path / "parts")]) == 1
    assert "is being trained, left out" in capsys.readouterr().err


def damaged(part: Path, how: str) -> None:
    data = part.read_bytes()
    if how == "cut off":
        part.write_bytes(data[: len(data) // 2])
    else:
        with tarfile.open(part) as tar:
            contents = [(m.name, tar.extractfile(m).read()) for m in tar.getmembers()]
        if how == "changed":
            contents = [(n, d.replace(b"completed", b"converged")) for n, d in contents]
        elif how == "file gone":
            contents = [(n, d) for n, d in contents if not n.endswith("history.jsonl")]
        with tarfile.open(part, "w:gz") as tar:
            for name, content in contents:
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("cut off", "is damaged and cut off"),
        ("changed", "result.json differs from what was packed"),
        ("file gone", "history.jsonl is missing"),
    ],
)
def test_a_damaged_run_is_left_out_whole(runs, tmp_path, capsys, how: str, said: str) -> None:
    (part,) = pack(runs, tmp_path / "parts", IDS[0])
    damaged(part, how)
    there = tmp_path / "there"
    assert main(["unpack", str(part), "--runs", str(there)]) == 1
    assert said in capsys.readouterr().out
    assert not list(there.glob("*/*"))


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "/tmp/evil",
        f"symmetry/{IDS[0]}/../../../evil",
        f"symmetry/{IDS[0]}//evil",
        "evil",
    ],
)
def test_nothing_is_written_outside_of_a_run(tmp_path, capsys, name: str) -> None:
    part = tmp_path / "runs.tar.gz"
    with tarfile.open(part, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo(f"symmetry/{IDS[0]}/ok"))
        tar.addfile(tarfile.TarInfo(name))
    before = sorted(tmp_path.rglob("*"))
    assert main(["unpack", str(part), "--runs", str(tmp_path / "runs")]) == 2
    assert "is no file of a run" in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_link_is_no_file_of_a_run(tmp_path, capsys) -> None:
    part = tmp_path / "runs.tar.gz"
    with tarfile.open(part, "w:gz") as tar:
        link = tarfile.TarInfo(f"symmetry/{IDS[0]}/DONE")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    assert main(["unpack", str(part), "--runs", str(tmp_path / "runs")]) == 2


def test_a_plan_names_its_runs(runs, tmp_path, capsys) -> None:
    planned = [{"study": "symmetry", "run_id": i} for i in (IDS[1], "f" * 16)]
    plan = tmp_path / "symmetry-quick.json"
    plan.write_text(json.dumps({"runs": planned}))
    assert main(["list", str(plan), "--runs", str(runs)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["id", IDS[1]]


def test_the_list_tells_where_runs_stand(runs, capsys) -> None:
    assert main(["list", "--runs", str(runs)]) == 0
    rows = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines()}
    assert rows[IDS[0]][1:6] == ["symmetry", "arm1", "1", "finished", "completed"]
    assert rows[IDS[2]][4:6] == ["interrupted", "-"]
    assert rows[IDS[3]][1] == "bert"
    assert rows[IDS[3]][4] == "failed"
    assert rows[IDS[0]][7] == "KiB"


def test_pruning_first_says_what_would_go(runs, capsys) -> None:
    before = sorted(runs.rglob("*"))
    assert main(["prune", "--failed", "--checkpoints", "--runs", str(runs)]) == 0
    assert "would remove" in capsys.readouterr().out
    assert sorted(runs.rglob("*")) == before


def test_pruning_takes_what_was_asked_and_no_result(runs, capsys) -> None:
    finished = {run_id: record(runs / "symmetry" / run_id) for run_id in IDS[:2]}
    assert main(["prune", "--yes", "--runs", str(runs)]) == 0
    assert (runs / "symmetry" / IDS[2] / "checkpoint").exists()
    assert not list(runs.rglob(".*.tmp"))
    assert main(["prune", "--yes", "--checkpoints", "--failed", "--runs", str(runs)]) == 0
    assert not (runs / "symmetry" / IDS[2] / "checkpoint").exists()
    assert not (runs / "bert" / IDS[3]).exists()
    assert finished == {run_id: record(runs / "symmetry" / run_id) for run_id in IDS[:2]}
    capsys.readouterr()
    assert main(["prune", "--failed", "--runs", str(runs)]) == 0
    assert capsys.readouterr().out == "nothing to remove\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["list", "--runs", "nowhere"], "there is no folder of runs at 'nowhere'"),
        (["list", "00000000000000ff"], "the nearest are 000000000000000"),
        (["list", "000000"], "4 runs begin with '000000'"),
        (["pack", "run.json"], "run.json is no plan"),
        (["pack", "--part-mib", "0.001"], "too small: expected 4096 or more"),
        (["unpack", "nowhere"], "nowhere does not exist"),
    ],
)
def test_a_mistake_is_one_sentence(runs, capsys, arguments: list[str], said: str) -> None:
    given = arguments if "--runs" in arguments else [*arguments, "--runs", str(runs)]
    assert main(given) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_parts_are_not_mixed_with_older_ones(runs, tmp_path, capsys) -> None:
    pack(runs, tmp_path / "parts")
    assert main(["pack", "--runs", str(runs), "--to", str(tmp_path / "parts")]) == 2
    assert "type another name" in capsys.readouterr().err


def test_the_command_is_quick_and_light(runs) -> None:
    began = time.monotonic()
    helped = subprocess.run(
        [sys.executable, "-m", "experiments.store", "--help"], capture_output=True, text=True
    )
    assert helped.returncode == 0
    assert all(word in helped.stdout for word in ("pack", "unpack", "list", "prune"))
    assert time.monotonic() - began < 3
    script = (
        "import sys; from experiments.archive import main; main(sys.argv[1:]); "
        "sys.exit(len({'torch', 'numpy', 'pandas', 'hydra', 'wandb'} & {*sys.modules}))"
    )
    listed = subprocess.run([sys.executable, "-c", script, "list", "--runs", str(runs)])
    assert listed.returncode == 0
