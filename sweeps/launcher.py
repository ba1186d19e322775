"""Isolated workers: each run in a process of its own, as many side by side as there are slots.

On CPU they are forked from a server process that has done the heavy imports and nothing else
(stdlib forkserver: 0.2 s a run instead of 12); where CUDA is used they are fresh processes. What a
run does to itself (an exception, sys.exit, a segmentation fault) or what is done to it (SIGKILL)
stays in its process; the store says how far it came.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.store import RunFolder, State

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerProcess, SpawnProcess

# Imported once by the server. They define classes and functions and compute nothing: a worker
# forked from a process that ever ran a two-thread tensor operation would hang.
PRELOADED = (
    "experiments.worker",
    "lightning_modules.addition",
    "lightning_modules.pretraining",
    "lightning_modules.finetuning",
    "lightning_modules.language_modelling",
    "lightning_modules.sequence_tasks",
    "datamodules.addition",
    "datamodules.pretraining",
    "datamodules.microworld.task",
    "datamodules.byte_text",
    "datamodules.sequence_tasks",
)
BUSY_EXIT = 75
# A worker asked to stop ends after its current step; one that does not is killed.
GRACE_SECONDS = 30.0
# Ended by these, a run ended by its own doing; by any other signal it was ended from outside.
OWN_SIGNALS = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT}


@dataclass
class Slot:
    """Where a run executes: a CPU share, or a GPU named as CUDA_VISIBLE_DEVICES names it."""

    threads: int = 1
    device: str | None = None


def cpu_slots(*, threads: int = 1) -> list[Slot]:
    """One slot for each `threads` cores that this process may use."""
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    return [Slot(threads=threads) for _ in range(max(1, cores // threads))]


def gpu_slots(devices: list[str], *, runs_per_device: int = 1) -> list[Slot]:
    """`runs_per_device` slots on each device, devices in turn, the cores dealt out among them."""
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    threads = max(1, cores // (len(devices) * runs_per_device))
    return [
        Slot(threads=threads, device=device) for _ in range(runs_per_device) for device in devices
    ]


def _child(path: str, slot: Slot) -> None:
    """The body of a worker process: log to the run's folder, stop when asked or left alone."""
    log = os.open(RunFolder(path).log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    if slot.device is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = slot.device
    # Ctrl-C reaches the whole terminal; the sweep alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_watch, args=(parent.sentinel, stop), daemon=True).start()

    from experiments import worker
    from experiments.store import Busy

    worker.quiet()
    try:
        state = worker.execute(path, should_stop=stop.is_set)
    except Busy:
        os._exit(BUSY_EXIT)
    sys.stdout.flush()
    sys.stderr.flush()
    # Past this point nothing is owed; interpreter shutdown could only add failures of its own.
    os._exit(0 if state == State.finished else 1)


def _watch(sentinel: int, stop: threading.Event) -> None:
    """Ask for a checkpoint and an end when the sweep dies, so that no worker is orphaned."""
    multiprocessing.connection.wait([sentinel])
    stop.set()


@dataclass
class Worker:
    """A run being executed in a process of its own."""

    folder: RunFolder
    slot: Slot
    process: ForkServerProcess | SpawnProcess
    started: float
    time_limit: float | None = None
    asked_to_stop: float | None = None
    timed_out: bool = False

    def ask_to_stop(self) -> None:
        if self.asked_to_stop is None and self.process.is_alive():
            self.asked_to_stop = time.monotonic()
            self.process.terminate()

    def enforce_limits(self) -> None:
        """SIGTERM at the time limit; SIGKILL when a worker does not end after being asked to."""
        now = time.monotonic()
        if self.time_limit is not None and now - self.started > self.time_limit:
            self.timed_out = True
            self.ask_to_stop()
        if self.asked_to_stop is not None and now - self.asked_to_stop > GRACE_SECONDS:
            self.process.kill()

    def settle(self) -> State | None:
        """After the process has ended: note an end that it could not note itself.

        None when the run was busy elsewhere. Returns the state the run is left in.
        """
        self.process.join()
        code = self.process.exitcode or 0
        if code == BUSY_EXIT:
            return None
        if self.folder.is_done():
            return State.finished
        if self.folder.state() == State.running:
            return None
        if self.timed_out:
            self._note(State.failed, f"ended at its time limit of {self.time_limit:.0f} s")
        elif "state" not in self._own_attempt():
            self._note(*_cause_of_death(code))
        return self.folder.state()

    def _own_attempt(self) -> dict[str, Any]:
        """The attempt that this process started; {} when it died before it could."""
        last = self.folder.attempts()[-1:]
        return last[0] if last and last[0]["pid"] == self.process.pid else {}

    def _note(self, state: State, reason: str) -> None:
        from experiments.checkpoint import newest

        checkpoint = newest(self.folder.checkpoints)
        step = checkpoint[0] if checkpoint else 0
        # A death before the start was noted counts as an attempt, or it would be tried forever.
        number = self._own_attempt().get("attempt") or self.folder.start_attempt(step=step)
        self.folder.end_attempt(number, state=state, reason=reason, checkpoint=step)


def _cause_of_death(code: int) -> tuple[State, str]:
    if code >= 0:
        return State.failed, f"the worker exited with code {code}"
    number = signal.Signals(-code)
    hint = " (out of memory?)" if number == signal.SIGKILL else ""
    state = State.failed if number in OWN_SIGNALS else State.interrupted
    return state, f"killed by {number.name}{hint}"


class Launcher:
    """Starts workers in free slots and reports the ones that ended.

    with Launcher(slots) as launcher:
        launcher.start(folder)
        for worker, state in launcher.wait(0.5): ...
    """

    def __init__(self, slots: list[Slot], *, time_limit: float | None = None) -> None:
        self.free = list(slots)
        self.num_slots = len(slots)
        self.time_limit = time_limit
        self.workers: list[Worker] = []
        uses_cuda = any(slot.device is not None for slot in slots)
        self.context: Any = multiprocessing.get_context("spawn" if uses_cuda else "forkserver")
        if not uses_cuda:
            self.context.set_forkserver_preload(list(PRELOADED))

    def __enter__(self) -> Launcher:
        # A worker's numeric libraries read this when the server imports them.
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        return self

    def __exit__(self, *exception: object) -> None:
        for worker in self.workers:
            worker.ask_to_stop()
        while self.workers:
            list(self.wait(0.5))

    def start(self, folder: RunFolder) -> None:
        slot = self.free.pop(0)
        process = self.context.Process(target=_child, args=(str(folder.path), slot))
        process.start()
        self.workers.append(Worker(folder, slot, process, time.monotonic(), self.time_limit))

    def wait(self, seconds: float) -> Iterator[tuple[Worker, State | None]]:
        """The workers that end within the time, with the state each run is left in."""
        sentinels = [worker.process.sentinel for worker in self.workers]
        multiprocessing.connection.wait(sentinels, timeout=seconds)
        for worker in list(self.workers):
            worker.enforce_limits()
            if not worker.process.is_alive():
                self.workers.remove(worker)
                self.free.append(worker.slot)
                yield worker, worker.settle()


@contextlib.contextmanager
def ctrl_c() -> Iterator[Callable[[], bool]]:
    """The question whether Ctrl-C or SIGTERM came; a second Ctrl-C interrupts at once."""
    received = threading.Event()

    def handler(signum: int, frame: object) -> None:
        if received.is_set():
            raise KeyboardInterrupt
        received.set()

    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received.is_set
    finally:
        for number, action in before.items():
            signal.signal(number, action)


def folder_of(runs: Path | str, run: dict[str, Any]) -> RunFolder:
    return RunFolder.of(runs, study=run["study"], run_id=run["run_id"])
