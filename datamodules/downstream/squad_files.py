"""SQuAD 1.1 as questions on passages: the official JSON, or the rows of the hub's copy.

    splits({"source": "squad", "train_size": None, ...}, Path("data")).test     # [Question(...)]

The folder holds one file train-v1.1*.json and one dev-v1.1*.json.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from datamodules.contents import find, visible_files
from datamodules.downstream.examples import Splits, divide, whole
from datamodules.hub import load
from datamodules.text.lines import read_lines


class Question(NamedTuple):
    """answers: (text, the character of the passage where it begins); one or more."""

    id: str
    question: str
    passage: str
    answers: tuple[tuple[str, int], ...]


def splits(settings: Mapping[str, Any], data_dir: Path) -> Splits[Question]:
    """The questions of a `Squad` datamodule; those on one passage are not divided."""
    source = settings["source"]
    if source.startswith("hub:"):
        train, test = (list(_hub(source, split)) for split in ("train", "validation"))
    else:
        folder = find(source, data_dir)
        paths = [_only(folder, name) for name in ("train-v1.1", "dev-v1.1")]
        train, test = (whole(path, _file(path)) for path in paths)
    return divide(train, test, group=lambda q: q.passage, sizes=settings, source=source)


def _only(folder: Path, name: str) -> Path:
    found = [path for path in visible_files(folder) if path.name.startswith(name)]
    if len(found) != 1:
        raise ValueError(
            f"{folder} has {len(found)} files named {name}*: expected one, such as {name}.json, "
            "plain or compressed"
        )
    return found[0]


def _file(path: Path) -> Iterator[Question]:
    text = "\n".join(line for _, line in read_lines(path))
    try:
        articles = _field(json.loads(text), "data", list, str(path))
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{path}, line {error.lineno}, column {error.colno}: broken or cut off: {error.msg}"
        ) from None
    for number, article in enumerate(articles):
        where = f"{path}, article {number}"
        for paragraph in _field(article, "paragraphs", list, where):
            passage = _field(paragraph, "context", str, where)
            for asked in _field(paragraph, "qas", list, where):
                name = f"{where}, question {_field(asked, 'id', str, where)}"
                answers = [
                    (_field(a, "text", str, name), _field(a, "answer_start", int, name))
                    for a in _field(asked, "answers", list, name)
                ]
                question = _field(asked, "question", str, name)
                yield _checked(Question(asked["id"], question, passage, tuple(answers)), name)


def _hub(source: str, split: str) -> Iterator[Question]:
    for number, row in enumerate(load(source, split=split)):
        name = f"{source}, {split}, row {number}"
        told = _field(row, "answers", dict, name)
        texts, starts = (_field(told, key, list, name) for key in ("text", "answer_start"))
        question, passage = (_field(row, key, str, name) for key in ("question", "context"))
        answers = tuple(zip(texts, starts, strict=True))
        yield _checked(Question(str(row["id"]), question, passage, answers), name)


def _field(of: Any, name: str, kind: type, where: str) -> Any:
    value = of.get(name) if isinstance(of, dict) else None
    if not isinstance(value, kind):
        raise ValueError(
            f"{where}: expected {name!r} to be {kind.__name__}, found {str(value)[:40]!r}"
        )
    return value


def _checked(question: Question, name: str) -> Question:
    if not question.question.strip() or not question.passage.strip():
        raise ValueError(f"{name}: expected a question on a passage, found an empty text")
    if not question.answers:
        raise ValueError(
            f"{name}: expected an answer, found none: version 1.1 has no unanswerable questions"
        )
    for text, start in question.answers:
        # Python would count a negative start from the passage's end.
        if not text or start < 0 or question.passage[start : start + len(text)] != text:
            found = question.passage[max(0, start) : max(0, start) + len(text) + 10]
            raise ValueError(
                f"{name}: expected the answer {text[:40]!r} at character {start}, found {found!r}"
            )
    return question
