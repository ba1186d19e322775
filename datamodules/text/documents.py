"""Documents from files: the one place that knows their formats.

.txt      documents separated by blank lines, one sentence or paragraph a line
.jsonl    {"text": ...} a line, paragraphs separated by newlines
.gz .bz2 .xz  after either: compressed
a folder  these files in the order of their names, subfolders included
a folder that `datasets` saved, or hub:<dataset>@<commit>: its column `text`, split `train`
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

from datamodules.contents import visible_files
from datamodules.hub import library, load
from datamodules.text.lines import COMPRESSED, numbered, open_binary
from datamodules.text.progress import Progress

FORMATS = (".txt", ".jsonl")


def documents(source: Path | str, progress: Progress) -> Iterator[str]:
    """The documents' texts in order, blank ones left out.

    source: a path, or hub:<dataset>@<commit>. ValueError, with file and line, for what is broken.
    """
    if isinstance(source, str):
        yield from _rows(load(source, split="train"), source, progress)
    elif _is_saved_dataset(source):
        yield from _rows(_from_disk(source), str(source), progress)
    else:
        files = corpus_files(source)
        progress.total = sum(file.stat().st_size for file in files)
        for file in files:
            for text in _read(file, progress.part(file.stat().st_size)):
                if text.strip():
                    yield text


def corpus_files(path: Path) -> list[Path]:
    """The readable files of a corpus; ValueError when there are none."""
    if path.is_file() and _format(path) is None:
        raise ValueError(f"{path} has no format that is known: expected {_expected()}")
    files = [path] if path.is_file() else [p for p in visible_files(path) if _format(p)]
    if not files:
        raise ValueError(f"there is no corpus in {path}: expected files named {_expected()}")
    return files


def _format(path: Path) -> str | None:
    name = path.name.removesuffix(path.suffix) if path.suffix in COMPRESSED else path.name
    return next((f for f in FORMATS if name.endswith(f)), None)


def _expected() -> str:
    return f"*{' or *'.join(FORMATS)}, plain or with {', '.join(COMPRESSED)}"


def _read(path: Path, at: Callable[[int], None]) -> Iterator[str]:
    """The documents of one file; at(bytes of it read so far) is called before each."""
    stream, raw = open_binary(path)
    with raw, stream:
        lines = numbered(stream, path)
        of_lines = _text_documents(lines) if _format(path) == ".txt" else _json(lines, path)
        for text in of_lines:
            at(raw.tell())
            yield text


def _text_documents(lines: Iterable[tuple[int, str]]) -> Iterator[str]:
    document: list[str] = []
    for _, line in lines:
        if line.strip():
            document.append(line)
        elif document:
            yield "".join(document)
            document = []
    yield "".join(document)


def _json(lines: Iterable[tuple[int, str]], path: Path) -> Iterator[str]:
    for number, line in lines:
        if not line.strip():
            continue
        try:
            text = json.loads(line)["text"]
            text.encode("utf-8")  # JSON can write half a surrogate pair, which is no text
        except (ValueError, KeyError, TypeError, AttributeError):
            text = None
        if not isinstance(text, str):
            shown = line[:60].rstrip() + ("..." if len(line) > 60 else "")
            raise ValueError(f'{path}, line {number}: expected {{"text": "..."}}, found {shown}')
        yield text


def _is_saved_dataset(path: Path) -> bool:
    return (path / "state.json").is_file() or (path / "dataset_dict.json").is_file()


def _from_disk(path: Path) -> Collection[dict[str, str]]:
    saved = library().load_from_disk(str(path))
    if not hasattr(saved, "keys"):
        return saved
    if "train" not in saved:
        raise ValueError(f"{path} has the splits {', '.join(saved)}; expected one named train")
    return saved["train"]


def _rows(rows: Collection[dict[str, str]], name: str, progress: Progress) -> Iterator[str]:
    progress.total = len(rows)
    for number, row in enumerate(rows):
        if not isinstance(row.get("text"), str):
            raise ValueError(
                f"{name}, row {number}: expected a column `text`, found {', '.join(row)}"
            )
        progress.at(number + 1)
        if row["text"].strip():
            yield row["text"]
