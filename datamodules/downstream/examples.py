"""The examples of a task of real text, and which of them are held out.

    splits = divide(train, test, group=lambda e: e.first, sizes=settings, source="glue/MRPC")
    splits.train, splits.validation, splits.test

Rates and the like are chosen on `validation`, a part of the official training set; `test` is the
official development set, whose labels are public. What belongs to which part follows from the texts
alone: no seed and no order of rows moves an example, a larger part contains a smaller one, and
examples of one group (equal texts, questions on one passage) are not in both train and validation.
Nothing heavy is imported: a run's budget is counted before torch is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from datamodules.contents import COMPRESSIONS

E = TypeVar("E")


class Splits(NamedTuple, Generic[E]):
    """The examples of each part, in the order of their texts' hashes."""

    train: list[E]
    validation: list[E]
    test: list[E]


def divide(
    train: Sequence[E],
    test: Sequence[E],
    *,
    group: Callable[[E], str],
    sizes: Mapping[str, Any],
    source: str,
) -> Splits[E]:
    """validation_size examples of `train`, and what completes the last one's group, are held out.

    sizes: train_size and test_size, None for all; validation_size. ValueError where there are too
    few, which names the `source`.
    """
    ranked = _by_hash(train, group)
    held_out = min(sizes["validation_size"], len(ranked))
    while 0 < held_out < len(ranked) and group(ranked[held_out - 1]) == group(ranked[held_out]):
        held_out += 1
    validation, rest = ranked[:held_out], ranked[held_out:]
    wanted = {"train_size": len(rest), "test_size": len(test)}
    for name, there in wanted.items():
        if there < max(1, sizes[name] or 1):
            raise ValueError(
                f"data.{name}={sizes[name]}, but {source} has {there} examples for it (and "
                f"{len(validation)} held out for validation): type data.{name}=null for all, or a "
                "smaller data.validation_size"
            )
    return Splits(
        rest[: sizes["train_size"]], validation, _by_hash(test, group)[: sizes["test_size"]]
    )


def _by_hash(examples: Sequence[E], group: Callable[[E], str]) -> list[E]:
    def key(example: E) -> bytes:
        return hashlib.blake2b(group(example).encode(), digest_size=16).digest()

    return sorted(examples, key=key)


def whole(path: Path, examples: Iterable[E]) -> list[E]:
    """All examples of a file; ValueError when it has none."""
    if read := list(examples):
        return read
    raise ValueError(f"{path}: expected examples, found none: is the file empty or cut off?")


def find_file(folder: Path, name: str) -> Path:
    """The file of a name in a folder, or the same compressed; ValueError when there is none."""
    for suffix in ("", *COMPRESSIONS):
        if (path := folder / (name + suffix)).is_file():
            return path
    raise ValueError(
        f"there is no {folder / name}, plain or with {', '.join(COMPRESSIONS)}: expected the "
        "official files, as docs/tasks.md lists them"
    )


def has_file(folder: Path, name: str) -> bool:
    return any((folder / (name + suffix)).is_file() for suffix in ("", *COMPRESSIONS))
