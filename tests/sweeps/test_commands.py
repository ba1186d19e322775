"""What `sweeps run` says before it trains anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweeps import commands
from sweeps.__main__ import main


class Driven(Exception):
    """Instead of training."""


def test_what_the_claims_can_resolve_is_printed_before_the_first_run(
    tmp_path: Path, monkeypatch, capsys
) -> None:
    def drive(*arguments: object, **settings: object) -> None:
        raise Driven

    monkeypatch.setattr(commands, "drive", drive)
    with pytest.raises(Driven):
        main(["run", "symmetry", "--seeds", "2", "--runs", str(tmp_path)])
    told = capsys.readouterr().out
    assert "what claims resolve" in told
    assert "(assumed)" in told
    assert "residuals_help_convergence" in told.replace("\n", "")
