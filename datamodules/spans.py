"""Span questions in BERT's input: sliding windows over long passages, answers from their scores.

    reader = SpanReader(sequence_length=384, stride=128, max_query_length=64, cls=101, sep=102)
    windows = reader.windows(question)                  # [CLS] question [SEP] part of passage [SEP]
    chosen = reader.answers([windows, ...], {"start": start, "end": end})
    span_scores([question, ...], chosen)                # exact match and F1

start and end are the scores [F, T] of all questions' windows, in order. As in the original
code: a window begins every `stride` passage tokens; a token's answer may begin only in the window
that shows most of its context; a window that does not hold the whole answer is trained to point at
[CLS].
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from datamodules.encoding import encode_pair
from datamodules.finetuning import Outputs, Row
from datamodules.squad_metrics import squad_scores


@dataclass(frozen=True)
class SpanQuestion:
    """A question on a passage, both as tokens.

    offsets: the characters [from, to) of each passage token in `text`, the passage as written.
    answers: the accepted answers; none when the passage holds no answer.
    start, end: the first accepted answer's passage tokens, both included; None without an answer.
    """

    question: Sequence[int]
    passage: Sequence[int]
    text: str
    offsets: Sequence[tuple[int, int]]
    answers: tuple[str, ...]
    start: int | None
    end: int | None


@dataclass(frozen=True)
class Window:
    """The passage tokens first..first + size - 1, which stand at `position` in the window's row.

    best: for each of them, whether no other window shows more of its context.
    """

    row: Row
    first: int
    size: int
    position: int
    best: NDArray[np.bool_]


@dataclass(frozen=True)
class Candidate:
    """A possible answer: its passage tokens, both included, and the sum of its two scores."""

    start: int
    end: int
    score: float


@dataclass(frozen=True)
class SpanReader:
    """How questions become windows and scores become answers.

    n_best: how many starts and ends of each window are combined.
    answers_may_lack: whether "" is answered where [CLS] scores higher than every answer.
    """

    sequence_length: int
    cls: int
    sep: int
    stride: int = 128
    max_query_length: int = 64
    max_answer_length: int = 30
    n_best: int = 20
    answers_may_lack: bool = False

    def windows(self, question: SpanQuestion) -> list[Window]:
        query = list(question.question[: self.max_query_length])
        room = self.sequence_length - len(query) - 3
        if room < 1:
            raise ValueError(
                f"sequence_length is {self.sequence_length}, which a question of {len(query)} "
                "tokens fills; expected room for a passage: type a larger data.sequence_length"
            )
        if self.stride < 1:
            raise ValueError(f"stride is {self.stride}; expected 1 or more passage tokens")
        spans = list(_sliding(len(question.passage), room, self.stride))
        context = np.stack([_context(span, len(question.passage)) for span in spans])
        best = context == context.max(axis=0)
        # Of equal windows the first counts.
        best &= np.cumsum(best, axis=0) == 1
        return [
            self._window(question, query, first, size, best[index, first : first + size])
            for index, (first, size) in enumerate(spans)
        ]

    def _window(
        self,
        question: SpanQuestion,
        query: list[int],
        first: int,
        size: int,
        best: NDArray[np.bool_],
    ) -> Window:
        tokens, segments = encode_pair(
            query,
            question.passage[first : first + size],
            length=self.sequence_length,
            cls=self.cls,
            sep=self.sep,
        )
        position = len(query) + 2
        start = end = 0
        if question.start is not None and question.end is not None:
            inside = first <= question.start and question.end < first + size
            if inside:
                start, end = (x - first + position for x in (question.start, question.end))
        row = Row(tokens=tokens, segments=segments, start=start, end=end)
        return Window(row, first, size, position, best)

    def best_in(
        self, window: Window, start: NDArray[np.floating], end: NDArray[np.floating]
    ) -> Candidate | None:
        """The highest of the answers that its n_best starts and ends make; scores are [T]."""
        inside = slice(window.position, window.position + window.size)
        firsts = _largest(np.where(window.best, start[inside], -np.inf), self.n_best)
        lasts = _largest(end[inside], self.n_best)
        length = lasts[None, :] - firsts[:, None] + 1
        sums = start[inside][firsts][:, None] + end[inside][lasts][None, :]
        sums = np.where((length >= 1) & (length <= self.max_answer_length), sums, -np.inf)
        if not np.isfinite(sums).any():
            return None
        # Both are in the passage's order: of equal sums the first in the passage is taken.
        i, j = np.unravel_index(sums.argmax(), sums.shape)
        return Candidate(
            window.first + int(firsts[i]), window.first + int(lasts[j]), float(sums[i, j])
        )

    def best(
        self,
        windows: Sequence[Window],
        start: NDArray[np.floating],
        end: NDArray[np.floating],
    ) -> Candidate | None:
        """The highest answer over a question's windows; None where no answer is given."""
        found = [self.best_in(*one) for one in zip(windows, start, end, strict=True)]
        best = max((c for c in found if c), key=lambda c: c.score, default=None)
        if best is None or not self.answers_may_lack:
            return best
        lacking = float((start[:, 0] + end[:, 0]).min())
        return None if lacking > best.score else best

    def answers(
        self, windows: Sequence[Sequence[Window]], outputs: Outputs
    ) -> list[Candidate | None]:
        """The best answer to each question, from its windows; outputs "start" and "end" are
        [all windows, T]."""
        total = sum(len(mine) for mine in windows)
        if total != len(outputs["start"]):
            raise ValueError(
                f"the scores are of {len(outputs['start'])} windows; expected {total}, those of "
                f"{len(windows)} questions"
            )
        chosen, row = [], 0
        for mine in windows:
            rows = slice(row, row + len(mine))
            chosen.append(self.best(mine, outputs["start"][rows], outputs["end"][rows]))
            row += len(mine)
        return chosen


def answer_texts(
    questions: Iterable[SpanQuestion], chosen: Iterable[Candidate | None]
) -> list[str]:
    """The answers as written in their passages, "" where there is none."""
    return [
        question.text[question.offsets[answer.start][0] : question.offsets[answer.end][1]]
        if answer
        else ""
        for question, answer in zip(questions, chosen, strict=True)
    ]


def span_scores(
    questions: Sequence[SpanQuestion], chosen: Sequence[Candidate | None]
) -> dict[str, float]:
    """exact_match and f1, which is the score; degenerate: 1 where all answers have one place."""
    scores = squad_scores(answer_texts(questions, chosen), [q.answers for q in questions])
    places = {(answer.start, answer.end) if answer else None for answer in chosen}
    return {"score": scores["f1"], **scores, "degenerate": float(len(places) == 1)}


def _sliding(length: int, room: int, stride: int) -> Iterator[tuple[int, int]]:
    """(first, size) of the windows over `length` tokens; the last one reaches the end."""
    first = 0
    while True:
        size = min(room, length - first)
        yield first, size
        if first + size >= length:
            return
        first += min(size, stride)


def _context(span: tuple[int, int], length: int) -> NDArray[np.float64]:
    """How much of a token's context a window shows, [length]: the smaller side, and a hundredth of
    the window's size; -inf outside the window."""
    first, size = span
    shown = np.full(length, -np.inf)
    offsets = np.arange(size)
    shown[first : first + size] = np.minimum(offsets, size - 1 - offsets) + 0.01 * size
    return shown


def _largest(scores: NDArray[np.floating], count: int) -> NDArray[np.intp]:
    """Indices of the `count` largest finite scores, in ascending order; of equal scores the first
    ones."""
    order = np.argsort(-scores, kind="stable")[:count]
    return np.sort(order[np.isfinite(scores[order])])
