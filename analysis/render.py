"""One table as Markdown, LaTeX (booktabs), HTML (one file, light and dark), CSV and in a terminal.

A violated exact fact is red in HTML, LaTeX and the terminal, and a bold VIOLATED in Markdown. No
rendering holds a date: the same runs give the same bytes.
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

from .table import Table

if TYPE_CHECKING:
    from rich.console import Console

TEMPLATES = Path(__file__).parent / "templates"

NARROWEST = 150  # columns given to a table that is printed into a file or a pipe
LONG_TEXT = 20  # columns kept for text that wraps, when a terminal is too narrow for all


def markdown(table: Table) -> str:
    def line(cells: list[str]) -> str:
        escaped = (cell.replace("|", "\\|").replace("\n", " ") for cell in cells)
        return f"| {' | '.join(escaped)} |"

    lines = [f"## {table.title}", ""]
    for sentence in table.violations:
        lines += [f"**VIOLATED**: {sentence}", ""]
    lines.append(line([column.header for column in table.columns]))
    lines.append(line([":---" if column.is_text else "---:" for column in table.columns]))
    for row in table.rows:
        lines.append(line([f"**VIOLATED {c.text}**" if c.alert else c.text for c in row]))
    for note in [*table.notes, f"Source: {table.source}."]:
        lines += ["", note]
    return "\n".join(lines) + "\n"


def html(table: Table) -> str:
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True)
    return environment.get_template("table.html").render(table=table) + "\n"


def latex(table: Table) -> str:
    r"""A table environment to \input; it needs booktabs, xcolor and adjustbox (to fit the line)."""
    widths = [
        rf"p{{{column.wrap}\linewidth}}" if column.wrap else ("l" if column.is_text else "r")
        for column in table.columns
    ]
    lines = [
        r"% needs \usepackage{booktabs,xcolor,adjustbox}",
        r"\begin{table}",
        r"\centering\small",
        rf"\caption{{{escape_latex(table.title)}}}",
        rf"\label{{tab:{table.name}}}",
        r"\begin{adjustbox}{max width=\linewidth}",
        rf"\begin{{tabular}}{{{''.join(widths)}}}",
        r"\toprule",
        " & ".join(escape_latex(column.header) for column in table.columns) + r" \\",
        r"\midrule",
    ]
    for row in table.rows:
        texts = [
            rf"\textcolor{{red}}{{\textbf{{{escape_latex(c.text)}}}}}"
            if c.alert
            else escape_latex(c.text)
            for c in row
        ]
        # A line that begins with '[' would be read as an option of the \\ before it.
        texts[0] = "{}" + texts[0] if texts[0].startswith("[") else texts[0]
        lines.append(" & ".join(texts) + r" \\")
    lines += [
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{adjustbox}",
        r"\par\raggedright\footnotesize",
    ]
    for sentence in table.violations:
        lines.append(rf"\textcolor{{red}}{{\textbf{{Violated:}} {escape_latex(sentence)}}}\par")
    for note in [*table.notes, f"Source: {table.source}."]:
        lines.append(rf"{escape_latex(note)}\par")
    return "\n".join([*lines, r"\end{table}"]) + "\n"


LATEX = {
    "\\": r"\textbackslash{}",
    **{char: f"\\{char}" for char in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "\N{MINUS SIGN}": "$-$",
    "\N{EN DASH}": "--",
    "×": r"$\times$",
    "±": r"$\pm$",
    "δ": r"$\delta$",
    "Δ": r"$\Delta$",
    "²": "$^2$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
}
_LATEX = re.compile("|".join(map(re.escape, LATEX)))


def escape_latex(text: str) -> str:
    """One pass over the text, so that nothing is escaped twice."""
    return _LATEX.sub(lambda match: LATEX[match.group()], text)


def to_csv(table: Table) -> str:
    """The plain numbers behind each cell, full precision; `violated` names the cells at fault."""
    names = []
    for i, column in enumerate(table.columns):
        subs = dict.fromkeys(sub for row in table.rows for sub in row[i].values)
        names += [(i, sub, f"{column.key}_{sub}" if sub else column.key) for sub in subs]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*(name for _, _, name in names), "violated"])
    for row in table.rows:
        plain = [row[i].values.get(sub, "") for i, sub, _ in names]
        at_fault = [c.key for c, cell in zip(table.columns, row, strict=True) if cell.alert]
        writer.writerow([*("" if value != value else value for value in plain), " ".join(at_fault)])
    return file.getvalue()


FORMATS = {"md": markdown, "tex": latex, "html": html, "csv": to_csv}


def print_table(table: Table, console: Console | None = None) -> None:
    """The table in a terminal, without the columns that are too wide for one."""
    from rich import box
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    console = console or Console()
    if not console.is_terminal:
        console = Console(file=console.file, width=max(console.width, NARROWEST))
    shown = [i for i, column in enumerate(table.columns) if not column.file_only]
    grid = RichTable(
        title=Text(table.title, style="bold"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for i in shown:
        column = table.columns[i]
        grid.add_column(
            Text(column.header),
            justify="left" if column.is_text else "right",
            overflow="fold",
            min_width=LONG_TEXT if column.wrap else None,
        )
    for row in table.rows:
        grid.add_row(*(Text(row[i].text, style="bold red" if row[i].alert else "") for i in shown))
    console.print(grid)
    for sentence in table.violations:
        console.print(Text(f"VIOLATED: {sentence}", style="bold red"))
    for note in table.notes:
        console.print(Text(note, style="dim"))
    console.print(Text(f"Source: {table.source}.", style="dim"))
    console.print()
