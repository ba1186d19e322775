"""Every declared table compiles in LaTeX, with the packages that a small TeX has."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from analysis.declaration import TABLES
from analysis.frame import plan_frame
from analysis.render import latex
from analysis.table import build_table

NAMES = sorted(path.stem for path in TABLES.glob("*.yaml"))
DOCUMENT = r"""\documentclass{article}
\usepackage[margin=2cm]{geometry}
\usepackage{booktabs,graphicx,xcolor}
\begin{document}
%s
\end{document}
"""


BY_STEP = ("bert_steps",)  # wants runs with a factor that no other table's have


def tables(study, *names):
    """The declared tables of a study, or those named, from its synthetic runs."""
    plan = study.plan
    frame = plan_frame(plan, study.root)
    own = [name for name in NAMES if name.startswith(plan["study"]) and name not in BY_STEP]
    return [build_table(name, plan, frame) for name in names or own]


@pytest.fixture
def every_table(full_study, bert, steps, positions):
    full_study.arm("reverse", exact=[0.9, 0.3], steps=[None] * 2, invariance=0.2)  # a violation
    built = [*tables(full_study), *tables(bert), *tables(positions)]
    built += tables(steps, *BY_STEP)
    studies = {name.split("_")[0] for name in NAMES}
    assert studies == {"symmetry", "bert", "positions"}, (
        "give the new study's tables synthetic runs here"
    )
    assert any(table.violations for table in built)
    return built


def test_every_declared_table_is_ascii(every_table):
    for table in every_table:
        assert latex(table).isascii(), table.name


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not installed")
def test_every_declared_table_compiles_and_fits_the_page(every_table, tmp_path):
    for table in every_table:
        (tmp_path / f"{table.name}.tex").write_text(latex(table), encoding="utf-8")
    body = "\n".join(rf"\input{{{table.name}}}\clearpage" for table in every_table)
    (tmp_path / "tables.tex").write_text(DOCUMENT % body, encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "tables.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=60,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "tables.pdf").stat().st_size > 10_000
    too_wide = [line for line in done.stdout.splitlines() if line.startswith("Overfull \\hbox")]
    assert not too_wide
    assert "Float too large" not in done.stdout
