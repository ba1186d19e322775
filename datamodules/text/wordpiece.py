"""WordPiece by the `tokenizers` library: BERT's normalisation, punctuation and longest match.

    wordpiece = WordPiece(read_vocabulary(path), lowercase=True)
    wordpiece.encode(["Embeddings work.", "No."])
    # tokens [7861 8270 4667 2015 2147 1012 2053 1012], and of each sentence how many: [6 2]
    vocabulary = train(counts, 8192, lowercase=True)

Text is encoded a blank-separated chunk at a time and each chunk once: normalisation and matching
never look across a blank, so this equals encoding whole sentences, several times faster. A special
token that is written in the text ("[SEP]") is punctuation and letters, never the token itself.
"""

from __future__ import annotations

import itertools
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from datamodules.text.corpus import SPECIAL_TOKENS, Ints
from datamodules.text.lines import open_binary
from datamodules.text.sequences import ranges

MOST_REMEMBERED = 1_000_000  # chunks, about 250 MB
MOST_COUNTED = 3_000_000  # different chunks, about 400 MB; beyond it the rarest are dropped
ALPHABET = 1000  # characters of a trained vocabulary
TRAINING_WORDS = 5_000_000  # counts are scaled down to this sum
LONGEST_WORD = 100  # characters; a longer one is [UNK], as in BERT's tokenizer


class WordPiece:
    """Sentences to token ids. lowercase: fold to lower case and strip accents first."""

    def __init__(self, vocabulary: list[str], *, lowercase: bool) -> None:
        ids = {token: number for number, token in enumerate(vocabulary)}
        self.tokenizer = _tokenizer(
            models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=LONGEST_WORD),
            lowercase,
        )
        self._forget()

    def _forget(self) -> None:
        # A chunk's number, and where its tokens lie: pieces[begin[number] : begin[number + 1]].
        self.numbers: dict[str, int] = {}
        self.pieces = array("I")
        self.begin = array("q", [0])

    def encode(self, sentences: Iterable[str]) -> tuple[NDArray[np.uint32], Ints]:
        """(the ids of all sentences in a row, the number of each), without [CLS] and [SEP]. Best
        given thousands of sentences at a time."""
        split = [sentence.split(" ") for sentence in sentences]
        chunks = list(itertools.chain.from_iterable(split))
        if len(self.numbers) > MOST_REMEMBERED:
            self._forget()
        missing = list(set(chunks).difference(self.numbers))
        for encoding in self.tokenizer.encode_batch_fast(missing, add_special_tokens=False):
            self.pieces.extend(encoding.ids)
            self.begin.append(len(self.pieces))
        first = len(self.numbers)
        self.numbers.update(zip(missing, range(first, first + len(missing)), strict=True))

        numbers = np.fromiter(map(self.numbers.__getitem__, chunks), np.int64, len(chunks))
        begin = np.frombuffer(self.begin, np.int64)
        sizes = begin[numbers + 1] - begin[numbers]
        tokens = np.frombuffer(self.pieces, np.uint32)[ranges(begin[numbers], sizes)]
        last = np.cumsum([len(sentence) for sentence in split], dtype=np.int64) - 1
        ends = np.cumsum(sizes)[last]
        return tokens, np.diff(ends, prepend=0)

    def encode_whole(self, texts: Sequence[str]) -> list[tuple[list[int], list[tuple[int, int]]]]:
        """For each text its ids, and for each of them the characters [from, to) that it stands
        for."""
        encodings = self.tokenizer.encode_batch(texts, add_special_tokens=False)
        return [(encoding.ids, encoding.offsets) for encoding in encodings]


def _tokenizer(model: models.Model, lowercase: bool) -> Tokenizer:
    tokenizer = Tokenizer(model)
    # As in BERT, accents go where capitals go.
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def read_vocabulary(path: Path) -> list[str]:
    """A vocabulary file, one token a line in the order of ids; may be compressed."""
    stream, raw = open_binary(path)
    with raw, stream:
        vocabulary = stream.read().decode("utf-8").removesuffix("\n").split("\n")
    vocabulary = [token.removesuffix("\r") for token in vocabulary]
    lacking = [token for token in SPECIAL_TOKENS if token not in vocabulary]
    twice = [token for token, n in Counter(vocabulary).items() if n > 1]
    if lacking or twice:
        wrong = f"lacks {', '.join(lacking)}" if lacking else f"has {twice[0]!r} twice"
        raise ValueError(
            f"{path} {wrong}: expected a WordPiece vocabulary, one token a line, with "
            f"{' '.join(SPECIAL_TOKENS)}"
        )
    return vocabulary


def count(sentences: Iterable[str], counts: Counter[str]) -> None:
    """Add the sentences' chunks to `counts`, for `train`."""
    for sentence in sentences:
        counts.update(sentence.split(" "))
    if len(counts) > MOST_COUNTED:
        rarest = min(counts.values())
        while len(counts) > MOST_COUNTED // 2:
            for chunk in [chunk for chunk, n in counts.items() if n <= rarest]:
                del counts[chunk]
            rarest += 1


def train(counts: Counter[str], vocab_size: int, *, lowercase: bool) -> list[str]:
    """A vocabulary of at most vocab_size tokens, the special ones first: equal for equal counts.

    The library's trainer alone gives another vocabulary each time: it numbers continuing characters
    in the order of a hash table, and breaks ties between merges by these numbers. So they are
    given to it in order, as tokens that it finds there.
    """
    bare = _tokenizer(models.WordPiece(unk_token="[UNK]"), lowercase)
    words: Counter[str] = Counter()
    for chunk, number in counts.items():
        for word, _ in bare.pre_tokenizer.pre_tokenize_str(bare.normalizer.normalize_str(chunk)):
            words[word] += number

    characters: Counter[str] = Counter()
    for word, number in words.items():
        for character in word:
            characters[character] += number
    ranked = sorted(characters, key=lambda c: (-characters[c], c))
    alphabet = sorted(ranked[:ALPHABET])
    continuing = {c for word in words for c in word[1:]}.intersection(alphabet)
    given = [*SPECIAL_TOKENS, *alphabet, *(f"##{c}" for c in sorted(continuing))]
    if vocab_size < len(given):
        raise ValueError(
            f"vocab_size={vocab_size} is too small for this corpus: its characters alone need "
            f"{len(given)} tokens; type data.vocab_size=8192"
        )
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        special_tokens=given,
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        show_progress=False,
    )
    scale = max(1, sum(words.values()) // TRAINING_WORDS)
    repeated = (" ".join([word] * (number // scale)) for word, number in words.items())
    bare.train_from_iterator(repeated, trainer)
    ids = bare.get_vocab()
    return sorted(ids, key=ids.__getitem__)
