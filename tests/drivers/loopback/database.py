"""What the loopback server keeps: runs by their W&B name, and the answers to what clients ask.

Operations that it does not know are answered with nothing, and kept in `Database.unknown`.
"""

from __future__ import annotations

import json
import re
import threading
from datetime import UTC, datetime
from typing import Any

from tests.drivers.loopback.sweeps import Sweeps
from tests.drivers.loopback.views import Views

ENTITY = "loopback"
FIELDS = {  # GraphQL's name -> the run's
    "config": "config",
    "displayName": "displayName",
    "groupName": "group",
    "jobType": "jobType",
    "tags": "tags",
    "summaryMetrics": "summaryMetrics",
    "host": "host",
    "sweep": "sweepName",
    "state": "state",
}


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Database:
    """Runs by their W&B name; each holds its config, its summary and `history`, line by line.

    `overwritten` names the lines of a history that arrived again with other contents.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.runs: dict[str, dict[str, Any]] = {}
        self.operations: list[str] = []
        self.unknown: list[str] = []
        self.errors: list[str] = []
        self.overwritten: list[str] = []
        self.sweeps = Sweeps()
        self.views = Views(ENTITY)

    def upserted(self, variables: dict[str, Any]) -> tuple[dict[str, Any], bool]:
        name = variables.get("name") or next(
            run["name"] for run in self.runs.values() if run["id"] == variables["id"]
        )
        new = name not in self.runs
        if new:
            self.runs[name] = {
                "id": f"id-{name}",
                "name": name,
                "displayName": name,
                "state": "running",
                "config": "{}",
                "summaryMetrics": "{}",
                "tags": [],
                "sweepName": None,
                "jobType": None,
                "group": None,
                "createdAt": now(),
                "heartbeatAt": now(),
                "user": {"name": ENTITY, "username": ENTITY},
                "entity": variables.get("entity") or ENTITY,
                "projectName": variables.get("project"),
                "history": {},
            }
        run = self.runs[name]
        for field, key in FIELDS.items():
            if variables.get(field) not in (None, ""):
                run[key] = variables[field]
        return run, new

    def stream(self, run: dict[str, Any], sent: dict[str, Any]) -> None:
        """What the file stream appends: lines at offsets, so that a request may be repeated."""
        for name, chunk in (sent.get("files") or {}).items():
            for index, line in enumerate(chunk["content"]):
                if name == "wandb-history.jsonl":
                    offset = chunk["offset"] + index
                    if _row(run["history"].get(offset, line)) != _row(line):
                        self.overwritten.append(f"{run['name']}, line {offset}")
                    run["history"][offset] = line
                elif name == "wandb-summary.json":
                    run["summaryMetrics"] = line
        if sent.get("complete"):
            run["state"] = "finished" if sent.get("exitcode") == 0 else "failed"
        else:
            run["state"] = "running"

    def config(self, name: str) -> dict[str, Any]:
        """The config of a run, without W&B's own key."""
        config = json.loads(self.runs[name]["config"])
        return {key: entry["value"] for key, entry in config.items() if key != "_wandb"}

    def history(self, name: str) -> list[dict[str, Any]]:
        return rows(self.runs[name])

    def steps(self, name: str) -> list[int]:
        return [row["_step"] for row in self.history(name)] if name in self.runs else []


def _row(line: str) -> dict[str, Any]:
    """A row without the moments at which it was sent."""
    return {k: v for k, v in json.loads(line).items() if k not in ("_runtime", "_timestamp")}


def rows(run: dict[str, Any], low: int = 0, high: int = 1 << 62) -> list[dict[str, Any]]:
    """The rows of the run in the order of their lines, of steps low <= step < high."""
    lines = [json.loads(line) for _, line in sorted(run["history"].items())]
    return [row for row in lines if low <= row.get("_step", 0) < high]


def node(run: dict[str, Any] | None) -> dict[str, Any] | None:
    """The run as a GraphQL node; clients ignore fields they did not ask for."""
    if run is None:
        return None
    held = rows(run)
    names = {name for row in held for name in row}
    return {
        **{key: value for key, value in run.items() if key != "history"},
        "historyLineCount": len(held),
        "logLineCount": 0,
        "eventsLineCount": 0,
        "historyTail": json.dumps([json.dumps(row) for row in held[-1:]]),
        "eventsTail": "[]",
        "historyKeys": {
            "sets": [],
            "keys": {name: {"typeCounts": [{"type": "number", "count": 1}]} for name in names},
            "lastStep": max((row["_step"] for row in held), default=-1),
        },
        "systemMetrics": "{}",
        "readOnly": False,
        "notes": None,
        "description": None,
        "commit": None,
        "projectId": "1",
        # Without the client's own record of itself, it takes the run for a new one.
        "wandbConfig": json.dumps((json.loads(run["config"]).get("_wandb") or {}).get("value", {})),
        "project": project(run["entity"], run["projectName"]),
    }


def project(entity: str, name: str | None) -> dict[str, Any]:
    return {
        "__typename": "Project",
        "id": "project",
        "internalId": "1",
        "name": name,
        "entityName": entity,
        "readOnly": False,
        "entity": {"id": "entity", "name": entity},
    }


def answer(database: Database, query: str, variables: dict[str, Any], base: str) -> dict[str, Any]:
    """The data that a GraphQL request is answered with."""
    match = re.search(r"(query|mutation)\s+(\w+)", re.sub(r"#.*", "", query))
    operation = match.group(2) if match else "?"
    database.operations.append(operation)
    entity = variables.get("entity") or variables.get("entityName") or ENTITY
    name = variables.get("project") or variables.get("projectName")
    where = project(entity, name)
    if operation == "UpsertBucket":
        run, new = database.upserted(variables)
        return {"upsertBucket": {"bucket": node(run), "inserted": new}}
    if "viewer" in query:
        teams = {"edges": [{"node": {"name": ENTITY}}]}
        viewer = {"id": "user", "entity": ENTITY, "username": ENTITY, "name": ENTITY}
        return {"viewer": {**viewer, "flags": "{}", "teams": teams, "serverInfo": None}}
    if operation == "ServerFeaturesQuery":
        return {"serverInfo": {"features": []}}
    if operation == "RunResumeStatus":
        return {"model": {**where, "bucket": node(database.runs.get(variables["name"]))}}
    if operation == "CreateRunFiles":
        folder = f"{base}/upload/{variables.get('run') or variables.get('runName')}"
        files = [{"name": f, "uploadUrl": f"{folder}/{f}"} for f in variables["files"]]
        return {"createRunFiles": {"runID": "run", "uploadHeaders": [], "files": files}}
    if operation == "MarkRunFilesUploaded":
        return {"markRunFilesUploaded": {"success": True}}
    for reply in (
        database.sweeps.answer(operation, query, variables, where),
        database.views.answer(operation, variables),
        _read_back(database, operation, query, variables, where),
    ):
        if reply is not None:
            return reply
    database.unknown.append(operation)
    return {}


def _read_back(
    database: Database,
    operation: str,
    query: str,
    variables: dict[str, Any],
    where: dict[str, Any],
) -> dict[str, Any] | None:
    """What wandb.Api() asks for."""
    if operation == "Runs":
        runs = [
            run
            for run in database.runs.values()
            if (run["entity"], run["projectName"]) == (where["entityName"], where["name"])
            and matches(run, json.loads(variables.get("filters") or "{}"))
        ]
        begin, size = int(variables.get("cursor") or 0), variables.get("perPage") or 50
        page = runs[begin : begin + size]
        end = begin + len(page)
        edges = [{"node": node(run), "cursor": str(begin + i + 1)} for i, run in enumerate(page)]
        info = {"endCursor": str(end), "hasNextPage": end < len(runs)}
        found = {"edges": edges, "pageInfo": info}
        return {"project": {**where, "runCount": len(runs), "runs": found}}
    name = variables.get("run") or variables.get("runName") or variables.get("name") or ""
    run = database.runs.get(name)
    if operation == "RunParquetHistory" and run:
        live = [{"_step": row["_step"]} for row in rows(run)[:1]]
        history: Any = {"parquetHistory": {"parquetUrls": [], "liveData": live}}
        return {"project": {**where, "run": history}}
    if operation in ("HistoryPage", "RunFullHistory") and run:
        low, high = variables.get("minStep", 0), variables.get("maxStep", 1 << 62)
        lines = [json.dumps(row) for row in rows(run, low, high)]
        return {"project": {**where, "run": {"history": lines, "events": []}}}
    if operation in ("Run", "RunState", "QueryRunInfo", "RunHistoryKeys"):
        return {"project": {**where, "run": node(run)}}
    return None


def matches(run: dict[str, Any], filters: dict[str, Any]) -> bool:
    """W&B's filters as far as the lab uses them."""
    for key, wanted in filters.items():
        if key == "$and":
            held = all(matches(run, part) for part in wanted)
        elif key == "$or":
            held = any(matches(run, part) for part in wanted)
        else:
            value = _field(run, key)
            conditions = wanted if isinstance(wanted, dict) else {"$eq": wanted}
            held = all(_holds(value, operator, x) for operator, x in conditions.items())
        if not held:
            return False
    return True


def _field(run: dict[str, Any], key: str) -> Any:
    if key.startswith("config."):
        first, *rest = key.removeprefix("config.").removesuffix(".value").split(".")
        value = (json.loads(run["config"]).get(first) or {}).get("value")
        for part in rest:
            value = value.get(part) if isinstance(value, dict) else None
        return value
    return run.get(key)


def _holds(value: Any, operator: str, wanted: Any) -> bool:
    values = value if isinstance(value, list) else [value]
    match operator:
        case "$eq":
            return wanted in values
        case "$ne":
            return wanted not in values
        case "$in":
            return bool(set(values) & set(wanted))
    raise ValueError(f"the loopback server does not know {operator}")
