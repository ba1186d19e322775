"""Carry a tokenised corpus to another machine, in pieces, without its text.

    python -m experiments.corpora pack --data data --corpus corpus --vocab-size 16384 --to pieces
    python -m experiments.corpora unpack --data data pieces       on the other machine

<name>.corpus.json says what the corpus is (what identifies its text and vocabulary, the settings of
tokenisation) and holds the SHA-256 of each piece, <name>.tar.gz.001 and so on; `cat` puts the
archive together again. Unpacked, runs are planned and trained as if the text were there.
Exit code 0: done; 2: a mistake in the command, or a piece that is missing or damaged.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import sys
import tarfile
from pathlib import Path
from typing import Any, cast

from datamodules.contents import carried_file, find, identity_of
from datamodules.text.store import Damaged, open_corpus
from datamodules.text.tokenised import VERSION, cache_key, tokenised
from experiments.errors import UserError
from experiments.files import room_for, write_atomic

PIECE_BYTES = 50 * 2**20
SUFFIX = ".corpus.json"
SCHEMA = 1
FILE = re.compile(r"[a-z]+\.(bin|txt|json)")


class Pieces(io.RawIOBase):
    """Bytes written one after another into <stem>.001, <stem>.002 ... of at most `size` each."""

    def __init__(self, stem: Path, size: int) -> None:
        self.stem, self.size = stem, size
        self.written: list[dict[str, Any]] = []
        self.buffer = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.buffer += data
        while len(self.buffer) > self.size:
            self._piece(self.size)
        return len(data)

    def close(self) -> None:
        if not self.closed and self.buffer:
            self._piece(len(self.buffer))
        super().close()

    def _piece(self, size: int) -> None:
        content = bytes(self.buffer[:size])
        del self.buffer[:size]
        path = self.stem.with_name(f"{self.stem.name}.{len(self.written) + 1:03d}")
        write_atomic(path, content)
        digest = hashlib.sha256(content).hexdigest()
        self.written.append({"name": path.name, "bytes": size, "sha256": digest})


class Joined(io.RawIOBase):
    """The pieces, read as one file."""

    def __init__(self, paths: list[Path]) -> None:
        self.paths = list(paths)
        self.file: io.BufferedReader | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        while True:
            if self.file is None:
                if not self.paths:
                    return 0
                self.file = self.paths.pop(0).open("rb")
            if count := self.file.readinto(into):
                return int(count)
            self.file.close()
            self.file = None


def pack(
    corpus: str,
    vocabulary: str | None,
    *,
    vocab_size: int | None,
    lowercase: bool,
    data_dir: Path,
    to: Path,
    name: str,
    piece_bytes: int = PIECE_BYTES,
) -> list[Path]:
    """Write a corpus, tokenised now if it never was, into the folder `to`; returns the files.

    The file that names the pieces comes last: without it there is nothing to unpack.
    """
    if piece_bytes < 1024:
        raise UserError(f"pieces of {piece_bytes} bytes are too small: expected 1024 or more")
    listing = to / f"{name}{SUFFIX}"
    if listing.exists():
        raise UserError(f"{listing} is there already: remove it, or type --name <another name>")
    for left_over in to.glob(f"{name}.tar.gz.[0-9][0-9][0-9]"):  # by a packing that was cut off
        left_over.unlink()
    settings = {"vocab_size": vocab_size, "lowercase": lowercase}
    folder = tokenised(
        corpus, vocabulary, vocab_size=vocab_size, lowercase=lowercase, data_dir=data_dir
    ).folder
    pieces = Pieces(to / f"{name}.tar.gz", piece_bytes)
    with (
        pieces,
        gzip.GzipFile(fileobj=cast(Any, pieces), mode="wb", mtime=0, filename="") as zipped,
        tarfile.open(fileobj=zipped, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in sorted(folder.iterdir()):
            # No time, no owner: the same corpus gives the same bytes.
            entry = tarfile.TarInfo(path.name)
            entry.size = path.stat().st_size
            with path.open("rb") as file:
                tar.addfile(entry, file)
    named = {value: identity_of(value, data_dir) for value in (corpus, vocabulary) if value}
    told = {"schema": SCHEMA, "rules": VERSION, "corpus": corpus, "vocabulary": vocabulary}
    told |= {**settings, "identities": named, "pieces": pieces.written}
    write_atomic(listing, json.dumps(told, indent=1) + "\n")
    return [*(to / piece["name"] for piece in pieces.written), listing]


def unpack(listing: Path, data_dir: Path) -> Path:
    """Put a packed corpus into the cache below data_dir: checked, whole or not at all; its folder.

    What stands for the text comes last: a corpus cut off on the way is not planned with.
    """
    told = _read(listing)
    identities = told["identities"]
    for value, identity in identities.items():
        _check_agreement(value, identity, data_dir)
    names = [identities.get(told[key]) for key in ("corpus", "vocabulary")]
    key = cache_key(names, told["vocab_size"], told["lowercase"])
    folder = data_dir / ".cache" / "tokenised" / key
    paths = [_checked(listing.with_name(piece["name"]), piece) for piece in told["pieces"]]
    try:
        open_corpus(folder)
    except Damaged:
        _put_in_place(paths, folder)
    for value, identity in identities.items():
        write_atomic(carried_file(value, data_dir), identity + "\n")
    return folder


def _read(listing: Path) -> dict[str, Any]:
    try:
        told = json.loads(listing.read_text(encoding="utf-8"))
        schema, rules = told["schema"], told["rules"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{listing} cannot be read: expected what `experiments.corpora pack` wrote"
        ) from error
    if (schema, rules) != (SCHEMA, VERSION):
        raise UserError(
            f"{listing} is of format {schema} and tokenised by rules {rules}, here they are "
            f"{SCHEMA} and {VERSION}: pack it again with this version of the sources"
        )
    return told


def _check_agreement(value: str, identity: str, data_dir: Path) -> None:
    """Nothing that is known here by this name may be something else."""
    try:
        find(value, data_dir)
    except ValueError:
        if not carried_file(value, data_dir).exists():
            return
    here = identity_of(value, data_dir)
    if here != identity:
        raise UserError(
            f"{data_dir / value} has other contents here than the packed corpus: remove it, or "
            f"{carried_file(value, data_dir)} if it was unpacked, or unpack to another folder"
        )


def _checked(path: Path, piece: dict[str, Any]) -> Path:
    if not path.exists():
        raise UserError(f"{path} is missing: copy it beside the file that names it")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != piece["sha256"]:
        raise UserError(f"{path} is damaged, its SHA-256 differs: copy it again")
    return path


def _put_in_place(paths: list[Path], folder: Path) -> None:
    beside = folder.with_name(f".{folder.name}.{os.getpid()}-{os.urandom(4).hex()}.tmp")
    try:
        beside.mkdir(parents=True)
        with tarfile.open(fileobj=io.BufferedReader(Joined(paths)), mode="r|gz") as tar:
            for member in tar:
                if not (member.isreg() and FILE.fullmatch(member.name)):
                    raise UserError(f"{paths[0]} holds {member.name!r}, which is of no corpus")
                content = tar.extractfile(member)
                assert content is not None
                with room_for(folder), (beside / member.name).open("wb") as file:
                    shutil.copyfileobj(content, file)
                    file.flush()
                    os.fsync(file.fileno())
        open_corpus(beside)
        shutil.rmtree(folder, ignore_errors=True)  # what is there is damaged
        beside.rename(folder)
    except (Damaged, tarfile.TarError, EOFError) as error:
        raise UserError(f"{paths[0]} and the pieces after it hold no corpus: {error}") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m experiments.corpora",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = made.add_subparsers(dest="command", required=True, metavar="command")
    command = commands.add_parser("pack", help="write a corpus into pieces of limited size")
    add = command.add_argument
    add("--data", type=Path, default=Path("data"), help="where data sets are")
    add("--corpus", required=True, help="as in data.corpus=")
    add("--vocabulary", help="as in data.vocabulary=")
    add("--vocab-size", type=int, help="as in data.vocab_size=")
    add("--cased", action="store_true", help="as in data.lowercase=false")
    add("--to", type=Path, default=Path(), help="folder for the pieces")
    add("--name", default="corpus", help="what the pieces' names begin with")
    add("--piece-mib", type=float, default=PIECE_BYTES / 2**20, help="largest piece (default: 50)")
    command = commands.add_parser("unpack", help="check the pieces and put corpora in the cache")
    command.add_argument("--data", type=Path, default=Path("data"), help="where data sets are")
    command.add_argument("listings", nargs="+", type=Path, help=f"*{SUFFIX}, or folders of them")
    return made


def pack_command(options: argparse.Namespace) -> None:
    files = pack(
        options.corpus,
        options.vocabulary,
        vocab_size=options.vocab_size,
        lowercase=not options.cased,
        data_dir=options.data,
        to=options.to,
        name=options.name,
        piece_bytes=int(options.piece_mib * 2**20),
    )
    for path in files:
        print(f"{path}  {path.stat().st_size / 2**20:.1f} MiB")


def unpack_command(options: argparse.Namespace) -> None:
    for given in options.listings:
        listings = sorted(given.glob(f"*{SUFFIX}")) if given.is_dir() else [given]
        if not listings:
            raise UserError(f"{given} holds no corpus: expected files such as corpus{SUFFIX}")
        for listing in listings:
            print(f"{listing}: unpacked to {unpack(listing, options.data)}")


def main(arguments: list[str]) -> int:
    options = parser().parse_args(arguments)
    try:
        {"pack": pack_command, "unpack": unpack_command}[options.command](options)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
