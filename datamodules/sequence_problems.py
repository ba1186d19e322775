"""Problems with sequences that have a length: copy, reverse, sort, addition, passkey; numpy only.

    copy       START a b c ASK a b c END
    reverse    START a b c ASK c b a END
    sort       START c a b ASK a b c END
    addition   START 3 2 1 PLUS 9 8 7 ASK 2 1 9 0 END             123 + 789 = 0912, units first
    passkey    START f g KEY 4 0 7 1 3 h f ASK 4 0 7 1 3 END      five digits somewhere in filler

The length is that of copy's, reverse's and sort's sequence, of addition's operands, and of all that
stands between passkey's START and ASK. Everything after ASK is the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Ints = NDArray[np.int64]

DIGITS = 10  # tokens 0 to 9
START, ASK, END, PADDING, PLUS, KEY = range(DIGITS, DIGITS + 6)
FIRST_SYMBOL = DIGITS + 6  # letters of a sequence, and passkey's filler
PASSKEY_DIGITS = 5  # as in Chen et al. 2023, section 3.4


class Task(NamedTuple):
    """write(generator, count, length, symbols) -> prompt [count, P] and answer [count, A], without
    START, ASK and END; shortest: the smallest length there is."""

    write: Callable[[Generator, int, int, int], tuple[Ints, Ints]]
    shortest: int = 1


def problems(task: str, generator: Generator, count: int, length: int, symbols: int) -> Ints:
    """[count, T]: problems of one length, START to END; their answers are the last
    `answer_length(task, length)` tokens."""
    return framed(*TASKS[task].write(generator, count, length, symbols))


def framed(prompt: Ints, answer: Ints) -> Ints:
    """Prompt [B, P] and answer [B, A] -> [B, P + A + 3], with START, ASK and END."""
    column = np.ones((len(prompt), 1), dtype=np.int64)
    return np.hstack([START * column, prompt, ASK * column, answer, END * column])


def answer_length(task: str, length: int) -> int:
    """How many tokens follow ASK, END among them."""
    return {"addition": length + 1, "passkey": PASSKEY_DIGITS}.get(task, length) + 1


def total_length(task: str, length: int) -> int:
    """From START to END."""
    prompt = 2 * length + 1 if task == "addition" else length
    return prompt + 2 + answer_length(task, length)


def passkeys(generator: Generator, depths: Ints, length: int, symbols: int) -> tuple[Ints, Ints]:
    """Filler with KEY and its digits at depths [B], counted in tokens from the prompt's start."""
    count = len(depths)
    keys = generator.integers(0, DIGITS, (count, PASSKEY_DIGITS))
    prompt = _letters(generator, count, length, symbols)
    columns = depths[:, None] + np.arange(PASSKEY_DIGITS + 1)
    marked = np.hstack([np.full((count, 1), KEY), keys])
    np.put_along_axis(prompt, columns, marked, axis=1)
    return prompt, keys


def _letters(generator: Generator, count: int, length: int, symbols: int) -> Ints:
    return generator.integers(FIRST_SYMBOL, FIRST_SYMBOL + symbols, (count, length))


def _copy(generator: Generator, count: int, length: int, symbols: int) -> tuple[Ints, Ints]:
    letters = _letters(generator, count, length, symbols)
    return letters, letters


def _reverse(generator: Generator, count: int, length: int, symbols: int) -> tuple[Ints, Ints]:
    letters = _letters(generator, count, length, symbols)
    return letters, letters[:, ::-1]


def _sort(generator: Generator, count: int, length: int, symbols: int) -> tuple[Ints, Ints]:
    letters = _letters(generator, count, length, symbols)
    return letters, np.sort(letters, axis=1)


def _addition(generator: Generator, count: int, length: int, symbols: int) -> tuple[Ints, Ints]:
    a, b = generator.integers(0, DIGITS, (2, count, length))
    total = np.zeros((count, length + 1), dtype=np.int64)
    for place in range(length):
        # Longer than an integer holds, so the carry is taken by hand.
        here = total[:, place] + a[:, place] + b[:, place]
        total[:, place], total[:, place + 1] = here % DIGITS, here // DIGITS
    return np.hstack([a, np.full((count, 1), PLUS), b]), total


def _passkey(generator: Generator, count: int, length: int, symbols: int) -> tuple[Ints, Ints]:
    depths = generator.integers(0, length - PASSKEY_DIGITS, count)
    return passkeys(generator, depths, length, symbols)


TASKS = {
    "copy": Task(_copy),
    "reverse": Task(_reverse),
    "sort": Task(_sort),
    "addition": Task(_addition),
    "passkey": Task(_passkey, shortest=PASSKEY_DIGITS + 1),
}
