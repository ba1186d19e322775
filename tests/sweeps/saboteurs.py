"""Worker processes that end by their own doing: the real child, with one step broken."""

from __future__ import annotations

import os
import signal
import sys
import time

from experiments.store import RunFolder
from sweeps import launcher

real_child = launcher._child


def raises() -> None:
    raise RuntimeError("broken on purpose")


def kill(number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(60)


SABOTAGE = {
    "Raises": raises,
    "Exits": lambda: sys.exit(3),
    "Segfaults": lambda: kill(signal.SIGSEGV),
    "KillsItself": lambda: kill(signal.SIGKILL),
    "Hangs": lambda: time.sleep(600),
}


def child(path: str, slot: launcher.Slot) -> None:
    """In place of launcher._child: breaks the third training step of runs tagged sabotage:<how>."""
    tags = RunFolder(path).spec()["config"]["tags"]
    broken = [tag.removeprefix("sabotage:") for tag in tags if tag.startswith("sabotage:")]
    if broken == ["DiesAtOnce"]:
        os.kill(os.getpid(), signal.SIGKILL)
    if broken:
        from lightning_modules.addition import AdditionModule

        step = AdditionModule.training_step

        def training_step(self, batch, batch_idx):
            # Not in the step that only counts the operations.
            if self._trainer is not None and self.global_step == 2:
                SABOTAGE[broken[0]]()
            return step(self, batch, batch_idx)

        AdditionModule.training_step = training_step
    real_child(path, slot)
