"""A W&B project as a source of runs: every run of it that a mirror has brought to its end.

The server is asked for its list of runs each time, and for the contents of those only that have
changed since they were last read. (Who edits a finished run on W&B's pages does not change it so:
delete the cache to see such edits.)
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from .cache import Cache
from .sources import Found, Row, steps_of


class Server:
    """`project` is W&B's 'entity/project'; filters and group are those of wandb.Api().runs."""

    def __init__(
        self, project: str, *, filters: Mapping[str, Any] | None = None, group: str | None = None
    ) -> None:
        self.project = project
        self.filters = filters
        self.group = group

    def read(self, study: str | None = None, run_ids: Collection[str] | None = None) -> Found:
        by_id: dict[str, tuple[str, Row]] = {}
        found = Found()
        for name, result in self._read("result", self._of(study)):
            if isinstance(result, str):
                if run_ids is None or name in run_ids:
                    found.left_out[f"{study or '?'}/{name}"] = result
                continue
            run_id = str(result.get("run_id"))
            if run_ids is not None and run_id not in run_ids:
                continue
            if run_id in by_id:  # sent by a sweep agent, under the agent's id, and by us
                found.left_out[f"{result['study']}/{name}"] = f"the same run as {by_id[run_id][0]}"
                continue
            by_id[run_id] = name, result
        for run_id, (name, result) in by_id.items():
            try:
                found.keep(run_id, result)
            except ValueError as error:
                found.left_out[f"{study or '?'}/{name}"] = str(error)
        for run_id in set(run_ids or ()) - by_id.keys():
            found.left_out.setdefault(f"{study or '?'}/{run_id}", f"not in {self.project}")
        found.results.sort(key=lambda result: (result["study"], result["run_id"]))
        return found

    def count_others(self, study: str, run_ids: Collection[str]) -> int:
        held = self._read("result", self._of(study))
        ids = {name if isinstance(r, str) else r.get("run_id") for name, r in held}
        return len(ids - set(run_ids))

    def histories(self, runs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, list[Row]]]:
        wanted = dict.fromkeys(run_id for _, run_id in runs)
        names: dict[str, str] = {}  # run id -> W&B's, which a sweep agent chooses
        for name, result in self._read("result", {}):
            if not isinstance(result, str) and result.get("run_id") in wanted:
                names.setdefault(result["run_id"], name)
        among = {"name": {"$in": sorted(names.values())}}
        rows = dict(self._read("history", among, names.values()))
        yield from ((run_id, rows[names[run_id]]) for run_id in wanted)

    def _of(self, study: str | None) -> dict[str, Any]:
        """W&B's filter for a study: its name is a tag of every run."""
        return {"tags": {"$in": [study]}} if study else {}

    def _read(
        self, what: str, filters: Mapping[str, Any], names: Collection[str] | None = None
    ) -> Iterator[tuple[str, Any]]:
        """(W&B's id, "result" or "history") of each run; a sentence where it has no result."""
        from experiments.wandb_reading import read_online_runs

        both = [part for part in (self.filters, filters) if part]
        prefix = f"{what}:{self.project}/"
        with Cache() as cache:
            names = cache.names(prefix) if names is None else names
            kept = {name: held for name in names if (held := cache.get(prefix + name))}
            for run in read_online_runs(
                self.project,
                filters={"$and": both} if len(both) > 1 else dict(*both),
                group=self.group,
                history=what == "history",
                known={name: stamp for name, (stamp, _) in kept.items()},
            ):
                stamp, value = kept.get(run.id, ("", None))
                if stamp != run.updated:
                    try:
                        value = run.result() if what == "result" else steps_of(run.history)
                    except ValueError as error:
                        yield run.id, f"unfinished: {error}"
                        continue
                    cache.put(prefix + run.id, run.updated, value)
                yield run.id, value
