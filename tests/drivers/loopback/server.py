"""A W&B server on the loopback: enough of it that the real client logs runs and that a real
`wandb sweep` and `wandb agent` work through a grid. Nothing leaves the machine.

    with LoopbackServer() as server:
        subprocess.run([..., "wandb", "sweep", file], env={**os.environ, **server.environment(tmp)})
        server.database.runs["sw0r1"]["summaryMetrics"]

Operations that it does not know are answered with nothing, and kept in `database.unknown`.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
import threading
import zlib
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.drivers.loopback.sweeps import Sweeps

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
    """Runs by their W&B name; each holds its config, its summary and `history`, line by line."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.runs: dict[str, dict[str, Any]] = {}
        self.operations: list[str] = []
        self.unknown: list[str] = []
        self.errors: list[str] = []
        self.sweeps = Sweeps()

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
                "createdAt": now(),
                "entity": variables.get("entity") or ENTITY,
                "projectName": variables.get("project"),
                "history": {},
            }
        run = self.runs[name]
        for field, key in FIELDS.items():
            if variables.get(field) not in (None, ""):
                run[key] = variables[field]
        return run, new

    def config(self, name: str) -> dict[str, Any]:
        """The config of a run, without W&B's own key."""
        config = json.loads(self.runs[name]["config"])
        return {key: entry["value"] for key, entry in config.items() if key != "_wandb"}

    def history(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for _, line in sorted(self.runs[name]["history"].items())]


def node(run: dict[str, Any] | None) -> dict[str, Any] | None:
    """The run as a GraphQL node; clients ignore fields they did not ask for."""
    if run is None:
        return None
    return {
        **{key: value for key, value in run.items() if key != "history"},
        "historyLineCount": len(run["history"]),
        "logLineCount": 0,
        "eventsLineCount": 0,
        "historyTail": "[]",
        "eventsTail": "[]",
        "wandbConfig": None,
        "project": project(run["entity"], run["projectName"]),
    }


def project(entity: str, name: str | None) -> dict[str, Any]:
    return {
        "__typename": "Project",
        "id": "project",
        "internalId": "1",
        "name": name,
        "entityName": entity,
        "entity": {"id": "entity", "name": entity},
    }


def answer(database: Database, query: str, variables: dict[str, Any], base: str) -> dict[str, Any]:
    match = re.search(r"(query|mutation)\s+(\w+)", re.sub(r"#.*", "", query))
    operation = match.group(2) if match else "?"
    database.operations.append(operation)
    entity = variables.get("entity") or variables.get("entityName") or ENTITY
    name = variables.get("project") or variables.get("projectName")
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
        found = node(database.runs.get(variables["name"]))
        return {"model": {**project(entity, name), "bucket": found}}
    if operation == "CreateRunFiles":
        where = f"{base}/upload/{variables.get('run') or variables.get('runName')}"
        files = [{"name": f, "uploadUrl": f"{where}/{f}"} for f in variables["files"]]
        return {"createRunFiles": {"runID": "run", "uploadHeaders": [], "files": files}}
    if operation == "MarkRunFilesUploaded":
        return {"markRunFilesUploaded": {"success": True}}
    reply = database.sweeps.answer(operation, query, variables, project(entity, name))
    if reply is None:
        database.unknown.append(operation)
    return reply or {}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, format: str, *arguments: Any) -> None:
        pass

    def reply(self, content: dict[str, Any], code: int = 200) -> None:
        body = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def body(self) -> bytes:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        encoding = self.headers.get("Content-Encoding", "")
        unpack = {"gzip": gzip.decompress, "deflate": zlib.decompress}.get(encoding, bytes)
        return unpack(body)

    def do_POST(self) -> None:
        database, body = self.server.database, self.body()
        with database.lock:
            if self.path.endswith("/graphql"):
                request = json.loads(body)
                base = f"http://{self.headers['Host']}"
                variables = request.get("variables") or {}
                return self.reply({"data": answer(database, request["query"], variables, base)})
            if match := re.match(r"/files/[^/]+/[^/]+/([^/]+)/file_stream", self.path):
                self.stream(database.runs[match.group(1)], json.loads(body))
                return self.reply({"exitcode": None, "limits": {}})
        return self.reply({})

    def stream(self, run: dict[str, Any], sent: dict[str, Any]) -> None:
        for name, chunk in (sent.get("files") or {}).items():
            for index, line in enumerate(chunk["content"]):
                if name == "wandb-history.jsonl":
                    run["history"][chunk["offset"] + index] = line
                elif name == "wandb-summary.json":
                    run["summaryMetrics"] = line
        if sent.get("complete"):
            run["state"] = "finished" if sent.get("exitcode") == 0 else "failed"

    def do_PUT(self) -> None:
        self.body()
        self.reply({})

    def do_GET(self) -> None:
        self.reply({}, 200 if self.path in ("/", "/healthz") else 404)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.database = Database()

    def handle_error(self, *arguments: Any) -> None:
        error = sys.exception()
        if not isinstance(error, ConnectionError):  # W&B's service resets its own when it ends
            self.database.errors.append(repr(error))


class LoopbackServer:
    def __enter__(self) -> LoopbackServer:
        self.server = Server()
        self.database = self.server.database
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def environment(self, folder: Path) -> dict[str, str]:
        """What makes a W&B client use this server, and keep its files in `folder`."""
        keys = ("WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR")
        return {
            **{key: str(folder) for key in keys},
            "WANDB_BASE_URL": f"http://127.0.0.1:{self.server.server_port}",
            "WANDB_API_KEY": "x" * 40,
            "WANDB_ENTITY": ENTITY,
            "WANDB_ERROR_REPORTING": "false",
        }
