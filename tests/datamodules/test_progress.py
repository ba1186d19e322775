"""What a long job says: a bar on a terminal, lines elsewhere, nothing when it is short."""

from __future__ import annotations

import io
import sys

from datamodules.text import progress as module
from datamodules.text.progress import Progress


def job() -> None:
    with Progress("Tokenising books.txt") as progress:
        progress.total = 40
        for part in (progress.part(30), progress.part(10)):
            part(10)


def test_a_line_now_and_then_with_the_share_done_and_the_time_left(monkeypatch, capsys):
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LINES", 0.0)
    job()
    assert capsys.readouterr().err.splitlines() == [
        "Tokenising books.txt: 25%, 0 s left",
        "Tokenising books.txt: 100%, 0 s left",
    ]


def test_a_short_job_says_nothing(capsys):
    job()
    assert capsys.readouterr() == ("", "")


def test_a_bar_on_a_terminal(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    job()
    assert "Tokenising books.txt: 100%|" in terminal.getvalue()
    assert terminal.getvalue().endswith("\n")
