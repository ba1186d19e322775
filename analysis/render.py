"""One table as Markdown, LaTeX (booktabs), HTML (one file, light and dark), CSV and in a terminal.

A violated exact fact is red in HTML, LaTeX and the terminal, and a bold VIOLATED in Markdown. No
rendering holds a date: the same runs give the same bytes.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from .columns import Cell
from .table import Panel, Table

if TYPE_CHECKING:
    from rich.console import Console, JustifyMethod

TEMPLATES = Path(__file__).parent / "templates"

NARROWEST = 150  # columns given to a table that is printed into a file or a pipe


def markdown(table: Table) -> str:
    lines = [f"## {table.title}", ""]
    for sentence in table.violations:
        lines += [f"**VIOLATED**: {sentence}", ""]
    for panel in table.panels:
        columns = [table.columns[i] for i in panel.columns]
        if panel.title:
            lines += [f"*{panel.title}*", ""]
        lines.append(_markdown_row([column.header for column in columns]))
        lines.append(_markdown_row([":---" if column.is_text else "---:" for column in columns]))
        for row in panel.rows:
            lines.append(_markdown_row([_markdown_cell(row[i]) for i in panel.columns]))
        lines.append("")
    for note in [*table.notes, f"Source: {table.source}."]:
        lines += [note, ""]
    return "\n".join(lines[:-1]) + "\n"


def _markdown_row(cells: list[str]) -> str:
    escaped = (cell.replace("|", "\\|").replace("\n", " ") for cell in cells)
    return f"| {' | '.join(escaped)} |"


def _markdown_cell(cell: Cell) -> str:
    if cell.alert:
        return f"**VIOLATED {cell.text}**"
    return f"**{cell.text}**" if cell.best else cell.text


def html(table: Table) -> str:
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True)
    return environment.get_template("table.html").render(table=table) + "\n"


# How many rows fit on a page: of a table whose cells are wrapped, and of another.
WRAPPED_ROWS, PLAIN_ROWS = 9, 45


def latex(table: Table) -> str:
    r"""A table environment to \input; it needs booktabs, xcolor and graphicx (to fit the line).

    A table of several panels is so many tabulars under one caption. What is longer than a page goes
    on in further environments.
    """
    floats = _floats(table)
    lines = [r"% needs \usepackage{booktabs,graphicx,xcolor}"]
    for number, panels in enumerate(floats):
        continued = " (continued)" if number else ""
        lines += [
            r"\begin{table}",
            r"\centering\footnotesize" if _is_wrapped(table) else r"\centering\small",
            rf"\caption{{{escape_latex(table.title)}{continued}}}",
        ]
        lines += [] if number else [rf"\label{{tab:{table.name}}}"]
        for panel in panels:
            if panel.title:
                lines.append(rf"\par\medskip\textit{{{escape_latex(panel.title)}}}\par\smallskip")
            lines += _tabular(table, panel)
        if number == len(floats) - 1:
            lines += _notes(table)
        lines.append(r"\end{table}")
    return "\n".join(lines) + "\n"


def _is_wrapped(table: Table) -> bool:
    return any(column.wrap for column in table.columns)


def _floats(table: Table) -> list[list[Panel]]:
    """The panels, cut into what fits on a page each."""
    most = WRAPPED_ROWS if _is_wrapped(table) else PLAIN_ROWS
    floats: list[list[Panel]] = [[]]
    left = most
    for panel in table.panels:
        rows = panel.rows
        if not rows:
            floats[-1].append(panel)
        while rows:
            if not left:
                floats.append([])
                left = most
            floats[-1].append(replace(panel, rows=rows[:left]))
            rows, left = rows[left:], left - min(left, len(rows))
    return floats


def _notes(table: Table) -> list[str]:
    lines = [r"\par\medskip\raggedright\footnotesize"]
    for sentence in table.violations:
        lines.append(rf"\textcolor{{red}}{{\textbf{{Violated:}} {escape_latex(sentence)}}}\par")
    lines += [rf"{escape_latex(note)}\par" for note in [*table.notes, f"Source: {table.source}."]]
    return lines


def _tabular(table: Table, panel: Panel) -> list[str]:
    """The tabular of a panel, made smaller where it is wider than the line."""
    columns = [table.columns[i] for i in panel.columns]
    widths = [
        rf"p{{{column.wrap}\linewidth}}" if column.wrap else ("l" if column.is_text else "r")
        for column in columns
    ]
    rows = []
    for row in panel.rows:
        texts = [_latex_cell(row[i]) for i in panel.columns]
        # A line that begins with '[' would be read as an option of the \\ before it.
        texts[0] = "{}" + texts[0] if texts[0].startswith("[") else texts[0]
        rows.append(" & ".join(texts) + r" \\")
    return [
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{{''.join(widths)}}}",
        r"\toprule",
        " & ".join(escape_latex(column.header) for column in columns) + r" \\",
        r"\midrule",
        *rows,
        r"\bottomrule",
        r"\end{tabular}}",
    ]


def _latex_cell(cell: Cell) -> str:
    text = escape_latex(cell.text)
    if cell.alert:
        return rf"\textcolor{{red}}{{\textbf{{{text}}}}}"
    return rf"\textbf{{{text}}}" if cell.best else text


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
    "π": r"$\pi$",
    "Δ": r"$\Delta$",
    "²": "$^2$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "†": r"$\dagger$",
    "→": r"$\rightarrow$",
    "…": r"\ldots{}",
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
    console.print(Text(table.title, style="bold"))
    shown: set[int] = set()
    for panel in table.panels:
        widths = _widths(table, panel.columns, console.width)
        shown |= widths.keys()
        grid = RichTable(
            title=Text(panel.title, style="italic") if panel.title else None,
            title_justify="left",
            box=box.SIMPLE_HEAD,
            padding=(0, 1, 0, 0),
        )
        for i, width in widths.items():
            column = table.columns[i]
            justify: JustifyMethod = "left" if column.is_text else "right"
            grid.add_column(Text(column.header), justify=justify, width=width)
        for row in panel.rows:
            grid.add_row(*(Text(row[i].text, style=_style(row[i])) for i in widths))
        console.print(grid)
    if narrow := [c.header for i, c in enumerate(table.columns) if i not in shown]:
        console.print(Text(f"In the written table only: {', '.join(narrow)}.", style="dim"))
    for sentence in table.violations:
        console.print(Text(f"VIOLATED: {sentence}", style="bold red"))
    for note in table.notes:
        console.print(Text(note, style="dim"))
    console.print(Text(f"Source: {table.source}.", style="dim"))
    console.print()


def _style(cell: Cell) -> str:
    return "bold red" if cell.alert else "bold" if cell.best else ""


def _widths(table: Table, columns: list[int], available: int) -> dict[int, int]:
    """A width for each of these columns that is shown: never less than its longest word.

    Columns that do not fit even so are dropped from the right. What is left over goes to the
    numbers first, so that they stay on one line, and then to the text that wraps.
    """
    texts = [[c.header, *(row[i].text for row in table.rows)] for i, c in enumerate(table.columns)]
    least = [max(len(word) for text in cells for word in (text.split() or [""])) for cells in texts]
    most = [max(map(len, cells)) for cells in texts]
    shown = [i for i in columns if not table.columns[i].file_only]

    def used(widths: dict[int, int]) -> int:
        return sum(width + 2 for width in widths.values()) + 1  # padding, dividers, borders

    widths = {i: least[i] for i in shown}
    while len(widths) > 1 and used(widths) > available:
        widths.popitem()
    for wraps in (False, True):
        growing = [i for i in widths if bool(table.columns[i].wrap) == wraps]
        while used(widths) < available and any(widths[i] < most[i] for i in growing):
            widths[max(growing, key=lambda i: most[i] - widths[i])] += 1
    return widths
