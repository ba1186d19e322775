"""Mirror runs to W&B, beside the training and never in its way.

    with Mirror(project="transformer-symmetry", sweep="symmetry") as mirror:
        ...                       # for each run, once its DONE is there:
        mirror.submit(run_dir)
    # prints: W&B: 20 runs mirrored.

The runs are mirrored by a single process (experiments/mirror_process.py), started at the first
submission: offline by writing one after another, online by following all of them live, from before
they start. It reads the folders from a pipe: when the sweep closes the pipe, or dies, it finishes
what it was given and exits. When it dies itself, the sweep goes on and says at the end what is
missing; `make sync` sends what is not on the server, and mirroring a run twice does nothing.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments import wandb_client
from experiments.errors import UserError
from experiments.told import Told

# Without an answer from the mirror for so long, the sweep does not wait for it any more.
CLOSE_SECONDS = 120.0
ROOT = Path(__file__).parents[1]
PROCESS = ("-m", "experiments.mirror_process")


def mirror_now(
    run_dir: Path, *, project: str, sweep: str | None = None, entity: str | None = None
) -> bool:
    """Mirror one finished run offline, in this process; False if it was mirrored before."""
    if wandb_client.is_mirrored(run_dir):
        return False
    told = Told(run_dir, sweep=sweep)
    result = told.result()
    wandb_client.write_offline_run(
        run_dir, result, told.history(), project=project, entity=entity, **told.labels(result)
    )
    return True


def mirror_run(run_dir: Path, config: Mapping[str, Any], *, for_agent: bool = True) -> None:
    """Mirror a finished run as its config says, and to the W&B sweep agent that asked for it.

    The agent's run is sent even when the run was finished, and mirrored, before. Online, the run
    was followed while it trained: `following`.
    """
    if for_agent and wandb_client.agent_run_id():
        told = Told(run_dir)
        result = told.result()
        wandb_client.send_agent_run(result, told.history(), **told.labels(result))
    if config["tracking"] == "offline":
        mirror_now(run_dir, **config["wandb"])


@contextlib.contextmanager
def following(run_dir: Path, config: Mapping[str, Any]) -> Iterator[None]:
    """Have the one run followed live where its tracking is online and no agent sends it."""
    if config["tracking"] != "online" or wandb_client.agent_run_id():
        yield
        return
    with Mirror(online=True, **config["wandb"]) as mirror:
        mirror.submit(run_dir)
        yield


def check_tracking(config: Mapping[str, Any]) -> None:
    """UserError before anything is trained where W&B refuses the key, or there is none.

    A server that does not answer is no mistake: training goes on, and the mirror tries again.
    """
    if config["tracking"] == "online" and not wandb_client.agent_run_id():
        _check_online(**config["wandb"])


@functools.cache
def _check_online(*, project: str, entity: str | None) -> None:
    """Ask the server, in a process of its own: this one may train."""
    command = [sys.executable, *PROCESS, "--check", *_options(project=project, entity=entity)]
    # The mirror's own time-outs end it; no terminal, or W&B would ask for a key.
    asked = subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    try:
        answer = json.loads(asked.stdout)
    except json.JSONDecodeError:
        last_words = asked.stderr.strip().splitlines()[-1:]
        answer = {"refused": "", "unreachable": " ".join(last_words) or _ending(asked.returncode)}
    if answer["refused"]:
        raise UserError(answer["refused"])
    if answer["unreachable"]:
        print(
            f"W&B does not answer now ({answer['unreachable']}); training goes on, and what is not "
            "sent until its end waits for `make sync`",
            file=sys.stderr,
        )


def unmirrored(runs_root: Path) -> list[Path]:
    """The finished runs, runs_root/<study>/<run id>/, that have no W&B file yet."""
    folders = sorted(done.parent for done in runs_root.glob("*/*/DONE"))
    return [folder for folder in folders if not wandb_client.is_mirrored(folder)]


@dataclass(frozen=True)
class MirrorReport:
    """What became of the submitted run folders; as a string, one line for the user."""

    mirrored: list[Path] = field(default_factory=list)
    already: list[Path] = field(default_factory=list)
    unfinished: list[Path] = field(default_factory=list)
    failed: dict[Path, str] = field(default_factory=dict)

    def __str__(self) -> str:
        count = len(self.mirrored)
        line = f"W&B: {count} {'run' if count == 1 else 'runs'} mirrored"
        if self.already:
            line += f", {len(self.already)} already there"
        if self.failed:
            folder, why = next(iter(self.failed.items()))
            line += f", {len(self.failed)} not mirrored ({folder.name}: {why})"
            line += "; `make sync` tries again"
        return line + "."


class Mirror:
    """The mirror of one sweep, to be closed at its end; nothing that goes wrong in it is raised."""

    def __init__(
        self,
        *,
        project: str,
        sweep: str | None = None,
        entity: str | None = None,
        online: bool = False,
        say: Callable[[str], None] = print,
    ) -> None:
        self._arguments = _options(project=project, sweep=sweep, entity=entity)
        self._arguments += ["--online"] if online else []
        self._say = say
        self._submitted: dict[Path, None] = {}  # in order, each once
        self._unsent = b""
        self._process: subprocess.Popen[bytes] | None = None
        self._report: MirrorReport | None = None
        self._broken = ""

    def __enter__(self) -> Mirror:
        return self

    def __exit__(self, *exception: object) -> None:
        report = self.close()
        if len(report.unfinished) < len(self._submitted):
            self._say(str(report))

    @property
    def pid(self) -> int | None:
        """The mirror process, once something was submitted."""
        return self._process.pid if self._process else None

    def submit(self, run_dir: Path) -> None:
        """Have a run mirrored, offline a finished one; returns at once."""
        assert self._report is None, "submit after close"
        run_dir = Path(run_dir).resolve()
        if run_dir in self._submitted:
            return
        self._submitted[run_dir] = None
        self._unsent += json.dumps(str(run_dir)).encode() + b"\n"
        if self._process is None and not self._broken:
            try:
                self._start()
            except OSError as error:
                self._broken = f"the mirror process did not start ({error})"
        self._send(until=None)

    def close(self, timeout: float = CLOSE_SECONDS) -> MirrorReport:
        """Wait for the queue and tell what became of each run.

        Gives up after `timeout` seconds in which no run was done.
        """
        if self._report is None:
            if self._process is not None:
                self._stop(self._process, timeout)
            self._report = self._read_report()
        return self._report

    def _start(self) -> None:
        # A fresh interpreter: nothing of the sweep's is forked, torch least of all. In a session
        # of its own, so that Ctrl-C reaches the sweep alone and the queue is still finished.
        # Files, unlike pipes, take any number of answers while nobody reads.
        self._answers = tempfile.TemporaryFile()  # noqa: SIM115 - both are closed by close()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, *PROCESS, *self._arguments],
            bufsize=0,
            cwd=ROOT,
            start_new_session=True,
            stdin=subprocess.PIPE,
            stdout=self._answers,
            stderr=self._errors,
        )
        assert self._process.stdin
        os.set_blocking(self._process.stdin.fileno(), False)

    def _send(self, *, until: float | None) -> None:
        """Pass on what the pipe takes: now, or until that time."""
        if self._process is None:
            return
        assert self._process.stdin
        pipe = self._process.stdin.fileno()
        while self._unsent:
            try:
                self._unsent = self._unsent[os.write(pipe, self._unsent) :]
            except BlockingIOError:
                if until is None or time.monotonic() > until:
                    return
                select.select([], [pipe], [], 0.5)
            except BrokenPipeError:  # it died; the report says so
                return

    def _stop(self, process: subprocess.Popen[bytes], timeout: float) -> None:
        until = time.monotonic() + timeout
        self._send(until=until)
        assert process.stdin
        process.stdin.close()
        answered = 0
        while process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
            if (size := os.fstat(self._answers.fileno()).st_size) > answered:
                answered, until = size, time.monotonic() + timeout
        if process.poll() is None:
            process.kill()
            process.wait()
            self._broken = f"the mirror was not done after {timeout:.0f} s"
        elif process.returncode:
            last_words = _contents(self._errors).strip().splitlines()[-1:]
            self._broken = " ".join(
                [f"the mirror process ended with {_ending(process.returncode)}", *last_words]
            )

    def _read_report(self) -> MirrorReport:
        report = MirrorReport()
        left = dict(self._submitted)
        for line in _contents(self._answers).splitlines() if self._process else []:
            # The last line is torn when the process was killed while it wrote it.
            with contextlib.suppress(json.JSONDecodeError):
                answer = json.loads(line)
                folder = Path(answer["run"])
                left.pop(folder)
                if answer["error"]:
                    report.failed[folder] = answer["error"]
                elif answer.get("unfinished"):
                    report.unfinished.append(folder)
                else:
                    (report.mirrored if answer["new"] else report.already).append(folder)
        for folder in left:
            report.failed[folder] = self._broken or "the mirror process left it out"
        if self._process:
            self._answers.close()
            self._errors.close()
        return report


def _options(**options: str | None) -> list[str]:
    return [f"--{option}={value}" for option, value in options.items() if value]


def _contents(file: Any) -> str:
    file.seek(0)
    return file.read().decode("utf-8", errors="replace")


def _ending(return_code: int) -> str:
    return signal.Signals(-return_code).name if return_code < 0 else f"exit code {return_code}"
