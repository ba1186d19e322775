"""What was read from W&B, or took seconds to compute, kept so that the next time is fast.

    with Cache() as cache:
        cache.put(key, stamp, result)
        cache.get(key)                          # (stamp, result); None: not kept, or damaged

A stamp says which state of a file, a run or the code the value is from. One SQLite file in the
user's cache folder, safe among processes; it may be deleted at any time, and a damaged one is made
anew.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import zlib
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

VERSION = 1  # raised when what is kept changes its meaning


def folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "transformer-ablations"


class Cache:
    """A transaction: what is put is there for others when the `with` ends."""

    def __init__(self) -> None:
        self.path = folder() / f"collect-{VERSION}.sqlite"

    def __enter__(self) -> Cache:
        try:
            self._connect(self.path)
        except (sqlite3.Error, OSError):
            self._start_anew()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with contextlib.suppress(sqlite3.Error):
            self.connection.commit()
        self.connection.close()

    def get(self, key: str) -> tuple[str, Any] | None:
        """(stamp, value); None where nothing is kept, or what is kept is damaged."""
        sql = "SELECT stamp, body FROM kept WHERE key = ?"
        row = self._try(lambda: self.connection.execute(sql, (key,)).fetchone())
        # Compressed data carry a checksum, so that a damaged value does not pass for a result.
        with contextlib.suppress(zlib.error, ValueError, TypeError):
            return (row[0], json.loads(zlib.decompress(row[1]))) if row else None
        return None

    def put(self, key: str, stamp: str, value: Any) -> None:
        body = zlib.compress(json.dumps(value).encode(), 1)
        sql = "INSERT OR REPLACE INTO kept VALUES (?, ?, ?)"
        self._try(lambda: self.connection.execute(sql, (key, stamp, body)))

    def names(self, prefix: str) -> list[str]:
        """What follows the prefix in the keys that begin with it."""
        sql = "SELECT substr(key, ?) FROM kept WHERE substr(key, 1, ?) = ?"
        values = (len(prefix) + 1, len(prefix), prefix)
        rows = self._try(lambda: self.connection.execute(sql, values).fetchall())
        return [name for (name,) in rows or []]

    def _connect(self, path: Path | str) -> None:
        if isinstance(path, Path):
            path.parent.mkdir(parents=True, exist_ok=True)
        self.connection = sqlite3.connect(path, timeout=30)
        # A power failure may cost what was kept, which is then read again.
        self.connection.execute("PRAGMA synchronous = OFF")
        self.connection.execute(
            "CREATE TABLE IF NOT EXISTS kept (key TEXT PRIMARY KEY, stamp TEXT, body BLOB)"
        )

    def _try(self, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except sqlite3.Error:
            self._start_anew()
            return None

    def _start_anew(self) -> None:
        """A new file in the place of a damaged one; where none can be, for this time only."""
        try:
            self.path.unlink(missing_ok=True)
            self._connect(self.path)
        except (sqlite3.Error, OSError):
            self._connect(":memory:")
