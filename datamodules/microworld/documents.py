"""The pre-training documents of microworld: synthetic stories as token ids.

    documents(seed=1, count=10_000)        # document -> sentences -> token ids; about 0.5 s

A smaller count gives the first documents of a larger one.
"""

from __future__ import annotations

from random import Random

from datamodules.microworld.lexicon import VOCABULARY, encode
from datamodules.microworld.stories import tell_story

__all__ = ["VOCABULARY", "documents"]

VERSION = 4  # raised by hand when the same seed gives other documents


def documents(seed: int, count: int) -> list[list[list[int]]]:
    """`count` documents: lists of sentences, each a list of ids into VOCABULARY."""
    if count < 0:
        raise ValueError(f"count is {count}; expected 0 or more documents")
    random = Random(f"microworld/documents/{seed}")
    return [[encode(sentence) for sentence in tell_story(random)] for _ in range(count)]
