"""CoNLL-2003's named entities as words and IOB2 tags: the official files, or the hub's copy.

    splits({"source": "conll2003", "test_part": "testa", ...}, Path("data")).test  # [Sentence(...)]

A line is a word, its part of speech, its chunk and its entity tag, with blanks between them; an
empty line ends a sentence, -DOCSTART- begins a document. The official files are tagged in IOB1: B-
stands only between two neighbouring entities of one type. Files in IOB2 are read as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from datamodules.contents import find
from datamodules.downstream.examples import Splits, divide, find_file, whole
from datamodules.hub import load
from datamodules.text.lines import read_lines

TYPES = ("LOC", "MISC", "ORG", "PER")
TAGS = ("O", *(f"{prefix}-{kind}" for kind in TYPES for prefix in "BI"))
COLUMNS = 4
DOCUMENT = "-DOCSTART-"
HUB_SPLITS = {"train": "train", "testa": "validation", "testb": "test"}


class Sentence(NamedTuple):
    """tags: one a word, IOB2."""

    words: tuple[str, ...]
    tags: tuple[str, ...]


def splits(settings: Mapping[str, Any], data_dir: Path) -> Splits[Sentence]:
    """The sentences of a `Conll` datamodule."""
    source = settings["source"]
    train, test = (list(_read(source, part, data_dir)) for part in ("train", settings["test_part"]))
    return divide(train, test, group=lambda s: " ".join(s.words), sizes=settings, source=source)


def _read(source: str, part: str, data_dir: Path) -> Iterable[Sentence]:
    if source.startswith("hub:"):
        return _hub(source, HUB_SPLITS[part])
    path = find_file(find(source, data_dir), f"eng.{part}")
    return whole(path, _file(path))


def _file(path: Path) -> Iterator[Sentence]:
    words: list[str] = []
    tags: list[str] = []
    for number, line in read_lines(path):
        fields = line.split()
        if fields and fields[0] != DOCUMENT:
            if len(fields) != COLUMNS or fields[-1] not in TAGS:
                raise ValueError(
                    f"{path}, line {number}: expected {COLUMNS} columns, the last one of "
                    f"{', '.join(TAGS)}, found {line[:60]}"
                )
            words.append(fields[0])
            tags.append(fields[-1])
        elif words:
            yield Sentence(tuple(words), iob2(tags))
            words, tags = [], []
    if words:
        yield Sentence(tuple(words), iob2(tags))


def _hub(source: str, split: str) -> Iterator[Sentence]:
    rows = load(source, split=split)
    try:
        names = rows.features["ner_tags"].feature.names
    except (AttributeError, KeyError):
        raise ValueError(
            f"{source}, {split}: expected the columns tokens and ner_tags, tags with names"
        ) from None
    for row in rows:
        if row["tokens"] and row["tokens"][0] != DOCUMENT:
            yield Sentence(tuple(row["tokens"]), iob2([names[tag] for tag in row["ner_tags"]]))


def iob2(tags: Sequence[str]) -> tuple[str, ...]:
    """Tags in IOB1 (or IOB2) as IOB2: the first word of every entity has B-.

    I-PER I-PER B-PER O -> B-PER I-PER B-PER O
    """
    found: list[str] = []
    for before, tag in zip(["O", *tags], tags, strict=False):
        begins = tag[:1] == "I" and before[1:] != tag[1:]
        found.append(f"B{tag[1:]}" if begins else tag)
    return tuple(found)
