"""A table's declaration, `analysis/tables/<name>.yaml`: loaded and checked, nothing computed.

    title: ...
    rows: variants           # what a row is: arms, variants, claims, published or encodings
    by: variant              # rows: variants only; the factor with one row a level
    arms: {task: false}      # rows: arms only; which arms, by factor: its levels, or true or false
                             # for arms that have the factor at all or lack it (default: all arms)
    published: bert/table_5  # rows: published only; whose rows these are
    encodings: [...]         # rows: encodings only; what they are (encoding_rows.py)
    columns:
      - {kind: mean, header: Spans, metric: metrics.score, where: {task: spans}, best: max}
    notes: [...]

A column names a kind of its rows and that kind's options; beside them `key` is its name in the
CSV, `wrap` the share of a LaTeX line of a long text, `file_only` keeps it out of the terminal,
`best` prints its largest or smallest value bold, with `best_within: [task]` that of the rows which
agree in the columns of these keys, `optional` leaves it out where no run has its metric or the plan
no arm at its `where` (or, of published values, none of the plan's arms was published; of chosen
levels, nothing is tuned), and `panel` puts it into a part of the table of that title (columns
without one stand in every part).
Adding a table is adding such a file.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments.errors import UserError, did_you_mean

from .averages import AVERAGE_KINDS
from .columns import ARM_KINDS, CLAIM_KINDS, Cell
from .encoding_rows import ENCODING_KINDS, EncodingRow, encoding_rows
from .published_rows import PUBLISHED_KINDS
from .variants import VARIANT_KINDS

TABLES = Path(__file__).parent / "tables"

KINDS: dict[str, Mapping[str, Callable[..., Cell]]] = {
    "arms": ARM_KINDS | AVERAGE_KINDS,
    "variants": VARIANT_KINDS,
    "claims": CLAIM_KINDS,
    "published": PUBLISHED_KINDS,
    "encodings": ENCODING_KINDS,
}
# key -> the rows that it belongs to
ONLY = {"by": "variants", "arms": "arms", "published": "published", "encodings": "encodings"}
KEYS = ("title", "rows", *ONLY, "columns", "notes")
NEEDED = {"published": "as in bert/table_5", "encodings": "a list"}  # by the rows of that name
GIVEN_AS_THEY_ARE = ("wrap", "file_only", "best", "best_within", "optional", "panel")
COLUMN_KEYS = ("kind", "header", "key", *GIVEN_AS_THEY_ARE)
BEST = ("max", "min")
# Left-aligned kinds; the others are numbers.
TEXT_KINDS = {
    *("factor", "tuned", "variant", "row", "encoding"),
    *("sentence", "source", "metric", "published", "verdict"),
}


@dataclass(frozen=True)
class Column:
    header: str
    key: str
    kind: str
    options: Mapping[str, Any]
    wrap: float | None = None
    file_only: bool = False
    best: str | None = None
    best_within: Sequence[str] = ()
    optional: bool = False
    panel: str = ""

    @property
    def is_text(self) -> bool:
        return self.kind in TEXT_KINDS


@dataclass(frozen=True)
class Declaration:
    title: str
    rows: str
    columns: list[Column]
    notes: list[str]
    by: str = "variant"
    arms: Mapping[str, Any] = field(default_factory=dict)
    published: str = ""
    encodings: list[EncodingRow] = field(default_factory=list)


def load_table(name: str, folder: Path = TABLES) -> Declaration:
    """A checked declaration; UserError for the first mistake in it."""
    import yaml

    path = folder / f"{name}.yaml"
    if not path.is_file():
        known = sorted(p.stem for p in folder.glob("*.yaml"))
        raise UserError(
            f"there is no table '{name}'; expected one of: {', '.join(known)}."
            f"{did_you_mean(name, known)}"
        )
    declared = yaml.safe_load(path.read_text(encoding="utf-8"))
    for key in declared:
        if key not in KEYS:
            raise UserError(
                f"{path.name}: unknown key '{key}'; expected {', '.join(KEYS)}."
                f"{did_you_mean(key, KEYS)}"
            )
    for key in ("title", "columns"):
        if not declared.get(key):
            raise UserError(f"{path.name}: the key '{key}' is missing.")
    rows = declared.get("rows")
    if rows not in KINDS:
        raise UserError(f"{path.name}: rows must be one of: {', '.join(KINDS)}.")
    for key, owner in ONLY.items():
        if key in declared and rows != owner:
            raise UserError(f"{path.name}: '{key}' belongs to rows: {owner}, not to rows: {rows}.")
    if rows in NEEDED and rows not in declared:
        raise UserError(f"{path.name}: the key '{rows}' is missing, {NEEDED[rows]}.")
    columns = [_column(spec, KINDS[rows], path.name) for spec in declared["columns"]]
    keys = [column.key for column in columns]
    for key in (key for column in columns for key in column.best_within):
        if key not in keys:
            raise UserError(
                f"{path.name}: best_within names a column '{key}'; expected keys of columns: "
                f"{', '.join(keys)}.{did_you_mean(key, keys)}"
            )
    return Declaration(
        title=declared["title"],
        rows=rows,
        columns=columns,
        notes=declared.get("notes", []),
        by=declared.get("by", "variant"),
        arms=declared.get("arms", {}),
        published=declared.get("published", ""),
        encodings=encoding_rows(declared.get("encodings", []), path.name),
    )


def _column(
    spec: Mapping[str, Any], kinds: Mapping[str, Callable[..., Cell]], where: str
) -> Column:
    kind = spec.get("kind", "")
    if kind not in kinds:
        raise UserError(
            f"{where}: unknown kind of column '{kind}'; expected one of: {', '.join(kinds)}."
            f"{did_you_mean(kind, kinds)}"
        )
    if "header" not in spec:
        raise UserError(f"{where}: column '{kind}' lacks its header.")
    if spec.get("best") not in (None, *BEST):
        raise UserError(
            f"{where}: column '{kind}' has best: {spec['best']}; expected one of: "
            f"{', '.join(BEST)}."
        )
    options = {key: value for key, value in spec.items() if key not in COLUMN_KEYS}
    try:
        inspect.signature(kinds[kind]).bind(None, **options)
    except TypeError as error:
        raise UserError(f"{where}: column '{kind}' has wrong options: {error}.") from None
    given = {key: spec[key] for key in GIVEN_AS_THEY_ARE if key in spec}
    key = spec.get("key", options.get("factor", kind))
    return Column(header=spec["header"], key=key, kind=kind, options=options, **given)
