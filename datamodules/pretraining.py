"""Pre-training batches of BERT and its arms, from a generated or a real corpus.

    data = Pretraining(corpus="microworld", num_documents=2000, seed_for=..., data_dir=..., ...)
    data = Pretraining(corpus="corpus/simplewiki.jsonl.bz2", vocab_size=8192, ...)
    data.batch(0)["tokens"]        # [32, 128], masked already

What a batch holds follows from three independent choices: the text (corpus and vocabulary), how it
is packed into sequences, and what is predicted in them. Arms with equal packing and seed read the
same text in the same order, whatever they predict. docs/data.md tells the rules.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

import numpy as np
import torch
from numpy.random import Generator

from datamodules.base import Batch, SeedFor, StepDataModule
from datamodules.contents import GENERATED
from datamodules.text.corpus import Corpus, Ints, split
from datamodules.text.full_sentences import full_sentences
from datamodules.text.masking import Prediction, masked_tokens, neighbours
from datamodules.text.pairs import segment_pairs
from datamodules.text.sequences import Sequences, assemble

CORPUS_SEED = 1810  # belongs to the task: every run reads the same generated language
EVALUATION_SEED = 4805  # likewise: every run is evaluated on the same sequences and masks
EVALUATION_BATCH = 64
EPOCHS_IN_MEMORY = 2  # workers that prefetch stand on both sides of an epoch's end


class Epoch(NamedTuple):
    """One pass over some documents: its sequences, and the order in which they are read."""

    sequences: Sequences
    order: Ints


class Pretraining(StepDataModule):
    """Masked, left-to-right or right-to-left language modelling on segment pairs or on full
    sentences.

    corpus: "microworld", a file or folder below data_dir, or hub:<dataset>@<commit>.
    num_documents: of the generated corpus, which needs it; a real one is read whole.
    vocabulary: a WordPiece vocabulary file below data_dir; without one, a vocabulary of vocab_size
        is trained on the corpus. lowercase: whether the text is folded to lower case without
        accents first (BERT's uncased models).
    short_sequences, random_next: of segment pairs, see datamodules/text/pairs.py.
    mask_rate, mask_token_share, random_token_share: of the objective mlm, datamodules/text/masking.
    held_out: the share of documents each for validation and for test, chosen by content.
    validation_sequences: the most sequences that an evaluation reads.

    A batch: tokens, segments [B, T] int64; padding_mask [B, T] bool, True = real, absent when
    nothing is padded; predict [N] int64, flat indices into B * T; targets [N] int64; and of segment
    pairs next_sentence [B] int64, 0: B follows A, 1: B is random.
    """

    version = 1
    files: ClassVar = ("corpus", "vocabulary")
    limits: ClassVar = {
        "sequence_length": (8, 65536),
        "batch_size": (1, 1_000_000),
        "short_sequences": (0.0, 1.0),
        "random_next": (0.0, 1.0),
        "mask_rate": (0.001, 1.0),
        "mask_token_share": (0.0, 1.0),
        "random_token_share": (0.0, 1.0),
        "held_out": (0.0, 0.3),
        "validation_sequences": (1, 1_000_000),
    }

    def __init__(
        self,
        *,
        corpus: str = "microworld",
        num_documents: int | None = None,
        vocabulary: str | None = None,
        vocab_size: int | None = None,
        lowercase: bool = True,
        sequence_length: int = 128,
        batch_size: int = 32,
        packing: Literal["segment_pairs", "full_sentences"] = "segment_pairs",
        objective: Literal["mlm", "ltr", "rtl"] = "mlm",
        short_sequences: float = 0.1,
        random_next: float = 0.5,
        mask_rate: float = 0.15,
        mask_token_share: float = 0.8,
        random_token_share: float = 0.1,
        held_out: float = 0.01,
        validation_sequences: int = 512,
        data_dir: Path,
        seed_for: SeedFor,
        num_workers: int,
    ) -> None:
        super().__init__(seed_for=seed_for, num_workers=num_workers)
        if mask_token_share + random_token_share > 1:
            raise ValueError(
                f"mask_token_share={mask_token_share} and random_token_share={random_token_share} "
                "add up to more than 1; the rest of the predicted tokens is kept, as in 0.8 + 0.1"
            )
        self.sequence_length = sequence_length
        self.batch_size = batch_size
        self.packing = packing
        self.objective = objective
        self.short_sequences = short_sequences
        self.random_next = random_next
        self.mask_rate = mask_rate
        self.mask_token_share = mask_token_share
        self.random_token_share = random_token_share
        self.validation_sequences = validation_sequences
        self.corpus = _read(corpus, num_documents, vocabulary, vocab_size, lowercase, data_dir)
        self.vocabulary = self.corpus.vocabulary
        self.vocab_size = len(self.vocabulary)
        self.lowercase = lowercase
        self.mask_token = self.corpus.special("[MASK]")
        # Two, because a random segment comes from another document of the same part.
        self.parts = split(self.corpus, held_out, at_least=2)
        self._epochs: dict[int, Epoch] = {}
        # Each epoch of segment pairs has a few more or fewer sequences than the one before. Every
        # one is given the steps of the first, so that the epoch of a step is known at once: what
        # is over is left out, what lacks is read twice.
        self.steps_per_epoch = max(1, len(self._epoch(0).order) // batch_size)

    def batch(self, step: int) -> Batch:
        epoch, place = divmod(step, self.steps_per_epoch)
        sequences, order = self._epoch(epoch)
        rows = np.arange(place * self.batch_size, (place + 1) * self.batch_size)
        chosen = order.take(rows, mode="wrap")
        return self._batch(sequences, chosen, np.random.default_rng(self.seed_for("mask", step)))

    def validation_batches(self) -> list[Batch]:
        return self._evaluation(self.parts.validation)

    def test_batches(self) -> list[Batch]:
        return self._evaluation(self.parts.test)

    def _epoch(self, number: int) -> Epoch:
        if number not in self._epochs:
            generator = np.random.default_rng(self.seed_for("data", number))
            while len(self._epochs) >= EPOCHS_IN_MEMORY:
                del self._epochs[min(self._epochs)]
            self._epochs[number] = self._pass(self.parts.train, generator)
        return self._epochs[number]

    def _pass(self, documents: Ints, generator: Generator) -> Epoch:
        if self.packing == "segment_pairs":
            sequences = segment_pairs(
                self.corpus,
                documents,
                generator,
                max_tokens=self.sequence_length - 3,
                short=self.short_sequences,
                random_next=self.random_next,
            )
        else:
            sequences = full_sentences(
                self.corpus, documents, generator, max_tokens=self.sequence_length - 2
            )
        return Epoch(sequences, generator.permutation(len(sequences)))

    def _evaluation(self, documents: Ints) -> list[Batch]:
        generator = np.random.default_rng(EVALUATION_SEED)
        sequences, order = self._pass(documents, generator)
        order = order[: self.validation_sequences]
        starts = range(0, len(order), EVALUATION_BATCH)
        return [self._batch(sequences, order[i : i + EVALUATION_BATCH], generator) for i in starts]

    def _batch(self, sequences: Sequences, chosen: Ints, masks: Generator) -> Batch:
        rows = assemble(sequences, chosen, self.corpus, self.sequence_length)
        predicted: Prediction
        if self.objective == "mlm":
            predicted = masked_tokens(
                rows.tokens,
                rows.special,
                rows.lengths,
                masks,
                rate=self.mask_rate,
                mask_share=self.mask_token_share,
                random_share=self.random_token_share,
                mask_token=self.mask_token,
                vocab_size=self.vocab_size,
            )
        else:
            predicted = neighbours(rows.tokens, rows.lengths, 1 if self.objective == "ltr" else -1)
        batch = {
            "tokens": torch.from_numpy(predicted.tokens),
            "segments": torch.from_numpy(rows.segments),
            "predict": torch.from_numpy(predicted.predict),
            "targets": torch.from_numpy(predicted.targets),
        }
        if rows.lengths.min() < self.sequence_length:
            real = np.arange(self.sequence_length) < rows.lengths[:, None]
            batch["padding_mask"] = torch.from_numpy(real)
        if sequences.random_next is not None:
            batch["next_sentence"] = torch.from_numpy(
                sequences.random_next[chosen].astype(np.int64)
            )
        return batch


def _read(
    corpus: str,
    num_documents: int | None,
    vocabulary: str | None,
    vocab_size: int | None,
    lowercase: bool,
    data_dir: Path,
) -> Corpus:
    """The tokenised corpus; ValueError for settings that it would ignore."""
    if corpus != GENERATED:
        if num_documents is not None:
            raise ValueError(
                f"num_documents={num_documents} is for the generated corpus, and {corpus} is read "
                f"whole: type data=corpus data.corpus={corpus}, or data.num_documents=null"
            )
        from datamodules.text.tokenised import tokenised

        return tokenised(
            corpus, vocabulary, vocab_size=vocab_size, lowercase=lowercase, data_dir=data_dir
        )
    if vocabulary is not None or vocab_size is not None:
        raise ValueError(
            f"{GENERATED} has a vocabulary of its own: type data.vocabulary=null "
            "data.vocab_size=null"
        )
    if num_documents is None:
        raise ValueError(
            f"{GENERATED} is generated and needs a size: type data.num_documents=20000"
        )
    from datamodules.microworld.documents import VOCABULARY, documents

    return Corpus.of(documents(CORPUS_SEED, num_documents), VOCABULARY)
