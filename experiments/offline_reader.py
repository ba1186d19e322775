"""Read an offline W&B run back from its .wandb file, without a server.

    run = read_run("runs/symmetry/0123456789abcdef")
    run.summary["exact_match"], [row["train/loss"] for row in run.history], run.problem

The file is a log: 7 bytes of header, then blocks of 32 KiB. A block holds fragments (checksum,
length, kind, data); one or more fragments make a record, and a record is a protobuf message.
A log that was cut short is read as far as it goes, and says so in `problem`.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments import wandb_client
from experiments.errors import UserError
from experiments.wandb_record import result_of

FILE_HEADER = struct.pack("<4sHB", b":W&B", 0xBEE1, 0)  # name, magic number, version
FRAGMENT_HEADER = struct.Struct("<IHB")  # checksum, length, kind
BLOCK_SIZE = 32 * 1024
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4

# Where a .wandb file lies below a .wandb file, its own folder, wandb/, and the run folder.
PLACES = ("run-*.wandb", "offline-run-*/run-*.wandb", "wandb/offline-run-*/run-*.wandb")


class TornLog(Exception):
    """The log stops making sense here: what comes before is whole, what comes after is lost."""


@dataclass
class OfflineRun:
    """One run as W&B holds it; `problem` is None when the file is whole to its exit record."""

    path: Path
    id: str = ""
    name: str = ""
    project: str = ""
    entity: str = ""
    group: str = ""
    job_type: str = ""
    tags: list[str] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)  # rows with their "_step"
    exit_code: int | None = None
    problem: str | None = None

    def result(self) -> dict[str, Any]:
        """The run's result.json."""
        if self.problem:
            raise ValueError(f"{self.path} {self.problem}; mirror the run again.")
        return result_of(self.config, self.summary)


def read_run(path: str | Path, *, history: bool = True) -> OfflineRun:
    """The run in a .wandb file, or in the offline-run, wandb or run folder above it."""
    run = OfflineRun(_find(Path(path)))
    message = wandb_client.record_class()()
    try:
        for record in records(run.path):
            message.ParseFromString(record)
            _apply(run, message, history=history)
        if run.exit_code is None:
            raise TornLog("ends before the run's exit record")
    except TornLog as torn:
        run.problem = str(torn)
    run.config.pop("_wandb", None)
    return run


def records(path: Path) -> Iterator[bytes]:
    """The whole records of the log in order; raises TornLog where a log cut short ends."""
    log = path.read_bytes()
    if not log.startswith(FILE_HEADER):
        raise UserError(f"{path} is not a W&B run; expected a .wandb file of version 0.")
    position = len(FILE_HEADER)
    parts: list[bytes] = []
    while True:
        left_in_block = BLOCK_SIZE - position % BLOCK_SIZE
        if left_in_block < FRAGMENT_HEADER.size:  # too short for a header: padding
            position += left_in_block
        if position >= len(log):
            break
        kind, data = _fragment(log, position)
        position += FRAGMENT_HEADER.size + len(data)
        if (kind in (FULL, FIRST)) == bool(parts):
            raise TornLog(f"has a record out of order before byte {position} of {len(log)}")
        parts.append(data)
        if kind in (FULL, LAST):
            yield b"".join(parts)
            parts = []
    if parts:
        raise TornLog(f"ends inside a record, at byte {len(log)}")


def _fragment(log: bytes, position: int) -> tuple[int, bytes]:
    where = f"at byte {position} of {len(log)}"
    start = position + FRAGMENT_HEADER.size
    if start > len(log):
        raise TornLog(f"ends inside a record's header, {where}")
    checksum, length, kind = FRAGMENT_HEADER.unpack_from(log, position)
    data = log[start : start + length]
    if len(data) < length:
        raise TornLog(f"ends inside a record, {where}")
    right_checksum = zlib.crc32(data, zlib.crc32(bytes([kind])))
    if kind not in (FULL, FIRST, MIDDLE, LAST) or checksum != right_checksum:
        raise TornLog(f"has a damaged record {where}")
    return kind, data


def _apply(run: OfflineRun, message: Any, *, history: bool) -> None:
    """Bring `run` up to date with one record; kinds that it does not hold change nothing."""
    match message.WhichOneof("record_type"):
        case "run":
            told = message.run
            run.id, run.name, run.group = told.run_id, told.display_name, told.run_group
            run.project, run.entity = told.project, told.entity
            run.job_type, run.tags = told.job_type, list(told.tags)
            _update(run.config, told.config)
        case "config":
            _update(run.config, message.config)
        case "summary":
            _update(run.summary, message.summary)
        case "history" if history:
            row: dict[str, Any] = {}
            for item in message.history.item:
                _put(row, item)
            row.setdefault("_step", message.history.step.num)
            run.history.append(row)
        case "exit":
            run.exit_code = message.exit.exit_code


def _update(values: dict[str, Any], change: Any) -> None:
    for item in change.update:
        _put(values, item)
    for item in change.remove:
        *outer, last = _keys(item)
        inner = values
        for key in outer:
            inner = inner.get(key, {})
        inner.pop(last, None)


def _put(values: dict[str, Any], item: Any) -> None:
    *outer, last = _keys(item)
    for key in outer:
        if not isinstance(values.get(key), dict):
            values[key] = {}
        values = values[key]
    values[last] = json.loads(item.value_json)


def _keys(item: Any) -> list[str]:
    return list(item.nested_key) or [item.key]


def _find(path: Path) -> Path:
    if path.is_file():
        return path
    files = [file for place in PLACES for file in sorted(path.glob(place))]
    if len(files) != 1:
        raise UserError(
            f"Expected one W&B run in {path}, found {len(files)}; name a .wandb file, or the "
            "folder of one run."
        )
    return files[0]
