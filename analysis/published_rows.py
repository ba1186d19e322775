"""A published table as it stands, one row each of its rows: the columns of `rows: published`."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .columns import BLANK, Cell, number
from .published import PublishedTable


class PublishedRow(NamedTuple):
    table: PublishedTable
    key: str


def published_rows(table: PublishedTable) -> list[PublishedRow]:
    return [PublishedRow(table, key) for key in table.rows]


def row(of: PublishedRow) -> Cell:
    """The row's name in the paper."""
    return Cell(of.table.rows[of.key].name, {"": of.key})


def value(of: PublishedRow, *, column: str, digits: int = 1) -> Cell:
    """The number, range or bound as printed; a dash where it is unknown, with the reason in CSV."""
    found = of.table.value(of.key, column)
    if found.unknown:
        return Cell(BLANK, {"": None, "unknown": found.unknown})
    text = number(found.low, digits=digits)
    if found.high == float("inf"):
        text = f">{found.low:g}"
    elif found.high != found.low:
        text += f"–{number(found.high, digits=digits)}"
    return Cell(text, {"": found.number, "low": found.low, "high": found.high})


def change(of: PublishedRow, *, column: str, since: str, digits: int = 1) -> Cell:
    """The value less the row `since`; empty on that row itself."""
    if of.key == since:
        return Cell("")
    difference = of.table.value(of.key, column).number - of.table.value(since, column).number
    return Cell(number(difference, digits=digits, signed=True), {"": difference})


PUBLISHED_KINDS: dict[str, Callable[..., Cell]] = {
    kind.__name__: kind for kind in (row, value, change)
}
