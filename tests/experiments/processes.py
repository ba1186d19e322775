"""Real worker processes on hosts of their own, which stop or die at a chosen point of the code."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from experiments import attempt, checkpoint, lease
from experiments.history import History
from experiments.lease import Busy, Lease
from experiments.store import RunFolder

LEASE_SECONDS = 0.6
BUSY, OTHER = 75, 1


def short_leases() -> None:
    lease.LEASE_SECONDS = LEASE_SECONDS
    lease.HEARTBEAT_SECONDS = LEASE_SECONDS / 8


def become(host: str) -> None:
    """Let this process take itself for one of that host."""
    os.environ["EXPERIMENTS_HOST"] = host
    lease.this_host.cache_clear()


def _in_save(folder: Path, *args: Any, **kwargs: Any) -> bool:
    return any(Path(folder).parent.glob(".*.tmp"))


def _finishing(path: Path, *args: Any) -> bool:
    return path.name.endswith(".finishing")


# (owner, name of the function before which it happens, whether this is the call meant)
POINTS: dict[str, tuple[Any, str, Callable[..., bool]]] = {
    "before its curve is in place": (History, "publish", lambda *_: True),
    "before it adopts a checkpoint": (checkpoint, "adopt", lambda *_, **__: True),
    "before its start is noted": (RunFolder, "start_attempt", lambda *_, **__: True),
    "before a checkpoint": (attempt.checkpoint, "save", lambda *_, **__: True),
    "with a checkpoint half written": (checkpoint, "_digest", _in_save),
    "with a checkpoint in place but not its digest": (
        checkpoint,
        "write_atomic",
        lambda path, _: path.suffix == ".json",
    ),
    "between two steps": (History, "append", lambda _, row: row["step"] == 30),
    "before it wins": (Lease, "_become", lambda _, end: end == "finishing"),
    "when it has won": (lease, "complete", lambda run: any(run.glob("lease/*.finishing"))),
    "before DONE": (Path, "replace", _finishing),
}


def signal_at(point: str, number: int, *, skip: int = 0) -> None:
    """Send this process a signal when it comes to a point for the (skip + 1)th time."""
    owner, name, meant = POINTS[point]
    original = getattr(owner, name)
    left = [skip + 1]

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if left[0] and meant(*args, **kwargs):
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), number)
        return original(*args, **kwargs)

    setattr(owner, name, wrapper)


def _work(path: str, host: str, point: str, number: int, skip: int, limits: dict[int, int]) -> None:
    from experiments import worker

    log = os.open(Path(path) / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    short_leases()
    become(host)
    if point:
        signal_at(point, number, skip=skip)
    # Past the limit on files, a write is to fail rather than to kill.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    for limit, room in limits.items():
        pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0])
        used = pages * resource.getpagesize() if limit == resource.RLIMIT_AS else 0
        resource.setrlimit(limit, (used + room, resource.RLIM_INFINITY))
    worker.quiet()
    try:
        state = worker.execute(path)
    except Busy as error:
        print(error)
        code = BUSY
    else:
        code = 0 if state == "finished" else OTHER
    sys.stdout.flush()
    os._exit(code)


_started: list[Any] = []


def kill_all() -> None:
    """After a test, so that one that failed leaves no stopped process behind."""
    while _started:
        process = _started.pop()
        process.kill()
        process.join()


def start(
    folder: RunFolder,
    *,
    host: str = "",
    point: str = "",
    number: int = signal.SIGSTOP,
    skip: int = 0,
    limits: dict[int, int] | None = None,
) -> Any:
    """A worker process on `host` (this one if none is given), already running.

    limits: bytes by kind of limit; those of RLIMIT_AS are counted from what its imports take.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["experiments.worker"])
    arguments = (str(folder.path), host, point, number, skip, limits or {})
    process = context.Process(target=_work, args=arguments)
    process.start()
    _started.append(process)
    return process


def wait_until(question: Callable[[], bool], *, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def is_stopped(pid: int) -> bool:
    """False also of a process that has ended: its fork server reaps it before we learn of it."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] == "T"


def outcome(folder: RunFolder) -> tuple:
    """All of a run that must not depend on what happened to it on the way."""
    result = folder.result()
    weights = result["provenance"]["weights_sha256"]
    return result["metrics"], result["status"], weights, folder.history(), result["cost"]["steps"]
