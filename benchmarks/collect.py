"""Seconds to collect 10, 100 and 1,000 runs from each source, and then their complete curves.

The runs are copies of a published one under other ids and seeds: a result of 14 kB and 26 logged
rows. Their offline files are written by the real W&B client, and the server is the tests' own on
the loopback, read by the real client; a server on the internet adds its latency to each page of
200 runs and to each curve. "again" is a second call, which reads what the first one kept.
In brackets: seconds of this process's time, the loopback server's included and the client's own
service left out, for a machine that does other things meanwhile.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from analysis import cache, collect, histories
from experiments import wandb_client
from experiments.store import RunFolder
from experiments.wandb_record import config_of, summary_of
from tests.drivers.loopback.server import LoopbackServer

ROOT = Path(__file__).resolve().parent.parent
PROJECT = "loopback/lab"
CALLS = ("collect", "again", "curves", "again")


def main(*, sizes: tuple[int, ...] = (10, 100, 1000)) -> None:
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, before this began")
    print(f"{'runs':>5}  {'source':<14}" + "".join(f"{name:>15}" for name in CALLS))
    with LoopbackServer() as server, tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        for size in sizes:
            root = place / f"runs-{size}"
            server.database.runs.clear()
            make(root, server, size)
            with (
                patch.object(cache, "folder", lambda kept=place / f"cache-{size}": kept),
                patch.dict(os.environ, server.environment(place)),
            ):
                for source, where in (("runs", root), ("wandb-offline", root), ("wandb", PROJECT)):
                    print(f"{size:>5}  {source:<14}{_timings(source, where, size)}", flush=True)


def _timings(source: str, root: Path | str, size: int) -> str:
    first, frame = _timed(lambda: collect(source, root=root))
    assert len(frame) == size, frame.attrs["left_out"]
    again, _ = _timed(lambda: collect(source, root=root))
    curves, found = _timed(lambda: dict(histories(frame)))
    assert len(found) == size
    curves_again, _ = _timed(lambda: dict(histories(frame)))
    return "".join(f"{text:>15}" for text in (first, again, curves, curves_again))


def _timed(ask: Callable[[], Any]) -> tuple[str, Any]:
    """'1.31 (0.42)': seconds on the wall and of this process; and the answer."""
    began, used = time.monotonic(), time.process_time()
    answer = ask()
    return f"{time.monotonic() - began:.2f} ({time.process_time() - used:.2f})", answer


def make(root: Path, server: LoopbackServer, size: int) -> None:
    """`size` finished runs in folders, with their offline files, and on the server."""
    example = RunFolder(min(ROOT.glob("results/symmetry/*/DONE")).parent)
    rows = example.history()
    for seed in range(size):
        result = {**example.result(), "run_id": f"{seed:016x}", "seed": seed}
        folder = RunFolder.of(root, study=result["study"], run_id=result["run_id"])
        folder.path.mkdir(parents=True)
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        folder.history_file.write_text(lines, encoding="utf-8")
        folder.finish(result)
        wandb_client.write_offline_run(
            folder.path, result, rows, project="lab", tags=[], group="arm"
        )
        _put(server, result, rows)
    wandb_client.close()


def _put(server: LoopbackServer, result: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Into the server's memory at once: what is timed is the reading."""
    config = {key: {"value": value} for key, value in config_of(result).items()}
    told = {"name": result["run_id"], "entity": "loopback", "project": "lab"}
    run, _ = server.database.upserted(
        {**told, "config": json.dumps(config), "tags": [result["study"]]}
    )
    run["history"] = {
        number: json.dumps({"_step": row["step"], **{k: v for k, v in row.items() if k != "step"}})
        for number, row in enumerate(rows)
    }
    run |= {"state": "finished", "summaryMetrics": json.dumps(summary_of(result))}
