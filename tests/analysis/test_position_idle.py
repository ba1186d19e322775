"""The table of what is idle in an encoding, which needs no run."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
import yaml

from analysis.columns import number
from analysis.declaration import TABLES as FOLDER
from analysis.declaration import load_table
from analysis.positions import idle
from analysis.positions.encodings import Encoding
from analysis.render import markdown, to_csv
from analysis.table import build_table, build_without_plan
from experiments.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


def plain(built) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(to_csv(built))))


@pytest.fixture
def small_encodings(tmp_path, monkeypatch):
    """The shipped table without its two large encodings, which take eight seconds."""
    declared = yaml.safe_load((FOLDER / "positions_idle.yaml").read_text(encoding="utf-8"))
    declared["encodings"] = [e for e in declared["encodings"] if e["dim"] < 3072]
    (tmp_path / "positions_idle.yaml").write_text(yaml.safe_dump(declared), encoding="utf-8")
    monkeypatch.setattr(load_table, "__defaults__", (tmp_path,))
    return declared


def test_the_idle_table_is_computed_from_formulas_and_needs_neither_plan_nor_runs(small_encodings):
    built = build_table("positions_idle", {"title": "of some plan", "runs": []}, None)
    assert built.source == "computed from the encodings' formulas, no run"
    assert "some plan" not in built.title
    rows = {row["encoding"]: row for row in plain(built)}
    row, encoding = rows["Head of 64, L 512"], Encoding(64, 512)
    assert float(row["no_turn"]) == 0.5
    assert float(row["no_turn_expected"]) == pytest.approx(
        1 - np.log(512 / 2 / np.pi) / np.log(1e4)
    )
    assert float(row["raw_participation"]) == pytest.approx(5.4, abs=0.05)
    assert [int(row[key]) for key in ("k99", "rank")] == [29, 34]
    near = idle.neighbour_distance(encoding.interpolated(4)) / idle.neighbour_distance(encoding)
    assert float(row["interpolation_4"]) == pytest.approx(near)
    assert number(near) in markdown(built)


def test_the_documentation_has_the_whole_table():
    built = markdown(build_without_plan("positions_idle"))
    text = (ROOT / "docs" / "studies" / "positions.md").read_text(encoding="utf-8")
    assert built.split("\n", 1)[1].strip() in text  # but for the title's heading


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"dim": 7}, "an even number"),
        ({"dims": 8}, "unexpected keyword argument 'dims'"),
        ({"name": None}, "lacks its name"),
    ],
)
def test_a_mistake_in_an_encoding_is_named(small_encodings, tmp_path, wrong, message):
    first = {k: v for k, v in (small_encodings["encodings"][0] | wrong).items() if v is not None}
    small_encodings["encodings"] = [first]
    text = yaml.safe_dump(small_encodings)
    (tmp_path / "positions_idle.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        load_table("positions_idle")
