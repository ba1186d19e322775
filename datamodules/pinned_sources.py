"""Text with the same bytes everywhere: the Python sources of a package that torch itself needs.

    pinned_sources()           [("__init__.py", b"..."), ...], 16.6 MB in 854 files
    IDENTITY                   what stands for them in a run's identity, known without reading them

SymPy is pure Python and its one wheel serves every machine, so a language model needs no download.
Its tests are left out: they are long lists of near-equal lines.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
from pathlib import Path

NAME = "sympy_sources"  # as data.corpus says it
PACKAGE, VERSION = "sympy", "1.14.0"
SHA256 = "a604e891d4bf4ffa8357f9ac767a8f1d82a3758724fc02012b4c984f5be14bde"
IDENTITY = f"{NAME}/{SHA256}"


def pinned_sources() -> list[tuple[str, bytes]]:
    """(relative name, bytes) of every source file outside a `tests` folder, sorted by name.

    Raises ValueError where the installed package is another one than the recorded runs read.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(_differs("it is not installed"))
    folder = Path(spec.submodule_search_locations[0])
    files = ((path.relative_to(folder), path) for path in folder.rglob("*.py"))
    sources = sorted(
        (name.as_posix(), path.read_bytes()) for name, path in files if "tests" not in name.parts
    )
    if sources_sha256(sources) != SHA256:
        raise ValueError(_differs(f"version {importlib.metadata.version(PACKAGE)} is installed"))
    return sources


def sources_sha256(sources: list[tuple[str, bytes]]) -> str:
    """Of the names and the SHA-256 of each file, in the order given."""
    digest = hashlib.sha256()
    for name, content in sources:
        digest.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return digest.hexdigest()


def _differs(found: str) -> str:
    return (
        f"data.corpus={NAME} reads the sources of {PACKAGE} {VERSION} as its wheel has them, and "
        f"{found} with other contents: type `pip install --force-reinstall {PACKAGE}=={VERSION}`, "
        "or name a text folder below paths.data with data.corpus=<folder>"
    )
