"""What a run folder has to tell W&B, while the run trains and when it is finished.

told = Told(run_dir, sweep="symmetry")
told.rows_up_to(told.durable_step())     # what no kill can take back, while it trains
told.result(), told.rows()               # of a finished run
"""

from __future__ import annotations

import itertools
import json
import operator
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from experiments.store import RunFolder

Row = dict[str, Any]


class Told:
    """One run folder as W&B sees it: result, tags, group and rows."""

    def __init__(self, run_dir: Path, *, sweep: str | None = None) -> None:
        self.folder = RunFolder(run_dir)
        self.sweep = sweep

    def planned(self) -> dict[str, Any]:
        return self.folder.spec() if self.folder.spec_file.exists() else {}

    def result(self) -> dict[str, Any]:
        """result.json of the finished run; ValueError where it is not finished."""
        if not self.folder.is_done():
            raise ValueError(
                f"{self.folder.path} holds no finished run (no DONE); train it to its end first."
            )
        return self.folder.result()

    def beginning(self) -> dict[str, Any]:
        """What is known of the result while the run trains."""
        spec = self.planned()
        config = spec["config"]
        keys = ("parents", "study", "variant", "stage", "seed")
        known = {"run_id": spec["run_id"], "factors": spec["factors"], "config": config}
        return {**known, **{key: config[key] for key in keys}}

    def labels(self, result: dict[str, Any]) -> dict[str, Any]:
        """The run's tags and its group, the arm."""
        planned = self.planned()
        labels = planned.get("labels") or {}
        sweeps = [f"sweep:{name}" for name in (labels.get("sweep"), self.sweep) if name]
        tags = [*sweeps, *(labels.get("tags") or [])]
        return {"tags": tags, "group": planned.get("arm") or result["variant"]}

    def history(self) -> Iterator[Row]:
        """The finished run's logged lines up to its last step; a run may have logged nothing.

        Stricter than the store's reader, which ends at a torn line: a finished run has none.
        """
        last_step = self.result()["cost"].get("steps")
        if not self.folder.history_file.exists():
            return
        with self.folder.history_file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    row = json.loads(line)
                except json.JSONDecodeError as error:
                    raise ValueError(
                        f"{self.folder.history_file}, line {number} is not a JSON object"
                    ) from error
                if last_step is None or row["step"] <= last_step:
                    yield row

    def rows(self) -> list[Row]:
        """The finished run's history, one row a step."""
        return list(by_step(self.history()))

    def durable_step(self) -> int:
        """The step of the newest checkpoint, -1 before the first: its rows were written before."""
        notes = self.folder.checkpoints.glob("[0-9]*-[0-9]*.json")
        return max((int(note.name.partition("-")[0]) for note in notes), default=-1)

    def rows_up_to(self, step: int) -> list[Row]:
        """The rows of a run that still trains, one a step."""
        return list(by_step(row for row in self.folder.history() if row["step"] <= step))


def by_step(lines: Iterable[Row]) -> Iterator[Row]:
    """Lines of one step made one row; ValueError where steps go back, which W&B would drop."""
    last = None
    for step, rows in itertools.groupby(lines, key=operator.itemgetter("step")):
        if last is not None and step < last:
            raise ValueError(
                f"the history goes back from step {last} to {step}; expected its rows in the "
                "order of their steps"
            )
        last = step
        yield {key: value for row in rows for key, value in row.items()}
