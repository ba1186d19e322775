"""Runs read back from a W&B server: all of them, each with its complete history.

    for run in read_online_runs("entity/project", filters={"tags": "sweep:symmetry"}):
        run.result()["metrics"]["exact_match"], [row["train/loss"] for row in run.history]

Histories are scanned, never the sample of 500 rows that W&B's own `history()` gives. A server that
asks for fewer requests is asked again, later and later.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from experiments import wandb_client
from experiments.errors import UserError
from experiments.wandb_record import result_of

# W&B counts requests by the minute. Its client repeats a request by itself, for as long as TIMEOUT
# allows; we do that four times, with pauses of 5 + 10 + 20 s between them.
TIMEOUT = 20
ATTEMPTS = 4
FIRST_PAUSE = 5.0
PASSING = {408, 429}  # what the server may answer otherwise a little later, as all from 500 on
PER_PAGE = 200
READERS = 8  # runs read side by side: a history is five requests, one after the other

T = TypeVar("T")


@dataclass
class OnlineRun:
    """One run as a server holds it; state is W&B's: running, finished, failed, crashed, killed."""

    id: str
    name: str
    project: str
    entity: str
    state: str
    group: str
    job_type: str
    tags: list[str]
    config: dict[str, Any]
    summary: dict[str, Any]
    updated: str  # changes whenever the server has heard from the run
    history: list[dict[str, Any]] = field(default_factory=list)  # rows with their "_step"

    def result(self) -> dict[str, Any]:
        """The run's result.json; ValueError where no mirror has brought the run to its end."""
        try:
            return result_of(self.config, self.summary)
        except KeyError as error:
            raise ValueError(
                f"W&B holds no result of run {self.entity}/{self.project}/{self.id} "
                f"({self.state}, no {error}); type make sync where it was trained"
            ) from error


def read_online_runs(
    project: str,
    *,
    filters: Mapping[str, Any] | None = None,
    group: str | None = None,
    history: bool = True,
    known: Mapping[str, str] | None = None,
) -> Iterator[OnlineRun]:
    """The runs of `entity/project` (or of the key's own entity's project), oldest first.

    filters: W&B's own, as in {"tags": {"$in": ["sweep:symmetry"]}}; group: one arm's runs alone.
    known: `updated`, by run id, of runs that the caller holds; unless they were updated since, they
    come with config, summary and history empty, and cost the server next to nothing.
    Raises UserError where the server refuses the key or knows no such project.
    """
    with wandb_client.online() as wandb:
        api = patiently(lambda: wandb.Api(timeout=TIMEOUT), what="an answer")
        wanted = {**(filters or {}), **({"group": group} if group else {})}
        path = project if "/" in project else f"{api.default_entity}/{project}"

        def listed(*, lazy: bool) -> list[Any]:
            runs = api.runs(path, filters=wanted, order="+created_at", per_page=PER_PAGE, lazy=lazy)
            return patiently(lambda: list(runs), what=f"the runs of {path}")

        def is_known(run: Any) -> bool:
            return (known or {}).get(run.id) == _updated(run)

        held = listed(lazy=bool(known))
        if known and sum(not is_known(run) for run in held) > PER_PAGE:
            held = listed(lazy=False)  # a query a run would be more than one a page
        pool = ThreadPoolExecutor(READERS)
        try:
            yield from pool.map(
                lambda run: _read(run, new=not is_known(run), history=history), held
            )
        finally:
            pool.shutdown(cancel_futures=True)


def _read(run: Any, *, new: bool, history: bool) -> OnlineRun:
    """What the server holds of a wandb.Api() run; its contents only where they are new."""
    if not new:
        return _made(run)
    patiently(run.load_full_data, what=f"run {run.id}")
    rows: list[dict[str, Any]] = []
    if history:
        rows = patiently(functools.partial(complete_history, run), what=f"the history of {run.id}")
    return _held(run, rows)


def online_run(api: Any, path: str, run_id: str) -> OnlineRun | None:
    """One run of `entity/project` with its history; None where the server has none of this id."""
    api.flush()  # else it answers what it answered before
    filters = {"name": run_id}  # unlike api.run(), which fails the same way whatever is wrong
    found = list(api.runs(path, filters=filters, per_page=1, lazy=False))
    return _held(found[0], complete_history(found[0])) if found else None


def _held(run: Any, history: list[dict[str, Any]]) -> OnlineRun:
    config = {key: value for key, value in run.config.items() if key != "_wandb"}
    return _made(run, config=config, summary=dict(run.summary_metrics), history=history)


def _made(run: Any, **contents: Any) -> OnlineRun:
    return OnlineRun(
        id=run.id,
        name=run.name,
        project=run.project,
        entity=run.entity,
        state=run.state,
        group=run.group or "",
        job_type=run.job_type or "",
        tags=list(run.tags),
        updated=_updated(run),
        **{"config": {}, "summary": {}, **contents},
    )


def _updated(run: Any) -> str:
    return f"{run.state} {run.heartbeat_at} {run.history_line_count}"


def complete_history(run: Any) -> list[dict[str, Any]]:
    """Every row that the server holds of a wandb.Api() run, in the order of the steps."""
    # No cache: it would not know of rows that came since.
    return list(run.scan_history(use_cache=False))


def patiently(ask: Callable[[], T], *, what: str, attempts: int = ATTEMPTS) -> T:
    """What `ask` gives, asked again where the server could not answer; else UserError."""
    pause = FIRST_PAUSE
    for attempt in range(1, attempts + 1):
        try:
            return ask()
        except Exception as error:
            if not wandb_client.is_wandbs(error):
                raise
            status = wandb_client.status_of(error)
            if attempt == attempts or not (status is None or status in PASSING or status >= 500):
                raise UserError(f"W&B did not give {what}: {wandb_client.words(error)}") from error
        time.sleep(pause)
        pause *= 2
    raise AssertionError("unreachable")
