"""What run folders hold that no run needs. Nothing of a finished run's record is among it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from experiments.store import Busy, RunFolder, State


@dataclass(frozen=True)
class Leftover:
    """A file or folder that can go, and why; `run` is the run it belongs to, if that is there."""

    path: Path
    why: str
    run: RunFolder | None = None

    @property
    def bytes(self) -> int:
        files = [self.path] if self.path.is_file() else self.path.rglob("*")
        return sum(path.stat().st_size for path in files if path.is_file())

    def remove(self) -> bool:
        """Remove it, unless its run has been started meanwhile; whether it is gone."""
        try:
            if self.run is None:
                self._delete()
            else:
                with self.run.locked():
                    self._delete()
        except Busy:
            return False
        return True

    def _delete(self) -> None:
        if self.path.is_dir():
            shutil.rmtree(self.path)
        else:
            self.path.unlink(missing_ok=True)


def leftovers(
    runs: Path, folders: list[RunFolder], *, checkpoints: bool, failed: bool
) -> list[Leftover]:
    """Of these runs and of unpacking into `runs`; runs that are being trained have none."""
    found = [
        Leftover(path, "left by unpacking")
        for pattern in ("*/.*.unpacking", "*/.*.replaced")
        for path in sorted(runs.glob(pattern))
    ]
    for folder in folders:
        found += _of(folder, checkpoints=checkpoints, failed=failed)
    return found


def _of(folder: RunFolder, *, checkpoints: bool, failed: bool) -> Iterator[Leftover]:
    state = folder.state()
    if state == State.running:
        return
    if state == State.failed and failed:
        yield Leftover(folder.path, "failed", folder)
        return
    for pattern in ("**/.*.tmp", "lease/*.draft"):
        for path in sorted(folder.path.glob(pattern)):
            yield Leftover(path, "temporary, left by a kill", folder)
    if folder.checkpoints.exists() and (checkpoints or state == State.finished):
        yield Leftover(folder.checkpoints, f"checkpoints of a run that is {state}", folder)
    if state == State.finished:
        for name in (".reserve", "lease"):
            if (folder.path / name).exists():
                yield Leftover(folder.path / name, "of use while a run is trained", folder)
