"""The mirror process: what experiments/mirror.py starts beside a sweep.

    python -m experiments.mirror_process --project=lab [--online | --check]

Run folders come in as JSON lines, answers go out as JSON lines, until the pipe is closed. --check
asks the server once whether it takes the key.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import select
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from experiments import wandb_client, wandb_online
from experiments.errors import UserError

# A run takes about 0.1 s and 50 us a row; one that hangs ends the process, so that no process
# whose sweep is gone waits forever.
SECONDS_PER_RUN = 600
LOOK_SECONDS = 0.5  # between two looks at the folders that are followed

Say = Callable[[dict[str, Any]], None]


def write_each(options: argparse.Namespace, say: Say) -> None:
    """Offline: one finished run after another, each whole into its folder."""
    from experiments.mirror import mirror_now

    where = {"project": options.project, "sweep": options.sweep, "entity": options.entity}
    for line in sys.stdin:
        if not line.endswith("\n"):  # the sweep was killed while it wrote it
            break
        folder = json.loads(line)
        answer: dict[str, Any] = {"run": folder, "new": False, "error": ""}
        signal.alarm(SECONDS_PER_RUN)
        try:
            answer["new"] = mirror_now(Path(folder), **where)
        except Exception as error:  # one run's trouble is that run's alone
            answer["error"] = " ".join(f"{type(error).__name__}: {error}".split())
        signal.alarm(0)
        say(answer)
    wandb_client.close()


def follow_all(options: argparse.Namespace, say: Say) -> None:
    """Online: every run live, from its first durable rows to its verified end."""
    from experiments.follow import Following

    wandb_online.keep_the_connection_alone()
    with tempfile.TemporaryDirectory(prefix="wandb-mirror-") as scratch:
        os.environ["WANDB_DIR"] = scratch
        following = Following(project=options.project, entity=options.entity, sweep=options.sweep)
        pipe, unread, is_open = sys.stdin.fileno(), b"", True
        while is_open:
            if select.select([pipe], [], [], LOOK_SECONDS)[0]:
                data = os.read(pipe, 1 << 16)
                is_open = bool(data)
                *lines, unread = (unread + data).split(b"\n")
                for line in lines:
                    following.add(Path(json.loads(line)))
            for answer in following.turn():
                say(answer)
        for answer in following.close():
            say(answer)


def check(options: argparse.Namespace, say: Say) -> None:
    wandb_online.keep_the_connection_alone()
    answer = {"refused": "", "unreachable": ""}
    with tempfile.TemporaryDirectory(prefix="wandb-check-") as scratch:
        os.environ["WANDB_DIR"] = scratch
        try:
            wandb_online.connect(project=options.project, entity=options.entity).close()
        except UserError as error:
            answer["refused"] = str(error)
        except wandb_online.Unreachable as error:
            answer["unreachable"] = str(error)
    say(answer)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="experiments.mirror_process", description=__doc__)
    parser.add_argument("--project", required=True)
    parser.add_argument("--sweep")
    parser.add_argument("--entity")
    parser.add_argument("--online", action="store_true")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args(arguments)
    # Answers alone go to stdout; whatever else is printed here goes to stderr.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def say(answer: dict[str, Any]) -> None:
        print(json.dumps(answer), file=answers, flush=True)

    serve = check if options.check else follow_all if options.online else write_each
    # Whoever asked may be gone; what was mirrored stays mirrored.
    with contextlib.suppress(BrokenPipeError):
        serve(options, say)


if __name__ == "__main__":
    main(sys.argv[1:])
