"""GLUE's nine tasks: their official files, or their rows in the hub's copy, as texts and labels.

    read("mrpc", "train", source="glue/MRPC", data_dir=Path("data"))     # [Pair(...), ...]

Files are tab-separated without any quoting: a quotation mark is a character like any other. Of the
official files, MRPC's may begin with a byte order mark, CoLA's have no header, and some rows of
QQP's are broken; those are passed over there, counted, and an error everywhere else.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from datamodules.contents import find
from datamodules.downstream.examples import Splits, divide, find_file, has_file, whole
from datamodules.hub import load
from datamodules.text.lines import read_lines

BINARY = ("0", "1")
ENTAILMENT = ("entailment", "not_entailment")
MOST_BROKEN = 0.001  # of QQP's rows; more is another file
HIGHEST_SIMILARITY = 5.0  # of STS-B


class Pair(NamedTuple):
    """One text or two, and the number of its class, or its similarity from 0 to 5."""

    first: str
    second: str | None
    label: int | float


@dataclass(frozen=True)
class GlueTask:
    """texts, label: columns of the files, of the hub's copy in `hub`. labels: the names of the
    classes in the order of their numbers; none for a similarity. header: the columns of files that
    lack that line. dev: the official development set's files; those after the first may be missing.
    """

    texts: tuple[str, ...]
    label: str
    labels: tuple[str, ...]
    hub: tuple[str, ...]
    header: tuple[str, ...] | None = None
    dev: tuple[str, ...] = ("dev",)
    hub_dev: tuple[str, ...] = ("validation",)
    may_be_broken: bool = False


SENTENCES = ("sentence1", "sentence2")
TASKS = {
    "cola": GlueTask(
        ("sentence",), "label", BINARY, ("sentence",), ("source", "label", "star", "sentence")
    ),
    "sst2": GlueTask(("sentence",), "label", BINARY, ("sentence",)),
    "mrpc": GlueTask(("#1 String", "#2 String"), "Quality", BINARY, SENTENCES),
    "qqp": GlueTask(
        ("question1", "question2"),
        "is_duplicate",
        BINARY,
        ("question1", "question2"),
        may_be_broken=True,
    ),
    "stsb": GlueTask(SENTENCES, "score", (), SENTENCES),
    "mnli": GlueTask(
        SENTENCES,
        "gold_label",
        ("entailment", "neutral", "contradiction"),
        ("premise", "hypothesis"),
        dev=("dev_matched", "dev_mismatched"),
        hub_dev=("validation_matched", "validation_mismatched"),
    ),
    "qnli": GlueTask(("question", "sentence"), "label", ENTAILMENT, ("question", "sentence")),
    "rte": GlueTask(SENTENCES, "label", ENTAILMENT, SENTENCES),
    "wnli": GlueTask(SENTENCES, "label", BINARY, SENTENCES),
}


def splits(settings: Mapping[str, Any], data_dir: Path) -> Splits[Pair]:
    """The examples of a `Glue` datamodule; settings["source"] is the task's own folder."""
    task = TASKS[settings["task"]]
    train = list(_read(task, settings, "train", "train", data_dir))
    test = list(_read(task, settings, task.dev[0], task.hub_dev[0], data_dir))
    return divide(train, test, group=text_of, sizes=settings, source=settings["source"])


def mismatched(settings: Mapping[str, Any], data_dir: Path) -> list[Pair]:
    """The second development set, of genres that training has not: MNLI's, where it is there."""
    task = TASKS[settings["task"]]
    source = settings["source"]
    names = list(zip(task.dev, task.hub_dev, strict=True))[1:]
    return [
        pair
        for name, split in names
        if source.startswith("hub:") or has_file(find(source, data_dir), f"{name}.tsv")
        for pair in _read(task, settings, name, split, data_dir)
    ]


def text_of(pair: Pair) -> str:
    return f"{pair.first}\t{pair.second or ''}"


def _read(
    task: GlueTask, settings: Mapping[str, Any], name: str, split: str, data_dir: Path
) -> Iterable[Pair]:
    source = settings["source"]
    if source.startswith("hub:"):
        return _hub(task, source, settings["task"], split)
    path = find_file(find(source, data_dir), f"{name}.tsv")
    return whole(path, _file(task, path))


def _file(task: GlueTask, path: Path) -> Iterator[Pair]:
    """The rows of a file; ValueError, with its line, for the first one that is broken."""
    lines = read_lines(path)
    header = task.header
    if header is None:
        number, first = next(lines, (1, ""))
        header = tuple(first.split("\t"))
        wanted = (*task.texts, task.label)
        if not set(wanted) <= set(header):
            raise ValueError(
                f"{path}, line {number}: expected a header with the columns {', '.join(wanted)}, "
                f"found {_shown(first)}"
            )
    places = [header.index(name) for name in (*task.texts, task.label)]
    read = broken = 0
    for number, line in lines:
        fields = line.split("\t")
        try:
            if len(fields) != len(header):
                raise ValueError(
                    f"expected {len(header)} columns with tabs between them, found {len(fields)}"
                )
            *texts, label = (fields[place] for place in places)
            pair = Pair(*_texts(texts), _label(task, label))
        except ValueError as error:
            broken += 1
            if not task.may_be_broken:
                raise ValueError(f"{path}, line {number}: {error}: {_shown(line)}") from None
            last = f"line {number}: {error}"
            continue
        read += 1
        yield pair
    if broken > MOST_BROKEN * read + 1:
        raise ValueError(f"{path}: {broken} of its rows are broken, the last one {last}")
    if broken:
        print(
            f"{path}: {broken} broken rows were passed over, the last one {last}", file=sys.stderr
        )


def _hub(task: GlueTask, source: str, configuration: str, split: str) -> Iterator[Pair]:
    for number, row in enumerate(load(source, split=split, configuration=configuration)):
        lacking = {*task.hub, "label"} - set(row)
        if lacking:
            raise ValueError(
                f"{source}, row {number}: expected the columns {', '.join(task.hub)} and label, "
                f"found {', '.join(row)}"
            )
        try:
            # The hub's copy numbers the classes in this order.
            label = row["label"]
            known = str(label) if not task.labels else dict(enumerate(task.labels)).get(label, "")
            yield Pair(*_texts([row[name] for name in task.hub]), _label(task, known))
        except ValueError as error:
            raise ValueError(f"{source}, {split}, row {number}: {error}") from None


def _texts(texts: Sequence[str | None]) -> tuple[str, str | None]:
    told = [text for text in texts if text and text.strip()]
    if len(told) < len(texts):
        raise ValueError("expected a text, found an empty one")
    return told[0], told[1] if len(told) > 1 else None


def _label(task: GlueTask, label: str) -> int | float:
    if task.labels:
        if label not in task.labels:
            raise ValueError(f"expected a label of {', '.join(task.labels)}, found {label!r}")
        return task.labels.index(label)
    try:
        value = float(label)
    except ValueError:
        value = float("nan")
    if not 0 <= value <= HIGHEST_SIMILARITY:
        raise ValueError(f"expected a similarity from 0 to 5, found {label!r}")
    return value


def _shown(line: str) -> str:
    return line[:60] + ("..." if len(line) > 60 else "")
