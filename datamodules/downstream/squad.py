"""SQuAD 1.1 (Rajpurkar et al., arXiv 1606.05250): where in a passage is the answer to a question?

    data = Squad(data_dir=Path("data"), sequence_length=384, stride=128, parent_vocabulary=..., ...)
    data.score("test", outputs)    # {"score": 0.80, "f1": 0.80, "exact_match": 0.71, ...}

A passage longer than a sequence is seen in several windows (datamodules/spans.py), and each window
is one training example. docs/tasks.md tells the files that are expected.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal

from datamodules.base import SeedFor
from datamodules.downstream.examples import Splits
from datamodules.downstream.squad_files import Question, splits
from datamodules.downstream.text import TextTask, task_vocabulary
from datamodules.finetuning import Outputs, Row, Split
from datamodules.spans import SpanQuestion, SpanReader, Window, span_scores
from datamodules.text.wordpiece import WordPiece
from datamodules.vocabulary import Vocabulary


class Squad(TextTask):
    """Question answering, tested on the official development set.

    source: a folder below data_dir, or hub:<dataset>@<commit>. vocabulary, lowercase: see `Glue`.
    train_size, validation_size, test_size: questions; null: all. Whole passages are held out for
        validation.
    stride: passage tokens from one window to the next.
    """

    version = 1
    files: ClassVar = ("source", "vocabulary")
    examples: ClassVar = "datamodules.downstream.squad_files"
    limits: ClassVar = {
        "train_size": (1, 10_000_000),
        "validation_size": (1, 100_000),
        "test_size": (1, 10_000_000),
        "batch_size": (1, 100_000),
        "sequence_length": (16, 65536),
        "stride": (1, 65536),
        "max_query_length": (1, 65536),
        "max_answer_length": (1, 65536),
    }
    kind = "span"
    num_labels = 2

    def __init__(
        self,
        *,
        task: Literal["squad"] = "squad",
        source: str = "squad",
        vocabulary: str | None = None,
        lowercase: bool | None = None,
        train_size: int | None = None,
        validation_size: int = 300,
        test_size: int | None = None,
        batch_size: int = 32,
        sequence_length: int = 384,
        stride: int = 128,
        max_query_length: int = 64,
        max_answer_length: int = 30,
        parent_vocabulary: Vocabulary | None,
        data_dir: Path,
        seed_for: SeedFor,
        num_workers: int,
    ) -> None:
        super().__init__(
            written=task_vocabulary(vocabulary, lowercase, parent_vocabulary, data_dir),
            batch_size=batch_size,
            sequence_length=sequence_length,
            seed_for=seed_for,
            num_workers=num_workers,
        )
        self.reader = SpanReader(
            sequence_length=sequence_length,
            stride=stride,
            max_query_length=max_query_length,
            max_answer_length=max_answer_length,
            cls=self.cls,
            sep=self.sep,
        )
        sizes = {
            "train_size": train_size,
            "validation_size": validation_size,
            "test_size": test_size,
        }
        self.questions: Splits[Question] = splits({"source": source, **sizes}, data_dir)

    @cached_property
    def asked(self) -> dict[Split, list[SpanQuestion]]:
        """Each split's questions as tokens."""
        wordpiece = self.wordpiece()
        train, validation, test = (tokenised(part, wordpiece) for part in self.questions)
        self.check_known(train[0].passage)
        return {"train": train, "validation": validation, "test": test}

    @cached_property
    def windows(self) -> dict[Split, list[list[Window]]]:
        """The windows of each question."""
        return {
            split: [self.reader.windows(question) for question in questions]
            for split, questions in self.asked.items()
        }

    @cached_property
    def encoded(self) -> dict[Split, list[Row]]:
        return {
            split: [window.row for mine in windows for window in mine]
            for split, windows in self.windows.items()
        }

    def rows(self, split: Split) -> Sequence[Row]:
        return self.encoded[split]

    def facts(self) -> dict[str, float]:
        """windows_per_question: of the training set; an epoch of it takes so many times the steps
        that the questions alone would."""
        windows = self.windows["train"]
        return {"windows_per_question": sum(map(len, windows)) / len(windows)}

    def score(self, split: Split, outputs: Outputs) -> dict[str, float]:
        """f1, which is the score, and exact_match, by the official rules."""
        return span_scores(self.asked[split], self.reader.answers(self.windows[split], outputs))


def tokenised(questions: Sequence[Question], wordpiece: WordPiece) -> list[SpanQuestion]:
    """Questions as tokens; the first accepted answer's tokens are the fewest that hold it."""
    passages = list(dict.fromkeys(question.passage for question in questions))
    encoded = dict(zip(passages, wordpiece.encode_whole(passages), strict=True))
    asked = wordpiece.encode_whole([question.question for question in questions])
    made = []
    for question, (query, _) in zip(questions, asked, strict=True):
        passage, offsets = encoded[question.passage]
        text, begin = question.answers[0]
        inside = [
            index
            for index, (first, last) in enumerate(offsets)
            if first < begin + len(text) and last > begin
        ]
        made.append(
            SpanQuestion(
                question=query,
                passage=passage,
                text=question.passage,
                offsets=offsets,
                answers=tuple(answer for answer, _ in question.answers),
                start=inside[0] if inside else None,
                end=inside[-1] if inside else None,
            )
        )
    return made
