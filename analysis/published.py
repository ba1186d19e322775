"""Published values, as declared in `analysis/published/<study>.yaml`: what tables show beside ours.

    about: what the file holds
    tables:
      table_5:
        title: ...
        citation: "arXiv:1810.04805v2"
        place: Table 5                       # the number under which the source prints it
        conditions: dev set; seeds not stated
        read_in: ...                         # where we read it, if not in the source itself
        columns: {squad_f1: {name: SQuAD 1.1, unit: "F1, %"}}
        rows:
          no_nsp: {name: No NSP, variants: [no_nsp, no_nsp_pairs], values: {squad_f1: 87.9}}

A value is a number, {between: [14.7, 18.0]}, {above: 1000}, or {unknown: reason}: what the source
does not state stays unknown here. `variants` are the arms of ours that the row describes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from experiments.errors import UserError, did_you_mean

FOLDER = Path(__file__).parent / "published"

FILE_KEYS = (("about", "tables"), ())
TABLE_KEYS = (("title", "citation", "place", "columns", "rows"), ("conditions", "read_in"))
COLUMN_KEYS = (("name", "unit"), ())
ROW_KEYS = (("name", "values"), ("variants",))
FORMS = ("unknown", "above", "between")


@dataclass(frozen=True)
class Value:
    """A printed number, a bound or a range; all nan for an unknown one, which has a reason."""

    low: float
    high: float
    unknown: str = ""

    @property
    def number(self) -> float:
        """The printed number; nan where the source gives a bound, a range or nothing."""
        return self.low if self.low == self.high else math.nan


@dataclass(frozen=True)
class Quantity:
    name: str
    unit: str


@dataclass(frozen=True)
class Row:
    name: str
    variants: tuple[str, ...]
    values: Mapping[str, Value]


@dataclass(frozen=True)
class PublishedTable:
    name: str  # 'bert/table_5'
    title: str
    citation: str
    place: str
    conditions: str
    read_in: str
    columns: Mapping[str, Quantity]
    rows: Mapping[str, Row]

    @property
    def source(self) -> str:
        """'arXiv:1810.04805v2, Table 5'."""
        return f"{self.citation}, {self.place}"

    def value(self, row: str, column: str) -> Value:
        """UserError for a row or column that the table lacks."""
        _known(row, self.rows, f"{self.name}: row")
        _known(column, self.columns, f"{self.name}: column")
        return self.rows[row].values[column]

    def of_variant(self, variant: str, column: str) -> Value:
        """The value of the row that describes one of our arms."""
        _known(column, self.columns, f"{self.name}: column")
        for row in self.rows.values():
            if variant in row.variants:
                return row.values[column]
        return Value(math.nan, math.nan, f"{self.source} has no such arm")

    def contrast(self, terms: Iterable[tuple[float, str]], column: str) -> float:
        """The weighted sum of our arms' published values; nan where one of them is unknown."""
        return math.fsum(weight * self.of_variant(arm, column).number for weight, arm in terms)


def load_published(study: str, folder: Path = FOLDER) -> dict[str, PublishedTable]:
    """Every published table of a study's file, checked."""
    path = folder / f"{study}.yaml"
    if not path.is_file():
        known = sorted(p.stem for p in folder.glob("*.yaml"))
        raise UserError(
            f"study '{study}' has no published values ({path.name} is missing); expected one of: "
            f"{', '.join(known)}.{did_you_mean(study, known)}"
        )
    return _read(path)


def published_table(name: str, folder: Path = FOLDER) -> PublishedTable:
    """'bert/table_5' -> the table `table_5` of bert.yaml."""
    study, slash, table = name.partition("/")
    if not slash:
        raise UserError(f"'{name}' names no published table; expected <study>/<table>.")
    tables = load_published(study, folder)
    _known(table, tables, f"{study}.yaml: table")
    return tables[table]


@cache
def _read(path: Path) -> dict[str, PublishedTable]:
    import yaml

    declared = yaml.safe_load(path.read_text(encoding="utf-8"))
    _keys(declared, FILE_KEYS, path.name)
    return {
        key: _table(f"{path.stem}/{key}", table, f"{path.name}, {key}")
        for key, table in declared["tables"].items()
    }


def _table(name: str, declared: Mapping[str, Any], where: str) -> PublishedTable:
    _keys(declared, TABLE_KEYS, where)
    columns = {}
    for key, column in declared["columns"].items():
        _keys(column, COLUMN_KEYS, f"{where}, column {key}")
        columns[key] = Quantity(**column)
    rows = {key: _row(row, columns, f"{where}, row {key}") for key, row in declared["rows"].items()}
    arms = [arm for row in rows.values() for arm in row.variants]
    if twice := sorted({arm for arm in arms if arms.count(arm) > 1}):
        raise UserError(f"{where}: two rows describe the variant '{twice[0]}'.")
    told = {key: str(declared.get(key, "")) for key in ("citation", "place", "conditions")}
    return PublishedTable(
        name=name,
        title=declared["title"],
        read_in=declared.get("read_in", ""),
        columns=columns,
        rows=rows,
        **told,
    )


def _row(declared: Mapping[str, Any], columns: Mapping[str, Quantity], where: str) -> Row:
    _keys(declared, ROW_KEYS, where)
    _keys(declared["values"], (tuple(columns), ()), f"{where}, values")
    values = {key: _value(value, f"{where}, {key}") for key, value in declared["values"].items()}
    return Row(str(declared["name"]), tuple(declared.get("variants", ())), values)


def _value(declared: Any, where: str) -> Value:
    if isinstance(declared, Mapping) and len(declared) == 1:
        (form, content), *_ = declared.items()
        if form == "unknown" and isinstance(content, str) and content:
            return Value(math.nan, math.nan, content)
        if form == "above" and _is_number(content):
            return Value(float(content), math.inf)
        if form == "between" and isinstance(content, list) and all(map(_is_number, content)):
            low, high = content
            return Value(float(low), float(high))
    if not _is_number(declared):
        raise UserError(
            f"{where}: {declared!r} is no published value; expected a number, or one of "
            f"{', '.join(FORMS)}, as in {{unknown: the reason}}."
        )
    return Value(float(declared), float(declared))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _known(name: str, known: Iterable[str], where: str) -> None:
    if name not in known:
        raise UserError(
            f"{where} '{name}' does not exist; expected one of: {', '.join(known)}."
            f"{did_you_mean(name, known)}"
        )


def _keys(given: Any, known: tuple[tuple[str, ...], tuple[str, ...]], where: str) -> None:
    required, optional = known
    if not isinstance(given, Mapping):
        raise UserError(f"{where}: expected a mapping with {', '.join(required)}.")
    for key in given:
        if key not in required + optional:
            raise UserError(
                f"{where}: unknown key '{key}'; expected {', '.join(required + optional)}."
                f"{did_you_mean(str(key), required + optional)}"
            )
    for key in required:
        if key not in given:
            raise UserError(f"{where}: the key '{key}' is missing.")
