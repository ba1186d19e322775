"""Archives of runs back into run folders: checked, one run at a time whole or not at all, and never
over a finished run."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import shutil
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from experiments.errors import UserError
from experiments.files import write_atomic
from experiments.packing import MANIFEST, MANIFEST_SCHEMA
from experiments.store import Busy, RunFolder

PART = re.compile(r"(?P<archive>.+\.tar\.gz)(\.(?P<number>\d+)-of-(?P<total>\d+))?")
MEMBER = re.compile(r"(?P<study>[A-Za-z0-9_-]+)/(?P<run>[0-9a-f]{16})/(?P<name>[^/].*)")


@dataclass(frozen=True)
class Outcome:
    """What became of a run: its text tells; not good means that something is missing now."""

    text: str
    good: bool = True

    def __str__(self) -> str:
        return self.text


def unpack(parts: list[Path], runs: Path) -> dict[str, Outcome]:
    """Put the runs of some parts, or of folders of parts, in place; what became of each.

    A part that is missing or cut off costs the runs in it, and the others are unpacked.
    """
    outcomes: dict[str, Outcome] = {}
    for archive, chunks in _archives(parts).items():
        if isinstance(chunks, str):
            outcomes[archive.name] = Outcome(chunks, good=False)
            continue
        found, damage = _read(archive, chunks)
        if damage:
            outcomes[archive.name] = Outcome(f"is damaged and cut off: {damage}", good=False)
        for run, files in found.items():
            outcomes[run] = _put_in_place(runs, run, files)
    return outcomes


def _archives(parts: list[Path]) -> dict[Path, list[Path] | str]:
    """The chunks of each archive in order, or what is missing of it."""
    found: dict[Path, dict[int, tuple[Path, int]]] = {}
    for given in parts:
        if not given.exists():
            raise UserError(f"{given} does not exist: expected an archive or a folder of them")
        paths = sorted(given.glob("*.tar.gz*")) if given.is_dir() else [given]
        if not paths:
            raise UserError(
                f"{given} holds no archives: expected files such as runs-001-of-001.tar.gz"
            )
        for path in paths:
            match = PART.fullmatch(path.name)
            if match is None:
                raise UserError(f"{path} is no archive of runs: expected a name with .tar.gz")
            number, total = int(match["number"] or 1), int(match["total"] or 1)
            found.setdefault(path.with_name(match["archive"]), {})[number] = path, total
    archives: dict[Path, list[Path] | str] = {}
    for archive, chunks in found.items():
        total = max(total for _, total in chunks.values())
        missing = [str(number) for number in range(1, total + 1) if number not in chunks]
        whole = [chunks[number][0] for number in sorted(chunks)]
        archives[archive] = (
            f"left out: {', '.join(missing)} of {total} is missing" if missing else whole
        )
    return archives


def _read(archive: Path, chunks: list[Path]) -> tuple[dict[str, dict[str, bytes]], str]:
    """The files of each run of an archive, and what stopped the reading, '' if nothing did.

    Every name is checked before anything is written: none may lead out of its run's folder.
    """
    found: dict[str, dict[str, bytes]] = {}
    data = io.BytesIO(b"".join(chunk.read_bytes() for chunk in chunks))
    try:
        with tarfile.open(fileobj=data, mode="r:gz") as tar:
            for member in tar:
                match = MEMBER.fullmatch(member.name)
                if match is None or not member.isreg() or {"..", ""} & set(member.name.split("/")):
                    raise UserError(
                        f"{archive} holds {member.name!r}, which is no file of a run: "
                        "expected what `python -m experiments.store pack` wrote"
                    )
                content = tar.extractfile(member)
                assert content is not None
                found.setdefault(f"{match['study']}/{match['run']}", {})[match["name"]] = (
                    content.read()
                )
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        return found, str(error)
    return found, ""


def _damage(files: dict[str, bytes]) -> str | None:
    """What is wrong with a run's files, by the manifest that came with them."""
    try:
        manifest = json.loads(files[MANIFEST])
        if manifest["schema"] != MANIFEST_SCHEMA:
            return f"packed in the way {manifest['schema']}, which is not known here"
        expected = manifest["files"]
    except (ValueError, KeyError, TypeError):
        return "it came without its manifest"
    present = {name: data for name, data in files.items() if name != MANIFEST}
    for name in sorted(expected.keys() | present.keys()):
        if name not in present:
            return f"{name} is missing"
        if hashlib.sha256(present[name]).hexdigest() != expected.get(name):
            return f"{name} differs from what was packed"
    return None


def _put_in_place(runs: Path, run: str, files: dict[str, bytes]) -> Outcome:
    """Write a run beside its place, then rename it into that, unless a better one is there."""
    if damage := _damage(files):
        return Outcome(f"left out: {damage}", good=False)
    here = RunFolder(runs / run)
    if here.is_done():
        return _kept(here, files)
    if here.spec_file.exists() and not _is_further(files, here):
        return Outcome("kept: unfinished here, and no further in the archive")
    beside = here.path.with_name(f".{here.path.name}.{os.getpid()}.unpacking")
    try:
        for name, data in files.items():
            if name != MANIFEST:
                write_atomic(beside / name, data)
        if here.path.exists():
            return _replace_unfinished(here, beside)
        beside.rename(here.path)
        return Outcome("unpacked")
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _replace_unfinished(here: RunFolder, beside: Path) -> Outcome:
    aside = beside.with_suffix(".replaced")
    try:
        with here.locked():
            here.path.rename(aside)
            beside.rename(here.path)
    except Busy:
        return Outcome("left out: it is being trained here", good=False)
    shutil.rmtree(aside, ignore_errors=True)
    return Outcome("unpacked in place of one less far")


def _is_further(files: dict[str, bytes], here: RunFolder) -> bool:
    """Whether an archive's run is to take the place of the unfinished one that is here."""
    if "DONE" in files:
        return True
    brings_checkpoint = any(name.startswith("checkpoint/") for name in files)
    if here.checkpoints.exists() and not brings_checkpoint:
        return False
    return _last_attempt(files) > here.last_attempt()


def _last_attempt(files: dict[str, bytes]) -> int:
    lines = files.get("attempts.jsonl", b"").splitlines()
    return max((json.loads(line)["attempt"] for line in lines if line.endswith(b"}")), default=0)


def _kept(here: RunFolder, files: dict[str, bytes]) -> Outcome:
    try:
        mine, theirs = here.result()["metrics"], json.loads(files["result.json"])["metrics"]
    except (OSError, ValueError, KeyError):
        return Outcome("kept: finished here, and not in the archive")
    same = "with the same metrics" if mine == theirs else "the archive's metrics differ"
    return Outcome(f"kept: finished here, {same}")
