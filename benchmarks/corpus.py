"""Pre-training data: building an epoch of 100 M tokens, batches, and tokenising a real corpus.

    python -m benchmarks corpus
    python -m benchmarks corpus --data DIR --corpus wiki.jsonl.bz2 --vocabulary vocab.txt

Process seconds on one thread, which other work on the machine moves less than the clock.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from datamodules.pretraining import Pretraining
from datamodules.text.corpus import Corpus, offsets
from datamodules.text.full_sentences import full_sentences
from datamodules.text.pairs import segment_pairs
from experiments.randomness import streams

# name -> (documents, mean sentences a document): about 100 M tokens each
SHAPES = {"encyclopedia": (300_000, 15), "books": (1_000, 4_700)}
BATCHES = 500


def main(*, data: str | None, corpus: str | None, vocabulary: str | None) -> None:
    torch.set_num_threads(1)
    for name, (documents, sentences) in SHAPES.items():
        _epoch(name, documents, sentences)
    _batches("microworld", num_documents=2000, data_dir=Path())
    if data and corpus:
        with tempfile.TemporaryDirectory() as temporary:
            # A data folder whose cache is empty.
            folder = Path(temporary) / "data"
            folder.mkdir()
            for path in Path(data).resolve().iterdir():
                if not path.name.startswith("."):
                    (folder / path.name).symlink_to(path)
            size = None if vocabulary else 8192
            settings = {"corpus": corpus, "vocabulary": vocabulary, "vocab_size": size}
            began = time.process_time()
            made = Pretraining(**settings, data_dir=folder, seed_for=streams(0), num_workers=0)
            seconds = time.process_time() - began
            tokens = len(made.corpus.tokens)
            print(
                f"{corpus}: {tokens / 1e6:.1f} M tokens in {seconds:.0f} s, "
                f"{tokens / seconds / 1e3:.0f} k tokens/s"
            )
            for packing in ("segment_pairs", "full_sentences"):
                _batches(corpus, packing=packing, **settings, data_dir=folder)


def _epoch(name: str, documents: int, sentences: int) -> None:
    """Seconds to build an epoch of each packing; only lengths matter, so there are no tokens."""
    generator = np.random.default_rng(0)
    counts = generator.geometric(1 / sentences, documents)
    made = Corpus(
        tokens=np.empty(0, np.uint16),
        sentences=offsets(generator.integers(5, 38, counts.sum())),
        documents=offsets(counts),
        hashes=np.empty(0, np.uint64),
        vocabulary=[],
    )
    whole = np.arange(documents)
    began = time.process_time()
    pairs = segment_pairs(made, whole, np.random.default_rng(0), max_tokens=125)
    between = time.process_time()
    full = full_sentences(made, whole, np.random.default_rng(0), max_tokens=126)
    ended = time.process_time()
    print(
        f"{name}, {made.sentences[-1] / 1e6:.0f} M tokens in {documents:,} documents: "
        f"{len(pairs):,} pairs in {between - began:.1f} s, "
        f"{len(full):,} full sequences in {ended - between:.1f} s"
    )


def _batches(name: str, **settings) -> None:
    """Milliseconds a batch of 32 x 128."""
    made = Pretraining(**settings, seed_for=streams(0), num_workers=0)
    made.batch(0)
    began = time.process_time()
    for step in range(BATCHES):
        made.batch(step)
    milliseconds = 1000 * (time.process_time() - began) / BATCHES
    print(f"{name}, {made.packing}: {milliseconds:.2f} ms a batch")
