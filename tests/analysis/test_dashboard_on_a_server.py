"""Dashboards made and updated by the real wandb_workspaces package, on the loopback server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.__main__ import main
from tests.drivers.loopback.server import LoopbackServer

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the package's models


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackServer]:
    with LoopbackServer() as server:
        (tmp_path / "home").mkdir()
        for key, value in server.environment(tmp_path / "home").items():
            monkeypatch.setenv(key, value)
        yield server


def dashboard(reports: Path, *sweeps: str, entity: str = "loopback") -> int:
    codes = [
        main(["dashboard", "--sweep", sweep, "--entity", entity, "--reports", str(reports)])
        for sweep in sweeps or ["symmetry"]
    ]
    return max(codes)


def held(server: LoopbackServer) -> tuple[list[str], list[str]]:
    """The names of the workspaces and of the reports that the server holds."""
    views = server.database.views
    workspaces, reports = views.of("project-view"), views.of("runs")
    return [v["displayName"] for v in workspaces], [v["displayName"] for v in reports]


def test_made_once_and_then_updated_with_and_without_the_noted_addresses(
    server: LoopbackServer, tmp_path: Path
) -> None:
    one = (["symmetry: ablations"], ["symmetry: ablations"])
    assert dashboard(tmp_path) == 0
    assert held(server) == one
    assert server.database.views.projects == {"loopback": ["transformer-ablations"]}
    noted = tmp_path / "dashboards.json"
    (addresses,) = json.loads(noted.read_text(encoding="utf-8")).values()
    first = {v["type"]: v for v in server.database.views.held.values()}
    assert addresses["workspace"].endswith(first["project-view"]["name"][3:-2])
    assert addresses["report"].endswith(first["runs"]["id"])

    for view in server.database.views.held.values():  # renamed on W&B's pages
        view["displayName"] = "ours"
    assert dashboard(tmp_path) == 0
    assert held(server) == one
    noted.unlink()  # a fresh clone
    assert dashboard(tmp_path) == 0
    assert held(server) == one
    assert list(json.loads(noted.read_text(encoding="utf-8")).values()) == [addresses]
    assert "steps_to_convergence" in server.database.views.of("project-view")[0]["spec"]
    assert "steps_to_convergence" in server.database.views.of("runs")[0]["spec"]
    assert server.database.unknown == []


def test_each_sweep_has_its_own_and_finds_it_among_all(
    server: LoopbackServer, tmp_path: Path
) -> None:
    sweeps = ["bert", "bert_size", "bert_text"]  # more than the server gives a page
    names = [f"{sweep}: ablations" for sweep in sweeps]
    for reports in ("first", "second"):
        assert dashboard(tmp_path / reports, *sweeps) == 0
        assert held(server) == (names, names)


def test_deleted_on_the_server_they_are_made_anew(server: LoopbackServer, tmp_path: Path) -> None:
    assert dashboard(tmp_path) == 0
    server.database.views.held.clear()
    assert dashboard(tmp_path) == 0
    assert held(server) == (["symmetry: ablations"], ["symmetry: ablations"])


def test_an_unknown_entity_is_a_users_mistake(
    server: LoopbackServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dashboard(tmp_path, entity="nobody") == 2
    said = capsys.readouterr().err
    assert "W&B knows no entity 'nobody'" in said
    assert "type make dashboard ENTITY=loopback" in said
    assert len(said.splitlines()) == 1
    assert server.database.views.held == {}


def test_a_view_that_the_package_cannot_read_is_told_in_a_sentence(
    server: LoopbackServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dashboard(tmp_path) == 0
    server.database.views.of("project-view")[0]["spec"] = '{"section": 3}'
    capsys.readouterr()
    assert dashboard(tmp_path) == 2
    said = capsys.readouterr().err
    assert "W&B did not take the dashboard 'symmetry: ablations'" in said
    assert "type make dashboard ENTITY=<user or team>" in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("key", "said"), [("w" * 40, "W&B refuses the API key"), ("w", "is not of its form")]
)
def test_a_wrong_key_is_a_users_mistake(
    server: LoopbackServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    key: str,
    said: str,
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", key)
    assert dashboard(tmp_path) == 2
    assert f"{said}: type `wandb login`" in capsys.readouterr().err


def test_no_network_is_not_told_as_a_missing_login(
    server: LoopbackServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.lose_network()
    assert dashboard(tmp_path) == 1
    said = capsys.readouterr()
    assert "W&B does not answer" in said.err
    assert "Type make dashboard again" in said.err
    assert "log in" not in (said.out + said.err).lower()
