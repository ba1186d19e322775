"""Lines of text files, plain or compressed, and what is said of a broken one.

for number, line in read_lines(Path("train.tsv.xz")): ...
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

COMPRESSED: dict[str, Callable[[Any], Any]] = {
    ".gz": lambda raw: gzip.GzipFile(fileobj=raw),
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
}


def open_binary(path: Path) -> tuple[IO[bytes], IO[bytes]]:
    """(the file, decompressed; the file as it lies on the disk)."""
    raw = path.open("rb")
    decompress = COMPRESSED.get(path.suffix)
    return (decompress(raw) if decompress else raw), raw


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The numbered lines of a file, from 1, without their ends and without a byte order mark."""
    stream, raw = open_binary(path)
    with raw, stream:
        for number, line in numbered(stream, path):
            line = line.removesuffix("\n").removesuffix("\r")
            yield number, line.removeprefix("\ufeff") if number == 1 else line


def numbered(stream: Iterable[bytes], path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines; ValueError for one that is not UTF-8 or where a compressed file breaks."""
    number = 0
    try:
        for line in stream:
            number += 1
            yield number, line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}, line {number}: expected UTF-8 text, found the byte "
            f"{error.object[error.start]:#04x}"
        ) from None
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ValueError(f"{path}, after line {number}: damaged or cut off: {error}") from error
