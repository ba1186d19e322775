"""Checkpoints that can be trusted: whole or absent, checked by digest, the one before kept.

checkpoint/<step>.ckpt holds Lightning's own checkpoint; <step>.json, written after it, its SHA-256.
Without a matching digest a file is taken for damaged and the one before it is used.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.store import write_atomic

if TYPE_CHECKING:
    import pytorch_lightning as pl

KEPT = 2


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def save(folder: Path, trainer: pl.Trainer) -> int:
    """Make the trainer's state durable; returns its step. The previous checkpoint is kept."""
    step = trainer.global_step
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{step}.tmp"
    try:
        trainer.save_checkpoint(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        digest = _digest(temporary)
        temporary.replace(folder / f"{step}.ckpt")
        write_atomic(folder / f"{step}.json", json.dumps({"step": step, "sha256": digest}))
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    for old in _steps(folder)[KEPT:]:
        (folder / f"{old}.json").unlink()
        (folder / f"{old}.ckpt").unlink(missing_ok=True)
    return step


def _steps(folder: Path) -> list[int]:
    """The steps that have a digest, newest first."""
    return sorted((int(path.stem) for path in folder.glob("[0-9]*.json")), reverse=True)


def newest(folder: Path) -> tuple[int, Path] | None:
    """The newest whole checkpoint as (step, path); damaged ones are passed over, and said so."""
    for step in _steps(folder):
        path = folder / f"{step}.ckpt"
        try:
            expected = json.loads((folder / f"{step}.json").read_text(encoding="utf-8"))["sha256"]
            if _digest(path) == expected:
                return step, path
        except (OSError, ValueError, KeyError):
            pass
        print(f"checkpoint {path} is damaged; trying the one before it", flush=True)
    return None
