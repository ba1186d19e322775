"""WordPiece against transformers' own tokenizer in pure Python, and its training."""

from __future__ import annotations

import lzma
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules.text import wordpiece as module
from datamodules.text.corpus import SPECIAL_TOKENS
from datamodules.text.wordpiece import WordPiece, count, read_vocabulary, train

OFFICIAL = Path(__file__).resolve().parents[3] / "shared/data/vocab/bert-base-uncased-vocab.txt.xz"
TEXT = [
    "The naïve Café-owner's déjà vu cost $3.50 (in 2010)!",
    "Unaffable embeddings, unaffable  embedding;\ttabs\u00a0and\u200bodd blanks.",
    "中文字符 mixed with ASCII, ελληνικά and Ünïcode…",
    "a" * 101 + " is too long, " + "a" * 100 + " is not",
    "a\x00b\x1cc\ufffdd [SEP] [MASK]ed ##ing",
]
SMALL = [
    *SPECIAL_TOKENS,
    *"abcdefghij.,!'-[]#é中",
    *(f"##{c}" for c in "abcdefghij"),
    *("ab", "abc", "bad", "##ab", "##cd", "##hij", "face", "Face", "CAB"),
]


def encode(tokenizer: WordPiece, *sentences: str) -> list[list[int]]:
    tokens, lengths = tokenizer.encode(sentences)
    assert lengths.sum() == len(tokens)
    ends = lengths.cumsum()
    return [tokens[end - n : end].tolist() for end, n in zip(ends, lengths, strict=True)]


def oracle(vocabulary: list[str], lowercase: bool, folder: Path):
    legacy = pytest.importorskip("transformers.models.bert.tokenization_bert_legacy")
    path = folder / "vocab.txt"
    path.write_text("\n".join(vocabulary), encoding="utf-8")
    tokenizer = legacy.BertTokenizerLegacy(str(path), do_lower_case=lowercase)

    def tokenize(text: str) -> list[int]:
        # Its added tokens would take "[SEP]" out of the text; its steps are asked one by one.
        words = tokenizer.basic_tokenizer.tokenize(text)
        pieces = [p for w in words for p in tokenizer.wordpiece_tokenizer.tokenize(w)]
        return tokenizer.convert_tokens_to_ids(pieces)

    return tokenize


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return {
        lowercase: oracle(SMALL, lowercase, tmp_path_factory.mktemp("small"))
        for lowercase in (True, False)
    }


@pytest.mark.parametrize("lowercase", [True, False])
def test_it_equals_transformers_tokenizer(small, lowercase):
    @settings(max_examples=200, deadline=None)
    @given(st.text(st.sampled_from("abcdefghijABCé Á.,!'-[]#中\t\u00a0"), max_size=40))
    def check(text):
        assert (
            encode(WordPiece(SMALL, lowercase=lowercase), text, text)
            == [small[lowercase](text)] * 2
        )

    check()


@pytest.mark.skipif(not OFFICIAL.exists(), reason="the official vocabulary is not at hand")
def test_it_equals_transformers_tokenizer_on_the_official_vocabulary(tmp_path):
    vocabulary = read_vocabulary(OFFICIAL)
    assert len(vocabulary) == 30522
    expected = [oracle(vocabulary, True, tmp_path)(text) for text in TEXT]
    tokenizer = WordPiece(vocabulary, lowercase=True)
    for _ in range(2):  # the second time from memory
        assert encode(tokenizer, *TEXT) == expected


def test_forgetting_changes_nothing(monkeypatch):
    expected = encode(WordPiece(SMALL, lowercase=True), *TEXT)
    monkeypatch.setattr(module, "MOST_REMEMBERED", 3)
    tokenizer = WordPiece(SMALL, lowercase=True)
    assert [encode(tokenizer, text)[0] for text in TEXT] == expected


def test_a_special_token_in_the_text_is_text():
    (ids,) = encode(WordPiece(SMALL, lowercase=False), "[MASK]")
    assert SMALL.index("[MASK]") not in ids


# Training


WORDS = Counter({"banana": 40, "bandana": 30, "cabana,": 20, "ananas": 20, "Ban": 9, "zebra": 1})


def test_training_gives_the_same_vocabulary_every_time():
    assert len({tuple(train(WORDS, 60, lowercase=True)) for _ in range(4)}) == 1


def test_a_trained_vocabulary_holds_special_tokens_characters_and_frequent_words():
    vocabulary = train(WORDS, 60, lowercase=True)
    assert vocabulary[:5] == list(SPECIAL_TOKENS)
    assert {*"abndcszer,", "banana", "##a"} <= set(vocabulary)
    assert "Ban" not in vocabulary
    assert "zebra" not in vocabulary, "it occurs once"
    assert len(set(vocabulary)) == len(vocabulary) <= 60
    assert "Ban" in train(WORDS, 60, lowercase=False)
    assert encode(WordPiece(vocabulary, lowercase=True), "BANANA,") == [
        [vocabulary.index("banana"), vocabulary.index(",")]
    ]


def test_counts_that_are_too_many_are_scaled_and_too_many_words_are_dropped(monkeypatch):
    monkeypatch.setattr(module, "TRAINING_WORDS", 60)
    assert "banana" in train(WORDS, 60, lowercase=True)
    monkeypatch.setattr(module, "MOST_COUNTED", 4)
    counts = Counter(WORDS)
    count(["banana banana"], counts)
    assert counts == Counter({"banana": 42, "bandana": 30})


def test_a_vocabulary_too_small_for_the_alphabet_is_a_mistake():
    with pytest.raises(
        ValueError, match=r"vocab_size=10 is too small .* type data.vocab_size=8192"
    ):
        train(WORDS, 10, lowercase=True)


# Vocabulary files


def test_a_vocabulary_file_may_be_compressed(tmp_path):
    path = tmp_path / "vocab.txt.xz"
    path.write_bytes(lzma.compress("\r\n".join(SMALL).encode()))
    assert read_vocabulary(path) == SMALL


@pytest.mark.parametrize(
    ("tokens", "message"),
    [(SMALL[1:], r"lacks \[PAD\]: expected a WordPiece"), ([*SMALL, "ab"], "has 'ab' twice")],
)
def test_a_vocabulary_that_is_none_is_a_mistake(tmp_path, tokens, message):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(tokens), encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read_vocabulary(path)
