"""What a task's generator draws: texts, and what is asked of them."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from datamodules.microworld.lexicon import COLOURS, the


@dataclass(frozen=True)
class Text:
    """One text or a pair, and its class."""

    first: str
    second: str | None
    label: int


@dataclass(frozen=True)
class SpanText:
    """answer = the passage's words start..end, both included."""

    question: str
    passage: str
    start: int
    end: int


@dataclass(frozen=True)
class TaggedText:
    """One tag a word, in IOB2."""

    text: str
    tags: tuple[str, ...]


def joined(sentences: list[str]) -> str:
    """Sentences without their full stops as one text."""
    return " ".join(f"{sentence} ." for sentence in sentences)


def coloured(random: Random, thing: str) -> str:
    """The thing with its article and, by a coin, any colour."""
    if random.random() < 0.5:
        return the(thing)
    article, noun = the(thing).split()
    return f"{article} {random.choice(COLOURS)} {noun}"
