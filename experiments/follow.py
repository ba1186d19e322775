"""Follow run folders live to a W&B server: what the mirror process does when tracking is online.

    following = Following(project="lab", entity=None, sweep="symmetry")
    following.add(run_dir)
    for answer in following.turn():      # again and again, at once; waits are the server's alone
        ...
    following.close()                    # once the sweep is gone: ends what is left

Rows are sent up to the run's newest checkpoint, so that a run that is killed and goes on from there
repeats none; at DONE the rest follows, and is read back. When the server does not answer, all wait,
longer each time.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from experiments import wandb_online
from experiments.errors import UserError
from experiments.told import Told
from experiments.upload import BeingMirrored, bring, only_mirror
from experiments.wandb_online import LiveRun, Server, Unreachable

FIRST_PAUSE, LONGEST_PAUSE = 2.0, 60.0
LAST_TRIES = 3  # at the server, once the sweep has ended

Answer = dict[str, Any]


class Followed:
    """One run folder, and the run on the server while it is appended to."""

    def __init__(self, run_dir: Path, *, sweep: str | None) -> None:
        self.path = run_dir
        self.told = Told(run_dir, sweep=sweep)
        self.live: LiveRun | None = None
        self.durable = -1
        self.held = contextlib.ExitStack()

    def catch_up(self, server: Server) -> None:
        """Send what has become durable since the last time."""
        step = self.told.durable_step()
        if step <= self.durable:
            return
        if self.live is None:
            self.held.enter_context(only_mirror(self.path))
            try:
                beginning = self.told.beginning()
                labels = self.told.labels(beginning)
                self.live = server.append(beginning, host=None, **labels)
            except BaseException:
                self.held.close()
                raise
        self.live.send(self.told.rows_up_to(step))
        self.durable = step

    def complete(self, server: Server) -> bool:
        """Send the rest of the finished run and verify it; whether anything was sent."""
        live, self.live, self.durable = self.live, None, -1
        with self.held:
            if live is None:
                with only_mirror(self.path):
                    return bring(server, self.told)
            # What does not arrive here, `bring` finds missing and sends.
            with contextlib.suppress(Unreachable):
                live.send(self.told.rows())
                live.finish(self.told.result())
            bring(server, self.told)
            return True

    def leave(self) -> None:
        """Close the run as one that is not finished."""
        if self.live:
            self.live.leave()
            self.live, self.durable = None, -1
        self.held.close()


class Following:
    """All runs of one mirror process. A run is answered for once it is finished, or at the end."""

    def __init__(self, *, project: str, entity: str | None, sweep: str | None) -> None:
        self.project, self.entity = project, entity
        self.sweep = sweep
        self.followed: dict[Path, Followed] = {}
        self.server: Server | None = None
        self.pause = FIRST_PAUSE
        self.not_before = 0.0
        self.trouble = ""

    def add(self, run_dir: Path) -> None:
        self.followed[run_dir] = Followed(run_dir, sweep=self.sweep)

    def turn(self) -> Iterator[Answer]:
        """Look at every folder once; the answers for those that need no further looking."""
        for path, followed in list(self.followed.items()):
            if time.monotonic() < self.not_before:
                return
            answer: Answer = {"run": str(path), "new": False, "error": ""}
            try:
                new = self._look(followed)
                if new is None:
                    continue
                answer["new"] = new
            except BeingMirrored:
                continue
            except (Unreachable, UserError) as error:
                self._wait(str(error))
                continue
            except Exception as error:  # one run's trouble is that run's alone
                followed.leave()
                answer["error"] = " ".join(f"{type(error).__name__}: {error}".split())
            del self.followed[path]
            yield answer

    def _look(self, followed: Followed) -> bool | None:
        """Whether anything was sent of a run that is finished and verified now, else None."""
        done = followed.told.folder.is_done()
        if not done and followed.told.durable_step() <= followed.durable:
            return None
        if self.server is None:
            self.server = wandb_online.connect(project=self.project, entity=self.entity)
        new = None
        if done:
            new = followed.complete(self.server)
        else:
            followed.catch_up(self.server)
        self.pause = FIRST_PAUSE
        return new

    def _wait(self, trouble: str) -> None:
        self.trouble = trouble
        self.not_before = time.monotonic() + self.pause
        self.pause = min(2 * self.pause, LONGEST_PAUSE)
        if self.server and not any(followed.live for followed in self.followed.values()):
            self.server.close()  # whatever its client still holds, it begins anew
            self.server = None

    def close(self) -> Iterator[Answer]:
        """Bring what is finished to the server, in a few tries, and leave the rest."""
        self.not_before, self.pause = 0.0, FIRST_PAUSE
        for attempt in range(LAST_TRIES):
            if not any(f.told.folder.is_done() for f in self.followed.values()):
                break
            if attempt:  # the server may answer later, another mirror may be done
                time.sleep(max(FIRST_PAUSE, self.not_before - time.monotonic()))
            yield from self.turn()
        for followed in list(self.followed.values()):
            followed.leave()
            done = followed.told.folder.is_done()
            error = (self.trouble or "another process is mirroring it") if done else ""
            yield {"run": str(followed.path), "new": False, "error": error, "unfinished": not done}
        if self.server:
            self.server.close()
