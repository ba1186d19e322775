"""A W&B server on the loopback: enough of it that the real client logs, resumes and reads runs and
that a real `wandb sweep` and `wandb agent` work through a grid. Nothing leaves the machine.

    with LoopbackServer() as server:
        subprocess.run([..., "wandb", "sweep", file], env={**os.environ, **server.environment(tmp)})
        server.database.runs["sw0r1"]["summaryMetrics"]

Faults are injected while it runs:

    server.fail(500, times=3)               the next three requests are answered with 500
    server.fail(DROP, where="file_stream")  connections of the file stream are cut, until heal()
    server.fail(DROP, times=1, applied=True)   ... after the request has been carried out
    server.lose_network()                   nobody listens any more, until restore_network()
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import socket
import sys
import threading
import zlib
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.drivers.loopback.database import ENTITY, Database, answer

KEY = "x" * 40
DROP = 0  # instead of a status: the connection is cut without an answer


@dataclass
class Fault:
    """What happens to requests whose path holds `where`."""

    status: int
    where: str
    left: float  # how many more; infinity: all
    applied: bool


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

    def has_key(self) -> bool:
        expected = base64.b64encode(f"api:{KEY}".encode()).decode()
        return self.headers.get("Authorization") == f"Basic {expected}"

    def fails(self, fault: Fault | None) -> bool:
        if fault is None:
            return False
        if fault.status == DROP:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            self.reply({"error": "injected"}, fault.status)
        return True

    def do_POST(self) -> None:
        body, fault = self.body(), self.server.fault(self.path)
        if not (fault and fault.applied) and self.fails(fault):
            return
        if not self.has_key():
            self.reply({"errors": [{"message": "invalid key"}]}, 401)
            return
        content = self.carried_out(body)
        if not self.fails(fault):
            self.reply(content)

    def carried_out(self, body: bytes) -> dict[str, Any]:
        database = self.server.database
        with database.lock:
            if self.path.endswith("/graphql"):
                request = json.loads(body)
                base = f"http://{self.headers['Host']}"
                variables = request.get("variables") or {}
                return {"data": answer(database, request["query"], variables, base)}
            if match := re.match(r"/files/[^/]+/[^/]+/([^/]+)/file_stream", self.path):
                database.stream(database.runs[match.group(1)], json.loads(body))
                return {"exitcode": None, "limits": {}}
        return {}

    def do_PUT(self) -> None:
        self.body()
        if not self.fails(self.server.fault(self.path)):
            self.reply({})

    def do_GET(self) -> None:
        self.reply({}, 200 if self.path in ("/", "/healthz") else 404)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, database: Database, faults: list[Fault], port: int) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.database = database
        self.faults = faults

    def fault(self, path: str) -> Fault | None:
        """The fault that this request meets."""
        with self.database.lock:
            for fault in self.faults:
                if fault.left and fault.where in path:
                    fault.left -= 1
                    return fault
        return None

    def handle_error(self, *arguments: Any) -> None:
        error = sys.exception()
        # W&B's service resets its connections when it ends, and so do cut ones.
        if not isinstance(error, OSError):
            self.database.errors.append(repr(error))


class LoopbackServer:
    def __enter__(self) -> LoopbackServer:
        self.database = Database()
        self.faults: list[Fault] = []
        self.port = 0
        self.restore_network()
        return self

    def __exit__(self, *exception: object) -> None:
        self.lose_network()

    def lose_network(self) -> None:
        """Connections are refused, and those that there are meet a cut."""
        self.fail(DROP)
        self.server.shutdown()
        self.server.server_close()

    def restore_network(self) -> None:
        self.heal()
        self.server = Server(self.database, self.faults, self.port)
        self.port = self.server.server_port
        serve = self.server.serve_forever
        threading.Thread(target=serve, args=(0.05,), daemon=True).start()

    def fail(
        self, status: int, *, where: str = "", times: float = float("inf"), applied: bool = False
    ) -> Fault:
        fault = Fault(status, where, times, applied)
        self.faults.append(fault)
        return fault

    def heal(self) -> None:
        self.faults.clear()

    def environment(self, folder: Path) -> dict[str, str]:
        """What makes a W&B client use this server, and keep its files in `folder`."""
        keys = ("WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR")
        return {
            **{key: str(folder) for key in keys},
            "WANDB_BASE_URL": f"http://127.0.0.1:{self.port}",
            "WANDB_API_KEY": KEY,
            "WANDB_ENTITY": ENTITY,
            "WANDB_ERROR_REPORTING": "false",
        }
