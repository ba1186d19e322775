"""What data is, by its contents: the same bytes give the same digest wherever they lie.

    contents_digest(Path("data/corpus"))              SHA-256 of a file, or of a folder's files
    identity_of("corpus/books.txt", Path("data"))     what a setting that names data stands for

Nothing heavy is imported: a run's identity is computed before torch or numpy are.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
from pathlib import Path
from urllib.parse import quote

from datamodules.pinned_sources import IDENTITY as SOURCES_IDENTITY
from datamodules.pinned_sources import NAME as SOURCES

GENERATED = "microworld"
HUB = re.compile(r"hub:(?P<name>[\w./-]+)(:(?P<config>[\w.-]+))?@(?P<commit>[0-9a-f]{40})")
COMPRESSIONS = (".gz", ".bz2", ".xz")
SMALL = 1 << 20  # files below this are hashed faster than their digest is looked up
RACY_SECONDS = 2.0  # a file touched this recently may change again within one tick of its clock


def contents_digest(path: Path) -> str:
    """64 hex digits. A file: of its bytes. A folder: of the sorted relative names and bytes of its
    files, hidden ones aside. Neither the path nor a file's own name matters.

    Large files are read once: their digest is remembered in the user's cache folder under their
    device, inode, size and times.
    """
    if path.is_file():
        return _file_digest(path)
    digest = hashlib.sha256()
    for file in visible_files(path):
        name = file.relative_to(path).as_posix()
        digest.update(f"{name}\0{_file_digest(file)}\n".encode())
    return digest.hexdigest()


def visible_files(folder: Path) -> list[Path]:
    """The files below a folder, sorted by relative name; what is hidden (.cache) is passed over."""
    files = (p for p in folder.rglob("*") if p.is_file())
    visible = (p for p in files if not any(n[0] == "." for n in p.relative_to(folder).parts))
    return sorted(visible, key=lambda p: p.relative_to(folder).as_posix())


def identity_of(value: str, data_dir: Path) -> str:
    """What stands for a setting that names data in a run's identity: the digest of the contents
    below data_dir, or the one recorded where only the tokens were carried here; the version of a
    generated corpus; the recorded digest of a package's sources; a hub data set's name and commit.
    """
    if value == SOURCES:
        return SOURCES_IDENTITY
    if value == GENERATED:
        from datamodules.microworld.documents import VERSION

        return f"{GENERATED}/{VERSION}"
    if value.startswith("hub:"):
        if not HUB.fullmatch(value):
            raise ValueError(
                f"{value} names no version: expected hub:<dataset>@<commit> or "
                "hub:<dataset>:<configuration>@<commit> with a commit of 40 hex digits, so that "
                "the run stays the same when the data set changes"
            )
        return value
    carried = _carried(value, data_dir)
    try:
        found = find(value, data_dir)
    except ValueError:
        if carried is None:
            raise
        return carried
    digest = contents_digest(found)
    if carried not in (None, digest):
        raise ValueError(
            f"{found} is not the text whose tokens were unpacked here: its contents differ from "
            f"what {carried_file(value, data_dir)} records; remove one of the two"
        )
    return digest


def carried_file(value: str, data_dir: Path) -> Path:
    """Stands for data that is here as tokens only (experiments/corpora.py): holds the digest."""
    return data_dir / ".cache" / "carried" / f"{quote(value, safe='')}.sha256"


def _carried(value: str, data_dir: Path) -> str | None:
    with contextlib.suppress(OSError):
        digest = carried_file(value, data_dir).read_text(encoding="utf-8").strip()
        if re.fullmatch("[0-9a-f]{64}", digest):
            return digest
    return None


def find(value: str, data_dir: Path) -> Path:
    """The file or folder that a setting names below data_dir, or the file compressed; ValueError
    when there is none."""
    path = data_dir / value
    for compressed in (path.with_name(path.name + suffix) for suffix in COMPRESSIONS):
        if not path.exists() and compressed.is_file():
            return compressed
    if not path.exists():
        raise ValueError(
            f"there is no {path}: expected a file or folder below paths.data={data_dir}; type "
            "paths.data=<folder> (make: DATA=<folder>) for where the data lies"
        )
    return path


def user_cache() -> Path:
    """The project's folder in the user's cache."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "transformer-ablations"


def _file_digest(path: Path) -> str:
    stat = path.stat()
    if stat.st_size < SMALL:
        return _hashed(path)
    key = hashlib.sha256(repr(_state(stat)).encode()).hexdigest()
    remembered = user_cache() / "digests" / key
    with contextlib.suppress(OSError):
        found = remembered.read_text(encoding="utf-8")
        if re.fullmatch("[0-9a-f]{64}", found):
            return found
    digest = _hashed(path)
    still = time.time() - max(stat.st_mtime, stat.st_ctime) > RACY_SECONDS
    if still and _state(path.stat()) == _state(stat):
        # Where nothing can be remembered, the file is only read again.
        with contextlib.suppress(OSError):
            remembered.parent.mkdir(parents=True, exist_ok=True)
            temporary = remembered.with_name(f".{key}.{os.getpid()}")
            temporary.write_text(digest, encoding="utf-8")
            temporary.replace(remembered)
    return digest


def _state(stat: os.stat_result) -> tuple[int, ...]:
    # The change time too: unlike the modification time, no tool can set it back.
    return (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


def _hashed(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
