"""How token ids are text: what a model's weights mean nothing without.

A pre-training run writes its vocabulary into its weights, and what is fine-tuned from them reads
its task with it. Nothing heavy is imported.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Vocabulary(NamedTuple):
    """tokens: the text of each id; lowercase: whether text is folded to lower case first."""

    tokens: Sequence[str]
    lowercase: bool

    def metadata(self) -> dict[str, str]:
        """As a weights file's metadata, which are strings."""
        return {
            "vocabulary": json.dumps(list(self.tokens)),
            "lowercase": json.dumps(self.lowercase),
        }

    @classmethod
    def of(cls, metadata: Mapping[str, str] | None) -> Vocabulary | None:
        """From a weights file's metadata; None where it was written without."""
        if not metadata or "vocabulary" not in metadata:
            return None
        return cls(json.loads(metadata["vocabulary"]), json.loads(metadata["lowercase"]))

    def difference(self, other: Vocabulary) -> str:
        """How the other one differs, for a sentence; "" where it does not."""
        if self.lowercase != other.lowercase:
            return f"lowercase={str(other.lowercase).lower()}"
        if len(self.tokens) != len(other.tokens):
            return f"{len(other.tokens)} tokens and not {len(self.tokens)}"
        for number, (mine, theirs) in enumerate(zip(self.tokens, other.tokens, strict=True)):
            if mine != theirs:
                return f"{theirs!r} as token {number} and not {mine!r}"
        return ""
