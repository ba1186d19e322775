"""A finished run brought to a W&B server whole: sent from where the server stands, then read back.

    bring(server, Told(run_dir))      # True: sent now; False: the server held it already

May be repeated: what the server holds is never sent again, and only what was read back counts. The
run folder's online.json notes where the run was verified.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.files import write_atomic
from experiments.store import RunFolder, now
from experiments.told import Told
from experiments.verification import Verification, verify
from experiments.wandb_online import Unreachable
from experiments.wandb_record import run_arguments

if TYPE_CHECKING:
    from experiments.wandb_online import Server

ROUNDS = 3
# W&B may show a little later what it has taken: seconds before what lacks is believed to lack.
SETTLING = (0.0, 0.5, 2.0, 4.0)


class Damaged(RuntimeError):
    """The server holds the run with steps twice, lost or changed: appending cannot mend it."""


class BeingMirrored(RuntimeError):
    """Another process mirrors this run just now."""


def bring(server: Server, told: Told, *, again: bool = False) -> bool:
    """Make the server hold the finished run and verify it; whether anything was sent.

    A run that was verified before is not asked for, unless `again`. Raises Unreachable where the
    server did not take it, and Damaged.
    """
    folder = told.folder.path
    if not again and server.target in marks(folder):
        return False
    result, rows = told.result(), told.rows()
    sent = False
    for _ in range(ROUNDS):
        verification = _settled(server, told, patience=SETTLING if sent else SETTLING[:1])
        if verification.problems:
            problems = "; ".join(verification.problems)
            raise Damaged(f"{problems}: type make sync PROJECT=<another> to send the run whole")
        if verification.holds:
            mark(folder, server, rows=len(rows), last_step=rows[-1]["step"] if rows else None)
            return sent
        sent = True
        live = server.append(result, host=result["provenance"].get("host"), **told.labels(result))
        live.send(rows)
        live.finish(result)
    raise Unreachable(f"sent {ROUNDS} times, and still {verification.missing}")


def _settled(server: Server, told: Told, *, patience: tuple[float, ...]) -> Verification:
    """What the server holds, asked for again while something lacks."""
    result, rows = told.result(), told.rows()
    where = {"project": server.project, "entity": server.entity}
    arguments = run_arguments(result, **where, **told.labels(result))
    for pause in patience:
        time.sleep(pause)
        held = server.read(result["run_id"])
        found = verify(held, result=result, rows=rows, told=arguments)
        if not found.missing:
            break
    return found


def marks(run_dir: Path) -> dict[str, dict]:
    """Where the run was verified, by target."""
    try:
        return json.loads(RunFolder(run_dir).online_file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}


def mark(run_dir: Path, server: Server, *, rows: int, last_step: int | None) -> None:
    noted = {"verified": now(), "rows": rows, "last_step": last_step}
    content = {**marks(run_dir), server.target: noted}
    write_atomic(RunFolder(run_dir).online_file, json.dumps(content, indent=1) + "\n")


@contextlib.contextmanager
def only_mirror(run_dir: Path) -> Iterator[None]:
    """Hold the run among mirrors; raises BeingMirrored. The kernel frees it at any death."""
    descriptor = os.open(run_dir, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BeingMirrored("another process is mirroring it") from error
        yield
    finally:
        os.close(descriptor)
