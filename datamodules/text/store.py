"""A tokenised corpus on the disk, read as memory maps: whole or not there.

    <folder>/tokens.bin  sentences.bin  documents.bin  hashes.bin    the arrays of `corpus.Corpus`
    <folder>/vocabulary.txt                                          one token a line
    <folder>/meta.json                                               every file's size and CRC-32

It is written in a temporary folder that is renamed at the end. Sizes and checksums are compared
when it is opened, so that a torn copy or a bad disk is noticed and not trained on.
"""

from __future__ import annotations

import json
import os
import shutil
import zlib
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datamodules.text.corpus import Corpus, Ints, document_hash, token_dtype

CHUNK = 1 << 24
META = "meta.json"


class Damaged(Exception):
    """A stored corpus that is not as it was written."""


@dataclass(frozen=True)
class StoredCorpus(Corpus):
    """A corpus whose arrays are memory maps; another process that is handed it opens them anew."""

    folder: Path

    def __reduce__(self) -> tuple[Any, ...]:
        return (open_corpus, (self.folder, False))


def open_corpus(folder: Path, check: bool = True) -> StoredCorpus:
    """The corpus in a folder; Damaged when a file is not as it was written."""
    try:
        meta = json.loads((folder / META).read_text(encoding="utf-8"))
        for name, (size, checksum) in meta["files"].items():
            if (folder / name).stat().st_size != size:
                raise Damaged(f"{folder / name} has another size than when it was written")
            if check and _checksum(folder / name) != checksum:
                raise Damaged(f"{folder / name} has another checksum than when it was written")
        vocabulary = (folder / "vocabulary.txt").read_text(encoding="utf-8").split("\n")[:-1]
        return StoredCorpus(
            tokens=_mapped(folder / "tokens.bin", np.dtype(meta["dtype"])),
            sentences=_mapped(folder / "sentences.bin", np.dtype(np.int64)),
            documents=_mapped(folder / "documents.bin", np.dtype(np.int64)),
            hashes=_mapped(folder / "hashes.bin", np.dtype(np.uint64)),
            vocabulary=vocabulary,
            folder=folder,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Damaged(f"{folder} cannot be read: {error}") from error


def _mapped(path: Path, dtype: np.dtype) -> NDArray:
    # A plain array over the map: indexing a np.memmap costs several times as much.
    if path.stat().st_size == 0:
        return np.empty(0, dtype)
    return np.asarray(np.memmap(path, dtype, mode="r"))


def _checksum(path: Path) -> int:
    checksum = 0
    with path.open("rb") as file:
        while block := file.read(CHUNK):
            checksum = zlib.crc32(block, checksum)
    return checksum


class CorpusWriter:
    """with CorpusWriter(folder, vocabulary) as writer: writer.add(tokens, sentence lengths)

    The folder appears, complete, when the block ends without an exception.
    """

    def __init__(self, folder: Path, vocabulary: list[str]) -> None:
        self.folder = folder
        # Hosts that share a folder may have processes of the same number.
        self.temporary = folder.with_name(f".{folder.name}.{os.getpid()}-{os.urandom(4).hex()}.tmp")
        self.vocabulary = vocabulary
        self.dtype = np.dtype(token_dtype(len(vocabulary)))
        self.num_tokens = self.num_sentences = 0

    def __enter__(self) -> CorpusWriter:
        self.temporary.mkdir(parents=True)
        self.files = {
            name: (self.temporary / f"{name}.bin").open("wb")
            for name in ("tokens", "sentences", "documents", "hashes")
        }
        for name in ("sentences", "documents"):
            self._write(name, np.zeros(1, np.int64))
        return self

    def add(self, tokens: NDArray, lengths: Ints) -> None:
        """A document: its tokens, and the number of each of its sentences; empty ones are left
        out."""
        lengths = lengths[lengths > 0]
        if not len(lengths):
            return
        tokens = tokens.astype(self.dtype)
        self._write("tokens", tokens)
        self._write("sentences", self.num_tokens + np.cumsum(lengths))
        self.num_tokens += len(tokens)
        self.num_sentences += len(lengths)
        self._write("documents", np.array([self.num_sentences], np.int64))
        self._write("hashes", np.array([document_hash(tokens)], np.uint64))

    def _write(self, name: str, values: NDArray) -> None:
        self.files[name].write(values.tobytes())

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for file in self.files.values():
            file.close()
        try:
            if error is None:
                self._finish()
        finally:
            shutil.rmtree(self.temporary, ignore_errors=True)

    def _finish(self) -> None:
        lines = "".join(f"{token}\n" for token in self.vocabulary)
        (self.temporary / "vocabulary.txt").write_bytes(lines.encode("utf-8"))
        files = {}
        for path in sorted(self.temporary.iterdir()):
            files[path.name] = (path.stat().st_size, _checksum(path))
            with path.open("rb") as file:
                os.fsync(file.fileno())
        meta = json.dumps({"dtype": self.dtype.name, "files": files}, indent=1)
        (self.temporary / META).write_text(meta, encoding="utf-8")
        try:
            self.temporary.rename(self.folder)
        except OSError:
            # Another process was faster: its corpus has the same key and is as good.
            if not self.folder.is_dir():
                raise
