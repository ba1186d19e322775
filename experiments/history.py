"""history.jsonl as one attempt writes it: in a file of its own, which no other attempt reaches.

An attempt copies the curve that it finds into a draft, and once it holds the run puts the draft
in the place of history.jsonl. What a predecessor that wakes then writes goes to its old file, which
has no name any more. A checkpoint notes the digest of the curve that led to it, and is used for
that curve only.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from experiments.files import json_line, read_lines, room_for


class History:
    """The curve of the attempt that makes it. Rows come in the order of their steps.

    Its draft is made before the attempt holds the run, so that a successor can take it away for
    good: `publish` then raises FileNotFoundError.
    """

    def __init__(self, path: Path, *, draft: Path) -> None:
        self.path = path
        self.draft = draft
        self.lines = [(row["step"], json_line(row)) for row in read_lines(path)]
        with room_for(path):
            self.file = draft.open("xb", buffering=0)
        try:
            self._write(b"".join(line for _, line in self.lines))
            self.sync()
        except BaseException:
            self.discard()
            raise

    def publish(self) -> None:
        self.draft.replace(self.path)

    def close(self) -> None:
        self.file.close()

    def discard(self) -> None:
        self.close()
        self.draft.unlink(missing_ok=True)

    def digest(self, step: int) -> str:
        """SHA-256 of the rows up to a step."""
        hashed = hashlib.sha256()
        for row_step, line in self.lines:
            if row_step <= step:
                hashed.update(line)
        return hashed.hexdigest()

    def cut(self, step: int | None) -> None:
        """Keep the rows up to a checkpoint's step; None keeps none."""
        self.lines = [] if step is None else [row for row in self.lines if row[0] <= step]
        self._truncate()

    def append(self, row: dict[str, Any]) -> None:
        line = json_line(row)
        self._write(line)
        self.lines.append((row["step"], line))

    def sync(self) -> None:
        """On the disk before it returns: a durable checkpoint needs the rows that led to it."""
        with room_for(self.path):
            os.fsync(self.file.fileno())

    def _write(self, data: bytes) -> None:
        try:
            with room_for(self.path):
                while data:
                    data = data[self.file.write(data) :]
        except BaseException:
            # Half a line is no row: the file ends where its last whole row does.
            self._truncate()
            raise

    def _truncate(self) -> None:
        size = sum(len(line) for _, line in self.lines)
        self.file.truncate(size)
        self.file.seek(size)
