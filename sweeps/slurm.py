"""A plan brought to its end by a Slurm cluster, through submitit: job arrays of workers.

    python -m sweeps run symmetry --launcher slurm --slurm-partition gpu --slurm-gpus 1

A job executes one prepared run folder in a process of its own. Before its time limit, or when it
is preempted, it has the run make a checkpoint and puts itself back into the queue. The command
follows the jobs: it submits runs as soon as their parents are finished, in one array each time.
Ended or killed, it leaves the jobs alone, and the same command follows them again. The runs'
folder, the environment and this checkout must be visible under the same paths on all nodes.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import re
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from experiments.errors import UserError
from experiments.store import RunFolder, State, write_atomic
from sweeps.drive import mirroring
from sweeps.launcher import GRACE_SECONDS, Launcher, Slot, ctrl_c
from sweeps.plan import Plan, spec_of
from sweeps.reconcile import Progress, is_ready, look
from sweeps.view import view_for

POLL_SECONDS = 5.0
# A job's last writes may reach this host so much later than the news of its end.
LAG_SECONDS = 10.0
# A checkpoint ends with the step that is being made; it has from this long before the limit on.
WARNING_SECONDS = 90
# How often a job may reach its time limit. A run that makes no progress fails long before.
MAX_REQUEUES = 1000


@dataclass(frozen=True)
class Options:
    """What a job asks the queue for. `cluster` is submitit's name: slurm, or local for tests."""

    partition: str | None = None
    minutes: int = 60
    gpus: int = 0
    memory_gb: float | None = None
    account: str | None = None
    threads: int = 1
    jobs: int | None = None
    cluster: str = "slurm"

    @classmethod
    def of(cls, typed: argparse.Namespace) -> Options:
        """From the command line; UserError for what the queue would refuse."""
        if typed.slurm_gpus not in (0, 1):
            raise UserError(f"--slurm-gpus {typed.slurm_gpus}: a run uses one GPU; expected 0 or 1")
        if (typed.devices, typed.runs_per_device, typed.time_limit) != ("auto", 1, None):
            raise UserError(
                "--devices, --runs-per-device and --time-limit are for runs on this machine: "
                "expected --slurm-gpus and --slurm-time with --launcher slurm"
            )
        for name in ("jobs", "threads"):
            if getattr(typed, name) is not None and getattr(typed, name) < 1:
                raise UserError(f"--{name} {getattr(typed, name)} is too few: expected 1 or more")
        return cls(
            partition=typed.slurm_partition,
            minutes=minutes(typed.slurm_time),
            gpus=typed.slurm_gpus,
            memory_gb=gigabytes(typed.slurm_memory),
            account=typed.slurm_account,
            threads=typed.threads or 1,
            jobs=typed.jobs,
        )


def minutes(text: str) -> int:
    """Slurm's times: minutes, MM:SS, H:MM:SS or D-HH:MM:SS, rounded up to minutes."""
    match = re.fullmatch(r"(?:(?:(\d+)-)?(\d+):)?(\d+):(\d+)|(\d+)", text)
    if not match:
        raise UserError(f"--slurm-time {text} is no time: type minutes, or H:MM:SS")
    if match[5]:
        total = 60 * int(match[5])
    else:
        days, hours, mins, seconds = (int(part or 0) for part in match.groups()[:4])
        total = ((24 * days + hours) * 60 + mins) * 60 + seconds
    if total <= 2 * WARNING_SECONDS:
        raise UserError(f"--slurm-time {text} is too short: expected more than 3 minutes")
    return -(-total // 60)


def gigabytes(text: str | None) -> float | None:
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(?:G|GB)?", text, flags=re.IGNORECASE)
    if not match:
        raise UserError(f"--slurm-memory {text} is no size: type gigabytes, as in 8GB")
    return float(match[1])


class Job:
    """The body of one job: a run folder executed in a process of its own.

    submitit pickles it into the queue and calls it on the node; `checkpoint` is called there when
    the job is about to be ended, and returns what is queued in its place.
    """

    def __init__(self, path: str, slot: Slot) -> None:
        self.path = path
        self.slot = slot

    def __call__(self) -> str:
        """The state that the run is left in."""
        slot = self.slot
        if slot.device is not None:  # Slurm alone knows which it gave
            slot = Slot(slot.threads, os.environ.get("CUDA_VISIBLE_DEVICES", "0"))
        self.launcher = Launcher([slot])
        self.ended = False
        signal.signal(signal.SIGTERM, self._on_sigterm)
        state: State | None = State.interrupted
        with self.launcher:
            while state == State.interrupted and not self.ended:
                self._start()
                state = self._wait()
        if state == State.interrupted:
            # After SIGTERM, the order to go back into the queue or the end may still be coming.
            time.sleep(GRACE_SECONDS)
        return str(state or State.running)

    def _start(self) -> None:
        # The warning goes to every process of a job. The worker would die of it.
        warnings = {signal.SIGUSR1, signal.SIGUSR2}
        signal.pthread_sigmask(signal.SIG_BLOCK, warnings)
        try:
            self.launcher.start(RunFolder(self.path))
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, warnings)

    def _wait(self) -> State | None:
        while True:
            for _, state in self.launcher.wait(1.0):
                return state

    def _on_sigterm(self, signum: int, frame: object) -> None:
        self.ended = True
        for worker in self.launcher.workers:
            worker.ask_to_stop()

    def checkpoint(self) -> Any:
        self.ended = True
        for worker in self.launcher.workers:
            worker.ask_to_stop()
            worker.process.join(GRACE_SECONDS)
        return _submitit().helpers.DelayedSubmission(Job(self.path, self.slot))


def _submitit() -> Any:
    try:
        return importlib.import_module("submitit")
    except ModuleNotFoundError as error:
        raise UserError(
            f"The Slurm launcher needs the package '{error.name}', which is not installed: "
            "type pip install 'submitit>=1.5.4', or leave --launcher slurm out"
        ) from error


class Queue:
    """The jobs of a plan: which are in the queue, and how new ones get there."""

    def __init__(self, runs: Path, options: Options, *, name: str) -> None:
        submitit = _submitit()
        self.options = options
        self.folder = (runs / "slurm" / "%j").resolve()
        try:
            self.executor = submitit.AutoExecutor(
                self.folder, cluster=options.cluster, slurm_max_num_timeout=MAX_REQUEUES
            )
        except RuntimeError as error:
            raise UserError(
                "There is no Slurm here (srun is not on the PATH): type the command on a login "
                "node, or leave --launcher slurm out"
            ) from error
        wishes = {
            "mem_gb": options.memory_gb,
            "slurm_partition": options.partition,
            "slurm_account": options.account,
            "slurm_array_parallelism": options.jobs,
        }
        self.executor.update_parameters(
            name=name,
            timeout_min=options.minutes,
            cpus_per_task=options.threads,
            gpus_per_node=options.gpus,
            slurm_signal_delay_s=WARNING_SECONDS,
            slurm_additional_parameters={"requeue": True},
            **{key: value for key, value in wishes.items() if value is not None},
        )
        self.job_class = submitit.SlurmJob if options.cluster == "slurm" else submitit.LocalJob
        self.jobs: dict[str, Any] = {}

    def adopt(self, folder: RunFolder) -> None:
        """Follow the job that an earlier command left in the queue for this run, if any."""
        with contextlib.suppress(FileNotFoundError, KeyError, ValueError):
            noted = json.loads((folder.path / "slurm.json").read_text(encoding="utf-8"))
            if noted["cluster"] == self.options.cluster:
                job = self.job_class(noted["folder"], noted["job_id"])
                if not job.done(force_check=True):
                    self.jobs[folder.path.name] = job

    def submit(self, folders: list[RunFolder]) -> None:
        """One array of these runs, which are prepared."""
        slot = Slot(self.options.threads, "slurm" if self.options.gpus else None)
        with self.executor.batch():
            jobs = [self.executor.submit(Job(str(f.path.resolve()), slot)) for f in folders]
        for folder, job in zip(folders, jobs, strict=True):
            self.jobs[folder.path.name] = job
            noted = {"cluster": self.options.cluster, "job_id": job.job_id}
            noted["folder"] = str(self.folder)
            write_atomic(folder.path / "slurm.json", json.dumps(noted) + "\n")

    def active(self) -> set[str]:
        """The run ids whose jobs wait or run."""
        return {run_id for run_id, job in self.jobs.items() if not job.done(force_check=True)}

    def job_ids(self, run_ids: set[str]) -> list[str]:
        return sorted({self.jobs[run_id].job_id.partition("_")[0] for run_id in run_ids})


def drive(plan: Plan, runs: Path, *, options: Options, console: Console) -> Progress:
    """Submit what the plan lacks, follow the jobs, and go on until everything has ended."""
    _check_device(plan, options)
    queue = Queue(runs, options, name=f"{plan['sweep']}-{plan['profile']}")
    progress = Progress(plan, runs, options.jobs or len(plan["runs"]), look(plan, runs))
    by_id = {run["run_id"]: run for run in plan["runs"]}
    for run_id, state in progress.states.items():
        if state in (State.waiting, State.interrupted, State.running):
            queue.adopt(progress.folder(by_id[run_id]))
    seen: dict[str, State] = {}
    with mirroring(plan, runs) as on_finished, view_for(console) as view, ctrl_c() as stopped:
        while True:
            active = queue.active()
            _look(progress, queue, active)
            for run_id, state in progress.states.items():
                if state == State.finished and seen.get(run_id) != state:
                    on_finished(progress.folder(by_id[run_id]))
                if state in (State.finished, State.failed) and seen.get(run_id, state) != state:
                    view.ended(by_id[run_id], state, progress)
            seen = dict(progress.states)
            ready = [
                run
                for run in plan["runs"]
                if run["run_id"] not in active and is_ready(run, progress.states)
            ]
            if stopped():
                progress.interrupted = True
            elif ready:
                for run in ready:
                    progress.folder(run).prepare(_spec_for(run, options))
                queue.submit([progress.folder(run) for run in ready])
            if progress.interrupted or not (ready or active or State.running in seen.values()):
                break
            view.update(progress)
            time.sleep(POLL_SECONDS)
    if active and progress.interrupted:
        ids = " ".join(queue.job_ids(active))
        console.print(f"The jobs go on without this command. To end them: scancel {ids}")
    return progress


def _look(progress: Progress, queue: Queue, active: set[str]) -> None:
    """Where the runs stand; one whose job has ended without ever starting it has failed."""
    progress.states = look(progress.plan, progress.runs)
    ended = queue.jobs.keys() - active
    lost = [r for r in ended if progress.states.get(r) in (State.waiting, State.running)]
    if lost:
        time.sleep(LAG_SECONDS)
        for run in progress.plan["runs"]:
            folder = progress.folder(run)
            if run["run_id"] in lost and folder.state() == State.waiting:
                job = queue.jobs[run["run_id"]]
                reason = f"job {job.job_id} ended ({job.state}) before the run began"
                number = folder.start_attempt(step=0)
                folder.end_attempt(
                    number, state=State.failed, reason=f"{reason}: {job.paths.stderr}"
                )
        progress.states = look(progress.plan, progress.runs)
    for run_id, state in progress.states.items():
        if state == State.running:
            progress.started.setdefault(run_id, time.monotonic())
        else:
            progress.started.pop(run_id, None)


def _check_device(plan: Plan, options: Options) -> None:
    wanted = {run["config"]["runtime"]["device"] for run in plan["runs"]}
    if "cuda" in wanted and not options.gpus:
        raise UserError("runtime.device=cuda, but the jobs ask for no GPU: type --slurm-gpus 1")


def _spec_for(run: dict[str, Any], options: Options) -> dict[str, Any]:
    """The run's spec with the job's threads and device: no part of its identity."""
    spec = spec_of(run)
    runtime = {**spec["config"]["runtime"], "threads": options.threads}
    runtime["device"] = "cuda" if options.gpus else "cpu"
    return {**spec, "config": {**spec["config"], "runtime": runtime}}
