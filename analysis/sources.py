"""Where finished runs are read from: run folders, their offline W&B files, or a W&B server.

    source_of("runs", "runs").read("symmetry")             runs/symmetry/*/result.json
    source_of("wandb-offline", "results").read()           results/*/*/wandb/offline-run-*/*.wandb
    source_of("wandb", "entity/project").read("bert")      wandb.Api()

Each gives the same results and the same curves for the same runs, and a reason for each run that it
had to leave out.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from experiments.errors import UserError, did_you_mean

from .cache import Cache

SOURCES = ("runs", "wandb-offline", "wandb")
# The keys of result.json that a frame is made of.
LABELS = ("run_id", "study", "variant", "stage", "seed", "status")
SECTIONS = ("factors", "config", "metrics", "cost", "provenance")

Row = dict[str, Any]


@dataclass
class Found:
    """Results in the order of study and run id; `left_out`: why, by '<study>/<run id>'."""

    results: list[Row] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)

    def keep(self, name: str, result: Row) -> None:
        self.results.append(checked(result, name.rpartition("/")[2]))


class Source(Protocol):
    def read(self, study: str | None = None, run_ids: Collection[str] | None = None) -> Found:
        """The finished runs, of one study or of all; with `run_ids`, of those alone."""

    def count_others(self, study: str, run_ids: Collection[str]) -> int:
        """How many runs of the study there are beside those."""

    def histories(self, runs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, list[Row]]]:
        """(run id, rows) of each run, given as (study, run id); rows as history.jsonl's."""


def source_of(
    source: str,
    root: str | Path,
    *,
    filters: Mapping[str, Any] | None = None,
    group: str | None = None,
) -> Source:
    if source not in SOURCES:
        raise UserError(
            f"source '{source}' does not exist; expected one of: {', '.join(SOURCES)}."
            f"{did_you_mean(source, SOURCES)}"
        )
    if source == "wandb":
        from .server import Server

        return Server(str(root), filters=filters, group=group)
    if filters or group:
        raise UserError(
            f"filters and group are W&B's own: they need source='wandb', not '{source}'; "
            "filter the frame instead."
        )
    return Folders(Path(root)) if source == "runs" else OfflineFiles(Path(root))


class Folders:
    """root/<study>/<run id>/ with result.json, history.jsonl and DONE."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, study: str | None = None, run_ids: Collection[str] | None = None) -> Found:
        found = Found()
        for folder in self.folders(study, run_ids):
            name = f"{folder.parent.name}/{folder.name}"
            try:
                result = read_result(folder)
                # A damaged curve is met here, and not in the middle of a figure.
                read_lines(folder / "history.jsonl")
                found.keep(name, result)
            except ValueError as error:
                found.left_out[name] = str(error)
        return found

    def folders(
        self, study: str | None = None, run_ids: Collection[str] | None = None
    ) -> Iterator[Path]:
        """The run folders, sorted; `plans/` holds files and so has none."""
        if study and run_ids is not None:
            yield from (self.root / study / run_id for run_id in sorted(run_ids))
            return
        for folder in sorted(self.root.glob(f"{study or '*'}/*/")):
            if not folder.name.startswith(".") and (run_ids is None or folder.name in run_ids):
                yield folder

    def count_others(self, study: str, run_ids: Collection[str]) -> int:
        return sum(folder.name not in run_ids for folder in self.folders(study))

    def histories(self, runs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, list[Row]]]:
        for study, run_id in runs:
            yield run_id, read_lines(self.root / study / run_id / "history.jsonl")


class OfflineFiles(Folders):
    """The offline W&B file in each run folder; nothing else there is read."""

    def read(self, study: str | None = None, run_ids: Collection[str] | None = None) -> Found:
        found = Found()
        with Cache() as cache:
            for folder in self.folders(study, run_ids):
                name = f"{folder.parent.name}/{folder.name}"
                try:
                    found.keep(name, self._read(folder, "result", cache))
                except ValueError as error:
                    found.left_out[name] = str(error)
        return found

    def histories(self, runs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, list[Row]]]:
        with Cache() as cache:
            for study, run_id in runs:
                yield run_id, self._read(self.root / study / run_id, "history", cache)

    def _read(self, folder: Path, what: str, cache: Cache) -> Any:
        """The run's "result" or "history"; ValueError says why it cannot be used."""
        from experiments.wandb_client import read_offline_run

        files = list(folder.glob("wandb/offline-run-*/run-*.wandb"))
        if len(files) != 1:
            raise ValueError("holds two W&B files" if files else _without_file(folder))
        stat = files[0].stat()
        key, stamp = f"{what}:{files[0].resolve()}", f"{stat.st_size} {stat.st_mtime_ns}"
        kept = cache.get(key)
        if kept and kept[0] == stamp:
            return kept[1]
        try:
            run = read_offline_run(files[0], history=what == "history")
            value = run.result() if what == "result" else steps_of(run.history)
        except (UserError, ValueError, KeyError) as error:
            raise ValueError(f"damaged: {error}") from None
        cache.put(key, stamp, value)
        return value


def _without_file(folder: Path) -> str:
    finished = (folder / "DONE").is_file()
    return "not mirrored: finished, but without a W&B file" if finished else "unfinished"


def read_result(folder: Path) -> Row:
    """One finished run's result.json; ValueError says why it cannot be used."""
    if not (folder / "DONE").is_file():
        raise ValueError("unfinished")
    try:
        text = (folder / "result.json").read_text(encoding="utf-8")
        return json.loads(text, parse_constant=_not_finite)
    except (OSError, ValueError) as error:
        raise ValueError(f"damaged: {error}") from None


def _not_finite(word: str) -> float:
    raise ValueError(f"{word} in result.json, where numbers are finite or null")


def checked(result: Any, run_id: str) -> Row:
    """The result, if it is one and of this run; ValueError says what is wrong."""
    if not isinstance(result, dict):
        raise ValueError("damaged: result.json holds no object")
    if missing := [key for key in (*LABELS, *SECTIONS) if key not in result]:
        raise ValueError(f"damaged: result.json lacks {', '.join(missing)}")
    if result["run_id"] != run_id:
        raise ValueError(f"damaged: result.json is of run {result['run_id']}")
    return result


def read_lines(path: Path) -> list[Row]:
    """The rows of a history.jsonl; [] without one. ValueError names a line that is no row.

    A run that is still training may have written half a line: it is left for the next reading.
    """
    if not path.is_file():
        return []
    *lines, last = path.read_bytes().rstrip(b"\n").split(b"\n")
    rows = [_row(line, f"{path.name}, line {number}") for number, line in enumerate(lines, 1)]
    with contextlib.suppress(ValueError):
        rows.append(_row(last, path.name))
    return rows


def _row(line: bytes, where: str) -> Row:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise ValueError(f"damaged: {where}: {error}") from None
    if not isinstance(row, dict) or "step" not in row:
        raise ValueError(f"damaged: {where}: no row of a step")
    return row


def steps_of(history: Iterable[Mapping[str, Any]]) -> list[Row]:
    """W&B's rows as history.jsonl's: `step` for `_step`, without what W&B adds of its own."""
    return [
        {"step": row["_step"], **{k: v for k, v in row.items() if not k.startswith("_")}}
        for row in history
    ]
