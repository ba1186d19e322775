"""How an addition problem is written as tokens; numpy only.

    AdditionFormat(3, "reversed")       "123+456=9750"   separators, sum reversed
    AdditionFormat(3, "plain")          "123+456=0579"   separators
    AdditionFormat(3, "mingpt")         "1234569750"     no separators, sum reversed
    AdditionFormat(3, "mingpt_plain")   "1234560579"     no separators

A reversed sum has its least significant digit first. Operands and sum are zero padded to `digits`
and `digits + 1` digits. Token ids: a digit is itself, '+' is 10 and '=' is 11.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

PLUS, EQUALS = 10, 11
ALPHABET = "0123456789+="
MAX_DIGITS = 8  # 10^16 problems: their ids keep well within int64

# name -> (separators, reversed sum)
FORMATS = {
    "reversed": (True, True),
    "plain": (True, False),
    "mingpt": (False, True),
    "mingpt_plain": (False, False),
}


@dataclass(frozen=True)
class AdditionFormat:
    """The layout of problems with a given number of digits per operand."""

    digits: int
    name: str = "reversed"

    def __post_init__(self) -> None:
        if self.name not in FORMATS:
            raise ValueError(
                f"there is no addition format '{self.name}'; expected one of {', '.join(FORMATS)}"
            )
        if not 1 <= self.digits <= MAX_DIGITS:
            raise ValueError(
                f"digits is {self.digits}; expected 1 to {MAX_DIGITS} digits per operand"
            )

    @property
    def separators(self) -> bool:
        """Whether '+' and '=' are written."""
        return FORMATS[self.name][0]

    @property
    def reversed_sum(self) -> bool:
        """Whether the sum's least significant digit comes first."""
        return FORMATS[self.name][1]

    @property
    def vocab_size(self) -> int:
        return 12 if self.separators else 10

    @property
    def prompt_length(self) -> int:
        return 2 * self.digits + 2 * self.separators

    @property
    def answer_length(self) -> int:
        return self.digits + 1

    @property
    def sequence_length(self) -> int:
        return self.prompt_length + self.answer_length

    @property
    def operand_columns(self) -> tuple[slice, slice]:
        """Where the digits of a and of b stand."""
        second = self.digits + self.separators
        return slice(0, self.digits), slice(second, second + self.digits)

    @property
    def answer_columns(self) -> slice:
        return slice(self.prompt_length, self.sequence_length)

    def encode(self, a: ArrayLike, b: ArrayLike) -> NDArray[np.int64]:
        """Operands [B] and [B] -> tokens [B, sequence_length]."""
        a, b = np.atleast_1d(np.asarray(a, np.int64)), np.atleast_1d(np.asarray(b, np.int64))
        for operand in (a, b):
            if operand.size and not 0 <= operand.min() <= operand.max() < 10**self.digits:
                raise ValueError(
                    f"an operand lies outside 0..{10**self.digits - 1}, "
                    f"what {self.digits} digits can write"
                )
        tokens = np.empty((len(a), self.sequence_length), np.int64)
        first, second = self.operand_columns
        tokens[:, first] = _written(a, self.digits)
        tokens[:, second] = _written(b, self.digits)
        if self.separators:
            tokens[:, self.digits] = PLUS
            tokens[:, self.prompt_length - 1] = EQUALS
        answer = _written(a + b, self.answer_length)
        tokens[:, self.answer_columns] = answer[:, ::-1] if self.reversed_sum else answer
        return tokens

    def decode(self, tokens: ArrayLike) -> tuple[NDArray[np.int64], ...]:
        """Tokens [B, sequence_length] -> (a, b, the written sum, right or wrong), each [B]."""
        tokens = np.asarray(tokens, np.int64)
        if tokens.ndim != 2 or tokens.shape[1] != self.sequence_length:
            raise ValueError(
                f"tokens have shape {tokens.shape}; expected [problems, {self.sequence_length}] "
                f"in the format '{self.name}' with {self.digits} digits"
            )
        first, second = self.operand_columns
        answer = tokens[:, self.answer_columns]
        numbers = [tokens[:, first], tokens[:, second]]
        numbers.append(answer[:, ::-1] if self.reversed_sum else answer)
        separated = not self.separators or bool(
            (tokens[:, self.digits] == PLUS).all()
            and (tokens[:, self.prompt_length - 1] == EQUALS).all()
        )
        if not separated or any(((n < 0) | (n > 9)).any() for n in numbers):
            raise ValueError(
                f"tokens are not problems in the format '{self.name}' with {self.digits} digits; "
                f"expected them as in {self.text(self.encode([0], [0]))[0]!r}"
            )
        return tuple(n @ 10 ** np.arange(n.shape[1] - 1, -1, -1) for n in numbers)

    def text(self, tokens: ArrayLike) -> list[str]:
        """Tokens [B, T] as people read them, one string a row."""
        return ["".join(ALPHABET[token] for token in row) for row in np.asarray(tokens)]


def _written(numbers: NDArray[np.int64], width: int) -> NDArray[np.int64]:
    """Numbers [B] -> their digits [B, width], most significant first."""
    return numbers[:, None] // 10 ** np.arange(width - 1, -1, -1) % 10
