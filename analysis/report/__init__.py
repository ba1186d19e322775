"""The report: every planned study in one self-contained page, `reports/index.html`.

    python -m analysis report [--runs runs] [--results results] [--reports reports]

data.py turns a plan and its runs into plain data (arms.py, claims.py, effects.py, curves.py and
runs.py each a part of it), and page.py renders that with templates/report.{html,css,js}.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Report:
    """What was written. `problems` are sentences: exact facts violated, damaged runs, plans not
    reported."""

    path: Path
    studies: int
    problems: list[str]

    @property
    def exit_code(self) -> int:
        return 1 if self.problems else 0

    def __str__(self) -> str:
        size = self.path.stat().st_size / 1e3
        plural = "study" if self.studies == 1 else "studies"
        return f"wrote {self.path} ({self.studies} {plural}, {size:,.0f} kB)"


def write_report(runs: str | Path, results: str | Path, reports: str | Path) -> Report:
    """Writes `reports`/index.html from every plan of `runs`, and those that only `results` has.

    A plan that cannot be reported has a section that says why, and is among the problems.
    UserError where there is no plan at all.
    """
    from experiments.store import write_atomic

    from ..plans import find_plans
    from .data import report_data
    from .page import render

    data = report_data(find_plans(Path(runs), Path(results)))
    path = Path(reports) / "index.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, render(data))
    studies = data["studies"]
    problems = [
        sentence
        for study in studies
        for sentence in (*study.get("violations", []), *study.get("damaged", []))
    ]
    problems += [f"{study['plan']}: {study['error']}" for study in studies if "error" in study]
    return Report(path, len(studies), problems)
