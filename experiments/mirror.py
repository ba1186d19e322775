"""Mirror finished runs to W&B, beside the training and never in its way.

    with Mirror(project="transformer-symmetry", sweep="symmetry") as mirror:
        ...                       # for each run, once its DONE is there:
        mirror.submit(run_dir)
    # prints: W&B: 20 runs mirrored.

The runs are written one after another by a single process, started at the first submission. It
reads the folders from a pipe: when the sweep closes the pipe, or dies, it finishes what it was
given and exits. When it dies itself, the sweep goes on and says at the end what is missing;
`unmirrored` finds those runs again, and mirroring a run twice does nothing.
"""

from __future__ import annotations

import argparse
import contextlib
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
from experiments.store import RunFolder

# A run takes about 0.1 s and 50 us a row; one that hangs ends the process, so that no process
# whose sweep is gone waits forever.
SECONDS_PER_RUN = 600
CLOSE_SECONDS = 120.0


def mirror_now(
    run_dir: Path, *, project: str, sweep: str | None = None, entity: str | None = None
) -> bool:
    """Mirror one finished run in this process; False if it was mirrored before."""
    if wandb_client.is_mirrored(run_dir):
        return False
    result, history, labels = _told(run_dir, sweep=sweep)
    wandb_client.write_offline_run(
        run_dir, result, history, project=project, entity=entity, **labels
    )
    return True


def mirror_run(run_dir: Path, config: Mapping[str, Any]) -> None:
    """Mirror a finished run as its config says, and to the W&B sweep agent that asked for it.

    The agent's run is sent even when the run was finished, and mirrored, before.
    """
    if wandb_client.agent_run_id():
        result, history, labels = _told(run_dir, sweep=None)
        wandb_client.send_agent_run(result, history, **labels)
    if config["tracking"] == "offline":
        mirror_now(run_dir, **config["wandb"])


def check_tracking(config: Mapping[str, Any]) -> None:
    """UserError for the tracking that there is not."""
    if config["tracking"] == "online" and not wandb_client.agent_run_id():
        raise UserError(
            "tracking=online is not available yet: type tracking=offline, and upload the files "
            "later with W&B's own `wandb sync`"
        )


def _told(
    run_dir: Path, *, sweep: str | None
) -> tuple[dict[str, Any], Iterator[dict[str, Any]], dict[str, Any]]:
    """What W&B is told of a finished run: its result, its history, its tags and group."""
    folder = RunFolder(run_dir)
    if not folder.is_done():
        raise ValueError(f"{run_dir} holds no finished run (no DONE); train it to its end first.")
    result = folder.result()
    planned = folder.spec() if folder.spec_file.exists() else {}
    labels = planned.get("labels") or {}
    sweeps = [f"sweep:{name}" for name in (labels.get("sweep"), sweep) if name]
    history = _history(folder.history_file, last_step=result["cost"].get("steps"))
    tags = [*sweeps, *(labels.get("tags") or [])]
    return result, history, {"tags": tags, "group": planned.get("arm") or result["variant"]}


def unmirrored(runs_root: Path) -> list[Path]:
    """The finished runs, runs_root/<study>/<run id>/, that have no W&B file yet."""
    folders = sorted(done.parent for done in runs_root.glob("*/*/DONE"))
    return [folder for folder in folders if not wandb_client.is_mirrored(folder)]


@dataclass(frozen=True)
class MirrorReport:
    """What became of the submitted run folders; as a string, one line for the user."""

    mirrored: list[Path] = field(default_factory=list)
    already: list[Path] = field(default_factory=list)
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
        say: Callable[[str], None] = print,
    ) -> None:
        options = {"--project": project, "--sweep": sweep, "--entity": entity}
        self._arguments = [f"{option}={value}" for option, value in options.items() if value]
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
        if self._submitted:
            self._say(str(report))

    @property
    def pid(self) -> int | None:
        """The mirror process, once something was submitted."""
        return self._process.pid if self._process else None

    def submit(self, run_dir: Path) -> None:
        """Have a finished run mirrored; returns at once, however far behind the mirror is."""
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
        """Wait for the queue, at most `timeout` seconds, and tell what became of each run."""
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
            [sys.executable, "-m", "experiments.mirror", *self._arguments],
            bufsize=0,
            cwd=Path(__file__).parents[1],
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
        try:
            process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            self._broken = f"the mirror was not done after {timeout:.0f} s"
        else:
            if process.returncode:
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
                else:
                    (report.mirrored if answer["new"] else report.already).append(folder)
        for folder in left:
            report.failed[folder] = self._broken or "the mirror process left it out"
        if self._process:
            self._answers.close()
            self._errors.close()
        return report


def _serve(arguments: list[str]) -> None:
    """The mirror process: folders in as JSON lines, answers out, until the pipe is closed."""
    parser = argparse.ArgumentParser(prog="experiments.mirror", description=_serve.__doc__)
    parser.add_argument("--project", required=True)
    parser.add_argument("--sweep")
    parser.add_argument("--entity")
    options = parser.parse_args(arguments)
    # Answers alone go to stdout; whatever else is printed here goes to stderr.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for line in sys.stdin:
        if not line.endswith("\n"):  # the sweep was killed while it wrote it
            break
        folder = json.loads(line)
        answer: dict[str, Any] = {"run": folder, "new": False, "error": ""}
        signal.alarm(SECONDS_PER_RUN)
        try:
            answer["new"] = mirror_now(Path(folder), **vars(options))
        except Exception as error:  # one run's trouble is that run's alone
            answer["error"] = " ".join(f"{type(error).__name__}: {error}".split())
        signal.alarm(0)
        print(json.dumps(answer), file=answers, flush=True)
    wandb_client.close()


def _history(path: Path, *, last_step: int | None) -> Iterator[dict[str, Any]]:
    """The logged rows up to the run's last step; a run that logged nothing has no file.

    Stricter than the store's reader, which ends at a torn line: a finished run has none.
    """
    if not path.exists():
        return
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise ValueError(f"{path}, line {number} is not a JSON object") from error
            if last_step is None or row["step"] <= last_step:
                yield row


def _contents(file: Any) -> str:
    file.seek(0)
    return file.read().decode("utf-8", errors="replace")


def _ending(return_code: int) -> str:
    return signal.Signals(-return_code).name if return_code < 0 else f"exit code {return_code}"


if __name__ == "__main__":
    _serve(sys.argv[1:])
