"""The curve: an attempt writes its own file, and no other attempt's reaches it."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from experiments.files import append_line, read_lines
from experiments.history import History


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "history.jsonl"


def steps(path: Path) -> list[int]:
    return [row["step"] for row in read_lines(path)]


def test_it_goes_on_from_what_is_there_and_is_cut_back(path) -> None:
    for step in (0, 10, 20, 30):
        append_line(path, {"step": step})
    history = History(path, draft=path.with_name("draft"))
    history.publish()
    history.cut(20)
    assert steps(path) == [0, 10, 20]
    history.append({"step": 25})
    assert steps(path) == [0, 10, 20, 25]
    history.cut(None)
    assert path.read_bytes() == b""


def test_what_a_predecessor_writes_goes_nowhere(path) -> None:
    sleeper = History(path, draft=path.with_name("1"))
    sleeper.publish()
    sleeper.append({"step": 0})
    successor = History(path, draft=path.with_name("2"))
    successor.publish()
    sleeper.append({"step": 5})
    sleeper.cut(None)
    successor.append({"step": 7})
    assert steps(path) == [0, 7]


def test_a_draft_that_was_taken_away_cannot_be_published(path) -> None:
    history = History(path, draft=path.with_name("draft"))
    (path.parent / "draft").unlink()
    with pytest.raises(FileNotFoundError):
        history.publish()


def test_the_digest_tells_curves_apart_up_to_a_step(path) -> None:
    one = History(path, draft=path.with_name("1"))
    other = History(path, draft=path.with_name("2"))
    for history, loss in ((one, 1.5), (other, 2.5)):
        history.append({"step": 0})
        history.append({"step": 5, "train/loss": loss})
    assert one.digest(4) == other.digest(4)
    assert one.digest(5) != other.digest(5)
    again = History(path.with_name("1"), draft=path.with_name("3"))
    assert again.digest(5) == one.digest(5)


def test_a_row_that_does_not_fit_leaves_no_half_line(path) -> None:
    """A real limit: this file may grow to 100 bytes."""
    script = f"""
        import pathlib, resource, signal
        from experiments.files import DiskFull
        from experiments.history import History
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        path = pathlib.Path({str(path)!r})
        history = History(path, draft=path.with_name("draft"))
        history.publish()
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, {resource.RLIM_INFINITY}))
        try:
            for step in range(20):
                history.append({{"step": step, "train/loss": 1.0}})
        except DiskFull as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"File too large for {path}: free some space")
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [0, 1, 2]
    assert os.path.getsize(path) <= 100
