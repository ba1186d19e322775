"""Checkpoints that can be trusted: whole or absent, checked by digest, the one before kept.

checkpoint/<step>-<attempt>.ckpt holds Lightning's own checkpoint; the .json beside it, written
after it, its SHA-256 and that of the curve that led to it. Without a matching digest a checkpoint
is taken for damaged, or for that of another curve, and the one before it is used.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.files import room_for, write_atomic
from experiments.history import History

if TYPE_CHECKING:
    import pytorch_lightning as pl

KEPT = 2


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _number(path: Path) -> tuple[int, int]:
    """(step, attempt) of a file's name."""
    step, _, attempt = path.name.lstrip(".").partition(".")[0].partition("-")
    return int(step), int(attempt)


def _notes(folder: Path) -> list[Path]:
    """The files that say of which checkpoint they are, the newest step first."""
    return sorted(folder.glob("[0-9]*-[0-9]*.json"), key=_number, reverse=True)


def save(folder: Path, trainer: pl.Trainer, *, attempt: int, history: History) -> int:
    """Make the trainer's state durable; returns its step. The previous checkpoint is kept."""
    folder.mkdir(exist_ok=True)
    step = trainer.global_step
    path = folder / f"{step}-{attempt}.ckpt"
    temporary = folder / f".{path.stem}.tmp"
    history.sync()
    try:
        with room_for(path):
            trainer.save_checkpoint(temporary)
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
        note = {"step": step, "sha256": _digest(temporary), "history": history.digest(step)}
        temporary.replace(path)
        write_atomic(path.with_suffix(".json"), json.dumps(note))
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _remove_older(folder, attempt=attempt)
    return step


def _remove_older(folder: Path, *, attempt: int) -> None:
    """Keep this attempt's newest. What earlier attempts left goes; a later one's is not touched."""
    own = [note for note in _notes(folder) if _number(note)[1] == attempt]
    earlier = [note for note in _notes(folder) if _number(note)[1] < attempt]
    for note in [*own[KEPT:], *earlier]:
        note.unlink(missing_ok=True)
        note.with_suffix(".ckpt").unlink(missing_ok=True)
    for left_over in folder.glob(".*-*.tmp"):
        if _number(left_over)[1] < attempt:
            left_over.unlink(missing_ok=True)


def remove(folder: Path, *, attempt: int) -> None:
    """Remove the checkpoints of a finished run. A later attempt's, after a wipe, stay."""
    for path in [*folder.glob("[0-9]*-[0-9]*"), *folder.glob(".*-*.tmp")]:
        if _number(path)[1] <= attempt:
            path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()


def _usable(folder: Path, history: History | None) -> Iterator[Path]:
    """The whole checkpoints of this history, newest first; others are passed over, and said so."""
    for note in _notes(folder):
        path = note.with_suffix(".ckpt")
        try:
            expected = json.loads(note.read_text(encoding="utf-8"))
            whole = _digest(path) == expected["sha256"]
            wanted = expected["history"]
        except (OSError, ValueError, KeyError):
            whole = False
        if not whole:
            print(f"checkpoint {path} is damaged; trying the one before it", flush=True)
        elif history and history.digest(_number(path)[0]) != wanted:
            print(f"checkpoint {path} is of another curve; trying the one before it", flush=True)
        else:
            yield path


def newest(folder: Path, *, history: History | None = None) -> tuple[int, Path] | None:
    """The newest whole checkpoint (that the history led to) as (step, path)."""
    path = next(_usable(folder, history), None)
    return None if path is None else (_number(path)[0], path)


def adopt(folder: Path, *, attempt: int, history: History) -> tuple[int, Path] | None:
    """The newest whole checkpoint of the history, made this attempt's own: (step, path).

    Whoever made it, should it wake, can no longer remove it.
    """
    folder.mkdir(exist_ok=True)
    for path in _usable(folder, history):
        step = _number(path)[0]
        own = folder / f"{step}-{attempt}.ckpt"
        note = path.with_suffix(".json")
        try:
            # A kill between these lines leaves the old name or the new one whole.
            write_atomic(own.with_suffix(".json"), note.read_bytes())
            path.replace(own)
        except FileNotFoundError:
            own.with_suffix(".json").unlink(missing_ok=True)
            continue
        note.unlink(missing_ok=True)
        return step, own
    if _notes(folder):
        print("no checkpoint can be used: starting from the beginning", flush=True)
    return None
