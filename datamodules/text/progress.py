"""How far a long job is: a bar with the time left on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 15.0


class Progress:
    """with Progress("Tokenising books.txt") as progress: progress.total = n; progress.at(i)

    Written to standard error; a job that ends before the first line is due stays silent there.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self.total = 0
        self.parts = 0
        self.begun = self.told = time.monotonic()
        self.bar: tqdm | None = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.bar is not None:
            self.bar.close()

    def part(self, size: int) -> Callable[[int], None]:
        """`at` for the next part of the total, counted from the part's beginning."""
        begin = self.parts
        self.parts += size
        return lambda done: self.at(begin + done)

    def at(self, done: int) -> None:
        """`done` of `total` is done."""
        if sys.stderr.isatty():
            if self.bar is None:
                self.bar = tqdm(
                    desc=self.title, total=self.total, unit="B", unit_scale=True, file=sys.stderr
                )
            self.bar.update(done - self.bar.n)
            return
        now = time.monotonic()
        if now - self.told >= SECONDS_BETWEEN_LINES and done:
            self.told = now
            left = (now - self.begun) * (self.total - done) / done
            print(
                f"{self.title}: {done / self.total:.0%}, {left:.0f} s left",
                file=sys.stderr,
                flush=True,
            )
