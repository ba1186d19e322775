"""Files that survive a kill at any moment: whole ones appear by rename, logs grow by lines."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from experiments.errors import UserError

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class DiskFull(OSError, UserError):
    """There is no room for a file; a sentence that says where, and what to do."""


@contextlib.contextmanager
def room_for(path: Path) -> Iterator[None]:
    """Tell a full disk, an exhausted quota or a file size limit as DiskFull."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL or isinstance(error, DiskFull):
            raise
        raise DiskFull(
            f"{error.strerror} for {path}: free some space there, then train the run again"
        ) from error


def write_atomic(path: Path, content: str | bytes) -> None:
    """The whole content under its name, or nothing: temporary file, fsync, rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Two hosts that share a folder may run processes of the same number.
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{os.urandom(4).hex()}.tmp")
    data = content.encode() if isinstance(content, str) else content
    try:
        with room_for(path), temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def json_line(row: dict[str, Any]) -> bytes:
    return json.dumps(row, allow_nan=False).encode() + b"\n"


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The rows of a .jsonl file; a torn line, left by a kill while writing, is passed over."""
    rows = []
    if path.exists():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                rows.append(json.loads(line))
    return rows


def append_line(path: Path, row: dict[str, Any], *, durable: bool = False) -> None:
    """One row at the end of a .jsonl file; on the disk before it returns when `durable`."""
    with room_for(path), path.open("a+b") as file:
        # A torn line left by a kill would swallow the row that follows it.
        if file.tell() and (file.seek(-1, os.SEEK_END), file.read(1))[1] != b"\n":
            file.write(b"\n")
        file.write(json_line(row))
        file.flush()
        if durable:
            os.fsync(file.fileno())
