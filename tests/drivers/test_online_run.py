"""tracking=online as typed: trains whatever the network does, refuses a bad key beforehand."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.conftest import TINY
from tests.drivers.conftest import Lab
from tests.drivers.loopback.server import LoopbackServer
from tests.tracking.online import HURRY

ONLINE = [o for o in TINY if not o.startswith("tracking=")] + ["tracking=online"]


@pytest.fixture
def server(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackServer]:
    """The server that W&B's client finds in the lab's environment."""
    with LoopbackServer() as server:
        home = lab.path / "home"
        home.mkdir()
        variables = server.environment(home) | HURRY
        plain = Lab.environment
        monkeypatch.setattr(
            Lab, "environment", lambda self, **changes: plain(self, **variables | changes)
        )
        yield server


def test_a_multirun_is_followed_into_the_server(lab: Lab, server: LoopbackServer) -> None:
    done = lab.type(
        "experiments.run", "-m", *ONLINE, "seed=0,1", "runtime.checkpoint_steps=20",
        "wandb.project=lab",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "W&B: 2 runs mirrored." in done.stdout
    database = server.database
    assert (database.overwritten, database.unknown, database.errors) == ([], [], [])
    assert len(lab.folders()) == 2
    for folder in lab.folders():
        name = folder.path.name
        assert database.steps(name) == sorted({row["step"] for row in folder.history()})
        assert database.runs[name]["state"] == "finished"
        summary = json.loads(database.runs[name]["summaryMetrics"])
        assert summary["status"] == folder.result()["status"]
        assert database.config(name)["provenance"] == folder.result()["provenance"]


def test_a_run_trains_to_its_end_without_an_answer_from_the_server(
    lab: Lab, server: LoopbackServer
) -> None:
    server.fail(500)
    done = lab.type("experiments.run", *ONLINE, "wandb.project=lab")
    assert done.returncode == 0, done.stdout + done.stderr
    (folder,) = lab.folders()
    assert folder.is_done()
    assert "W&B does not answer now" in done.stderr
    assert "1 not mirrored" in done.stdout
    assert "`make sync` tries again" in done.stdout
    server.heal()
    done = lab.type("experiments.sync")
    assert done.returncode == 0, done.stdout + done.stderr
    assert server.database.steps(folder.path.name) == sorted({r["step"] for r in folder.history()})


@pytest.mark.parametrize(("key", "multirun"), [("w" * 40, []), ("", ["-m"])])
def test_a_key_that_is_refused_ends_the_command_before_it_trains(
    lab: Lab, server: LoopbackServer, key: str, multirun: list[str]
) -> None:
    environment = {"WANDB_API_KEY": key, "HOME": str(lab.path / "home")}
    process = lab.start("experiments.run", *multirun, *ONLINE, "seed=0", **environment)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 2, out + err
    assert len(err.splitlines()) == 1
    assert "type `wandb login`, or tracking=offline" in err
    assert "w" * 40 not in out + err
    assert lab.folders() == []
    assert server.database.runs == {}
