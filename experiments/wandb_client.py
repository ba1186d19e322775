"""All contact with the wandb package; no other file imports it, and this one only when asked.

A finished run becomes one whole offline W&B run:

    write_offline_run(run_dir, result, history, project="lab", tags=["sweep:symmetry"], group=arm)
    # -> run_dir/wandb/offline-run-<time>-<run id>/run-<run id>.wandb

Beside it stand wandb_record.py (what W&B is told, and result.json again from it), wandb_reading.py
(runs back from a server) and wandb_online.py (one run sent to a server); they reach the package
through this file.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import functools
import importlib
import itertools
import operator
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.errors import UserError
from experiments.wandb_record import run_arguments, summary_of

if TYPE_CHECKING:
    from experiments.offline_reader import OfflineRun

FLUSH_SECONDS = 30.0  # how long W&B's service may take to write a finished run's file


def is_mirrored(run_dir: Path) -> bool:
    """Whether the run folder holds its W&B file; a half-written one never bears this name."""
    return any((run_dir / "wandb").glob("offline-run-*/run-*.wandb"))


def write_offline_run(
    run_dir: Path,
    result: Mapping[str, Any],
    history: Iterable[Mapping[str, Any]],
    *,
    project: str,
    entity: str | None = None,
    tags: list[str],
    group: str,
) -> Path:
    """Write `run_dir/wandb`, whole or not at all, and return it; one that is there is kept.

    `history` yields rows {"step": int, name: value, ...} in the order of their steps; rows of
    one step become one row. Raises ValueError for steps that go back, which W&B would drop
    without a word, and RuntimeError when what lies on disk is not what was logged.
    """
    target = run_dir / "wandb"
    arguments = run_arguments(result, project=project, entity=entity, tags=tags, group=group)
    with _only_writer(run_dir):
        if is_mirrored(run_dir):
            return target
        for stray in run_dir.glob(".wandb-*.partial"):  # of a mirror that was killed
            shutil.rmtree(stray, ignore_errors=True)
        partial = Path(tempfile.mkdtemp(prefix=".wandb-", suffix=".partial", dir=run_dir))
        try:
            with _own_environment():
                steps = _log_offline(partial, arguments, history, result)
            _check_and_flush(partial / "wandb", result["run_id"], steps)
            os.rename(partial / "wandb", target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return target


class NotLoggedIn(RuntimeError):
    """There is no key for W&B."""


class NotMirrored(RuntimeError):
    """W&B's server did not take a finished run."""


def agent_run_id() -> str | None:
    """The id of the run that the W&B sweep agent above this process asked for, if there is one."""
    return os.environ.get("WANDB_RUN_ID") if os.environ.get("WANDB_SWEEP_ID") else None


def send_agent_run(
    result: Mapping[str, Any], history: Iterable[Mapping[str, Any]], *, tags: list[str], group: str
) -> None:
    """Send a whole finished run to the server, as the run that the sweep agent asked for.

    Id, project and entity are the agent's; our run id stands in the config.
    """
    arguments = run_arguments(result, project="", entity=None, tags=tags, group=group)
    theirs = {key: value for key, value in os.environ.items() if key.startswith("WANDB_")}
    close()  # W&B reads the environment once
    try:
        # The agent's parameters would displace the typed config's keys of the same names.
        _replace_environment({k: v for k, v in theirs.items() if k != "WANDB_SWEEP_PARAM_PATH"})
        wandb = package()
        with tempfile.TemporaryDirectory(prefix="wandb-agent-") as folder:
            settings = wandb.Settings(host=result["provenance"].get("host"), **QUIET)
            arguments |= {"id": theirs["WANDB_RUN_ID"], "project": None, "dir": folder}
            _log(wandb.init(mode="online", settings=settings, **arguments), history, result)
            wandb.teardown()
    except Exception as error:
        if not is_wandbs(error):
            raise
        raise NotMirrored(
            f"Run {result['run_id']} is finished, but W&B did not take it ({words(error)}); "
            "the same command sends it again."
        ) from error
    finally:
        _replace_environment(theirs)


def read_offline_run(path: Path, *, history: bool = True) -> OfflineRun:
    """The offline run in a .wandb file, or in the run folder above it."""
    # Imported here because the reader asks this module for W&B's record class.
    from experiments.offline_reader import read_run

    return read_run(path, history=history)


def record_class() -> Any:
    """The protobuf message that each record of a .wandb file holds."""
    with _own_environment():
        package()
        return importlib.import_module("wandb.proto.wandb_internal_pb2").Record


def close() -> None:
    """End W&B's service process now rather than with this one; a later call starts it anew."""
    if _scratch.cache_info().currsize:
        with _own_environment(), contextlib.suppress(SystemExit):
            package().teardown()


def chosen(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the settings that the user's environment does not set (WANDB_<NAME>)."""
    return {k: v for k, v in settings.items() if f"WANDB_{k.upper()}" not in os.environ}


@contextlib.contextmanager
def online() -> Iterator[Any]:
    """The wandb package as the user has set it up: with their key, server and proxies."""
    close()  # W&B reads the environment once
    wandb = package()
    wandb.setup(settings=wandb.Settings(silent=True))
    try:
        yield wandb
    finally:
        wandb.teardown()


def is_wandbs(error: BaseException) -> bool:
    """Whether W&B raised it, the package or the server behind it."""
    return type(error).__module__.split(".")[0] == "wandb"


def is_without_key(error: BaseException) -> bool:
    """Whether W&B raised it for want of a key."""
    malformed = "API key must have" in str(error)
    return is_wandbs(error) and type(error).__name__ == "UsageError" and not malformed


def status_of(error: BaseException) -> int | None:
    """The HTTP status in an error of W&B's; None where there was no answer, or it is not told."""
    seen: BaseException | None = error
    while seen:
        response = getattr(seen, "response", None)
        if status := getattr(response, "http_status", 0):
            return int(status)
        seen = seen.__cause__ or getattr(seen, "exc", None) or seen.__context__
    return None


def words(error: BaseException) -> str:
    """An error of W&B's in one line."""
    return " ".join(str(error).split()) or type(error).__name__


def _log_offline(
    folder: Path,
    arguments: Mapping[str, Any],
    history: Iterable[Mapping[str, Any]],
    result: Mapping[str, Any],
) -> list[int]:
    """Log the whole run into `folder/wandb` and return its steps."""
    wandb = package()
    settings = wandb.Settings(host=result["provenance"].get("host"), **QUIET)
    # create_new: many runs in one process stay many, whatever else the process is logging.
    run = wandb.init(
        mode="offline", dir=str(folder), reinit="create_new", settings=settings, **arguments
    )
    return _log(run, history, result)


def _log(run: Any, history: Iterable[Mapping[str, Any]], result: Mapping[str, Any]) -> list[int]:
    """Log the whole run, finish it and return its steps."""
    steps: list[int] = []
    exit_code = 1
    try:
        # The summary holds the result, not whatever happened to be logged last.
        run.define_metric("*", summary="none")
        for step, rows in itertools.groupby(history, key=operator.itemgetter("step")):
            if steps and step < steps[-1]:
                raise ValueError(
                    f"The history of run {result['run_id']} goes back from step {steps[-1]} to "
                    f"{step}; expected its rows in the order of their steps."
                )
            steps.append(step)
            run.log({k: v for row in rows for k, v in row.items() if k != "step"}, step=step)
        run.summary.update(summary_of(result))
        exit_code = 0
    finally:
        run.finish(exit_code=exit_code)
    return steps


def _check_and_flush(folder: Path, run_id: str, steps: list[int]) -> None:
    """Raise unless the file holds the whole run; then drop the scaffolding and fsync the file."""
    files = list(folder.glob(f"offline-run-*-{run_id}/run-{run_id}.wandb"))
    if len(files) != 1:
        raise RuntimeError(f"W&B wrote no file for run {run_id}: it took another id or folder.")
    # finish() returns when the service has the run; in one run of four the file follows later.
    pause, until = 0.002, time.monotonic() + FLUSH_SECONDS
    while (run := read_offline_run(files[0])).problem and time.monotonic() < until:
        time.sleep(pause)
        pause = min(2 * pause, 1.0)
    found = [row["_step"] for row in run.history]
    if run.problem or run.exit_code != 0 or found != steps:
        raise RuntimeError(
            f"The W&B file of run {run_id} {run.problem or 'is not what was logged'}: it holds "
            f"{len(found)} of {len(steps)} steps and exit code {run.exit_code}."
        )
    for scaffolding in ("logs", "tmp"):  # name folders that the rename takes away
        shutil.rmtree(files[0].parent / scaffolding, ignore_errors=True)
    # Else a power failure may keep the new name and lose the contents.
    with files[0].open("rb") as file:
        os.fsync(file.fileno())


# Nothing is recorded but the run: no source, git state, packages, console or machine figures.
QUIET: dict[str, Any] = {
    "console": "off",
    "disable_code": True,
    "disable_git": True,
    "disable_job_creation": True,
    "save_code": False,
    "silent": True,
    "symlink": False,
    "x_disable_machine_info": True,
    "x_disable_meta": True,
    "x_disable_stats": True,
    "x_save_requirements": False,  # reading the installed packages takes 0.3 s a run
}


def package() -> Any:
    """The wandb package; UserError where it is not installed."""
    try:
        return importlib.import_module("wandb")
    except ModuleNotFoundError as error:
        raise UserError(
            f"Mirroring to W&B needs the package '{error.name}', which is not installed; "
            "type `pip install wandb`, or leave W&B out with tracking=disabled."
        ) from error


@functools.cache
def _scratch() -> Path:
    """Where W&B keeps its caches and settings, not in the user's home, until the process ends."""
    folder = Path(tempfile.mkdtemp(prefix="wandb-scratch-"))
    # Registered before wandb is imported, so it runs after wandb's own end.
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@contextlib.contextmanager
def _own_environment() -> Iterator[None]:
    """No WANDB_* variable of the user's counts, keys and sweep ids included; then all are back."""
    scratch = str(_scratch())
    theirs = {key: value for key, value in os.environ.items() if key.startswith("WANDB_")}
    ours = dict.fromkeys(
        ("WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"), scratch
    ) | {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false"}
    _replace_environment(ours)
    try:
        yield
    finally:
        _replace_environment(theirs)


def _replace_environment(variables: Mapping[str, str]) -> None:
    for key in [key for key in os.environ if key.startswith("WANDB_")]:
        del os.environ[key]
    os.environ.update(variables)


@contextlib.contextmanager
def _only_writer(run_dir: Path) -> Iterator[None]:
    """Wait until no other process mirrors this run; a killed one's lock is free at once."""
    descriptor = os.open(run_dir, os.O_RDONLY)
    try:
        # A file system without locks has no second mirror's partial folder worth protecting.
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
