"""Run folders into archives of limited size: the same runs give the same bytes, wherever packed.

<name>-001-of-003.tar.gz holds whole runs, each with a MANIFEST.json of its files' SHA-256, and can
be unpacked without the others. A run too large for one part has an archive to itself, cut into
<name>-002-of-003.tar.gz.1-of-4 and so on; `cat` puts it together again.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

from experiments.errors import UserError
from experiments.files import write_atomic
from experiments.store import RunFolder

PART_BYTES = 15 * 2**20
MANIFEST = "MANIFEST.json"
MANIFEST_SCHEMA = 1
# A tar archive ends with two empty blocks; gzip members written one after another are one file.
END_OF_ARCHIVE = gzip.compress(bytes(1024), mtime=0)


def pack(
    folders: list[RunFolder],
    to: Path,
    *,
    name: str = "runs",
    part_bytes: int = PART_BYTES,
    weights: bool = False,
    checkpoints: bool = False,
) -> list[Path]:
    """Write the runs into parts of at most `part_bytes` in the folder `to`; returns the parts."""
    if part_bytes < 4096:
        raise UserError(f"parts of {part_bytes} bytes are too small: expected 4096 or more")
    if present := sorted(to.glob(f"{name}-*-of-*.tar.gz*")):
        raise UserError(
            f"{present[0]} is there already: remove it, or type another name, --name <name>"
        )
    archives: list[bytes] = []
    room = 0
    for folder in folders:
        blob = _compressed(folder, weights=weights, checkpoints=checkpoints)
        if len(blob) > room:
            archives.append(b"")
            room = part_bytes - len(END_OF_ARCHIVE)
        archives[-1] += blob
        # Nothing more goes into the archive of a run that is too large: room is below 0.
        room -= len(blob)
    parts = []
    for number, blobs in enumerate(archives, start=1):
        path = to / f"{name}-{number:03d}-of-{len(archives):03d}.tar.gz"
        parts += _write(path, blobs + END_OF_ARCHIVE, part_bytes)
    return parts


def _write(path: Path, data: bytes, part_bytes: int) -> list[Path]:
    chunks = [data[start : start + part_bytes] for start in range(0, len(data), part_bytes)]
    paths = [path]
    if len(chunks) > 1:
        paths = [Path(f"{path}.{n}-of-{len(chunks)}") for n in range(1, len(chunks) + 1)]
    for chunk_path, chunk in zip(paths, chunks, strict=True):
        write_atomic(chunk_path, chunk)
    return paths


def packed_files(folder: RunFolder, *, weights: bool, checkpoints: bool) -> list[str]:
    """The names of what a run takes along. Its lease and temporary files are this place's own."""
    left_behind = {"lease"}
    left_behind |= set() if weights else {"weights"}
    left_behind |= set() if checkpoints else {"checkpoint"}
    names = []
    for path in sorted(folder.path.rglob("*")):
        parts = path.relative_to(folder.path).parts
        hidden = any(part.startswith(".") for part in parts)
        if path.is_file() and not path.is_symlink() and not hidden and parts[0] not in left_behind:
            names.append("/".join(parts))
    return names


def _compressed(folder: RunFolder, *, weights: bool, checkpoints: bool) -> bytes:
    """One run as a gzip member of tar entries, without the end of an archive."""
    names = packed_files(folder, weights=weights, checkpoints=checkpoints)
    contents = {name: (folder.path / name).read_bytes() for name in names}
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    manifest = {"schema": MANIFEST_SCHEMA, "files": digests}
    entries = {MANIFEST: json.dumps(manifest, indent=1).encode(), **contents}
    buffer = io.BytesIO()
    prefix = f"{folder.path.parent.name}/{folder.path.name}"
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in entries.items():
            # No time, no owner: what a part holds is what was packed, and nothing else.
            entry = tarfile.TarInfo(f"{prefix}/{name}")
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
        end = tar.offset
    return gzip.compress(buffer.getvalue()[:end], mtime=0)
