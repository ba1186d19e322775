"""The sweeps of the loopback server: a grid's points, handed to agents one at a time."""

from __future__ import annotations

import itertools
import json
from typing import Any

import yaml


class Sweeps:
    def __init__(self) -> None:
        self.sweeps: dict[str, dict[str, Any]] = {}

    def answer(
        self, operation: str, query: str, variables: dict[str, Any], project: dict[str, Any]
    ) -> dict[str, Any] | None:
        """The reply to a sweep's operation; None for any other."""
        if operation == "UpsertSweep":
            sweep = self._new(variables["config"], project)
            told = {"name": sweep["id"], "project": project}
            return {"upsertSweep": {"sweep": told, "configValidationWarnings": []}}
        if operation == "CreateAgent":
            return {"createAgent": {"agent": {"id": variables["sweep"]}}}
        if operation == "Heartbeat":
            commands = self._commands(self.sweeps[variables["id"]], variables.get("runState"))
            told = {"agent": {"id": variables["id"]}, "commands": json.dumps(commands)}
            return {"agentHeartbeat": told}
        sweep = self.sweeps.get(variables.get("sweep") or variables.get("name") or "")
        if sweep and "sweep(" in query:
            return {"project": {**sweep["project"], "sweep": self._node(sweep)}}
        return None

    def _new(self, config: Any, project: dict[str, Any]) -> dict[str, Any]:
        settings = yaml.safe_load(config) if isinstance(config, str) else config
        levels = {
            key: parameter.get("values", [parameter.get("value")])
            for key, parameter in settings["parameters"].items()
        }
        points = itertools.product(*levels.values())
        name = f"sw{len(self.sweeps)}"
        self.sweeps[name] = {
            "id": name,
            "config": config,
            "program": settings.get("program"),
            "queue": [dict(zip(levels, point, strict=True)) for point in points],
            "started": 0,
            "project": project,
        }
        return self.sweeps[name]

    @staticmethod
    def _commands(sweep: dict[str, Any], running: str | None) -> list[dict[str, Any]]:
        if any(json.loads(running or "{}").values()):  # {run id: whether it still runs}
            return []
        if not sweep["queue"]:
            return [{"type": "exit"}]
        sweep["started"] += 1
        point = sweep["queue"].pop(0)
        return [
            {
                "type": "run",
                "run_id": f"{sweep['id']}r{sweep['started']}",
                "program": sweep["program"],
                "args": {key: {"value": value} for key, value in point.items()},
            }
        ]

    @staticmethod
    def _node(sweep: dict[str, Any]) -> dict[str, Any]:
        return {
            "__typename": "Sweep",
            "id": sweep["id"],
            "name": sweep["id"],
            "config": sweep["config"],
            "state": "RUNNING",
            "method": "grid",
            "displayName": sweep["id"],
            "runs": {"edges": []},
            "agent": {"id": sweep["id"], "name": sweep["id"], "state": "RUNNING"},
            "priorRuns": {"edges": []},
        }
