"""One start of a run by one process: the lease it holds, the curve it writes, where it goes on."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments import checkpoint, lease
from experiments.history import History
from experiments.lease import Lease
from experiments.store import RunFolder, State
from experiments.weights import save_weights

if TYPE_CHECKING:
    import pytorch_lightning as pl
    import torch

    from datamodules.vocabulary import Vocabulary


@dataclass
class Attempt:
    """What a process may do to a run that it trains. Lost to another host, all of it is harmless.

    resume: (step, path) of the checkpoint it goes on from; None: it starts from the beginning.
    """

    folder: RunFolder
    lease: Lease
    history: History
    resume: tuple[int, Path] | None

    @property
    def number(self) -> int:
        return self.lease.number

    def check(self) -> None:
        """Raises TakenOver once another host has the run."""
        self.lease.check()

    def save_checkpoint(self, trainer: pl.Trainer) -> int:
        self.check()
        return checkpoint.save(
            self.folder.checkpoints, trainer, attempt=self.number, history=self.history
        )

    def save_weights(
        self, step: int, state: dict[str, torch.Tensor], *, vocabulary: Vocabulary | None
    ) -> None:
        """Keep the weights for a later stage."""
        self.check()
        save_weights(self.folder.path, step, state, vocabulary=vocabulary)

    def finish(self, result: dict[str, Any]) -> None:
        """The result, then DONE, then away with the checkpoints; raises TakenOver if too late."""
        self.history.sync()
        self.lease.finish(json.dumps(result, indent=1, allow_nan=False) + "\n")
        tidy(self.folder, attempt=self.number)

    def end(self, *, state: State, reason: str, checkpoint: int) -> None:
        """Note how it ended, and leave an unfinished run to whoever wants it next."""
        self.folder.end_attempt(self.number, state=state, reason=reason, checkpoint=checkpoint)
        if state != State.finished:
            with contextlib.suppress(lease.TakenOver):
                self.lease.end()


@contextlib.contextmanager
def started(folder: RunFolder, *, should_stop: Callable[[], bool]) -> Iterator[Attempt]:
    """Take an unfinished run and note the start; its caller holds `folder.locked()`.

    Raises Busy when another host trains it, which takes up to LEASE_SECONDS to find out.
    """
    number = lease.next_number(folder.path, noted=folder.last_attempt, should_stop=should_stop)
    history = History(
        folder.history_file,
        draft=lease.folder_of(folder.path) / f"{number}-{os.urandom(4).hex()}.draft",
    )
    try:
        held = Lease(folder.path, number, noted=folder.last_attempt)
    except BaseException:
        history.discard()
        raise
    try:
        try:
            history.publish()
        except FileNotFoundError as error:
            raise lease.TakenOver(f"{folder.path}: another host took over") from error
        resume = checkpoint.adopt(folder.checkpoints, attempt=number, history=history)
        history.cut(resume[0] if resume else None)
        held.check()
        folder.start_attempt(step=resume[0] if resume else 0, number=number)
        yield Attempt(folder, held, history, resume)
    except BaseException:
        with contextlib.suppress(lease.TakenOver):
            held.end()
        if folder.is_done():
            tidy(folder, attempt=number)
        raise
    finally:
        history.close()


def complete(folder: RunFolder) -> None:
    """Finish what an attempt left that had won and died before its result was in place."""
    number = lease.complete(folder.path)
    if number is not None:
        folder.end_attempt(number, state=State.finished, reason="its result was put in place")
        tidy(folder, attempt=number)


def tidy(folder: RunFolder, *, attempt: int) -> None:
    """Away with what a finished run needs no more."""
    checkpoint.remove(folder.checkpoints, attempt=attempt)
    folder.reserve_file.unlink(missing_ok=True)
