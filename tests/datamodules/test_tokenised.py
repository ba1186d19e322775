"""The cache of tokenised corpora: once, whole, keyed by content; and training from files."""

from __future__ import annotations

import pickle
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from datamodules.pretraining import Pretraining
from datamodules.text import tokenised as module
from datamodules.text.corpus import SPECIAL_TOKENS
from datamodules.text.store import Damaged, open_corpus
from datamodules.text.tokenised import tokenised
from experiments.randomness import streams

VOCABULARY = [*SPECIAL_TOKENS, *"abc.", "cab", "##a", "##b", "##c"]
TEXT = "Cab. Abc cab.\nBa.\n\nCab cab. A b c.\n"


@pytest.fixture
def data_dir(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user-cache"))
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "books.txt").write_text(TEXT, encoding="utf-8")
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY), encoding="utf-8")
    return folder


@pytest.fixture
def runs(monkeypatch) -> list[str]:
    """The names of what is tokenised, in order."""
    names: list[str] = []
    tokenise = module._tokenise

    def counted(source, *rest):
        names.append(source.name)
        tokenise(source, *rest)

    monkeypatch.setattr(module, "_tokenise", counted)
    return names


def read(data_dir, corpus="books.txt", vocabulary="vocab.txt", lowercase=True, **settings):
    return tokenised(corpus, vocabulary, lowercase=lowercase, data_dir=data_dir, **settings)


def stored(data_dir) -> Path:
    (folder,) = (p for p in (data_dir / ".cache" / "tokenised").iterdir() if p.is_dir())
    return folder


def test_documents_become_sentences_of_tokens(data_dir):
    corpus = read(data_dir)
    words = [corpus.vocabulary[i] for i in corpus.tokens]
    sentences = [
        " ".join(words[i:j])
        for i, j in zip(corpus.sentences[:-1], corpus.sentences[1:], strict=True)
    ]
    assert sentences == ["cab .", "a ##b ##c cab .", "b ##a .", "cab cab .", "a b c ."]
    assert corpus.documents.tolist() == [0, 3, 5]
    assert corpus.tokens.dtype == np.uint16
    assert corpus.vocabulary == VOCABULARY


def test_a_corpus_is_tokenised_once(data_dir, runs):
    first = read(data_dir)
    assert (read(data_dir).tokens == first.tokens).all()
    assert runs == ["books.txt"]


def test_the_cache_goes_by_content_and_settings(data_dir, runs):
    read(data_dir)
    (data_dir / "books.txt").rename(data_dir / "novels.txt")
    read(data_dir, "novels.txt")
    assert runs == ["books.txt"], "a new name is not another corpus"
    read(data_dir, "novels.txt", lowercase=False)
    (data_dir / "novels.txt").write_text(TEXT.replace("Ba", "Bc"), encoding="utf-8")
    read(data_dir, "novels.txt")
    (data_dir / "vocab.txt").write_text("\n".join([*VOCABULARY, "d"]), encoding="utf-8")
    read(data_dir, "novels.txt")
    assert runs == ["books.txt"] + 3 * ["novels.txt"]


@pytest.mark.parametrize("file", ["tokens.bin", "sentences.bin", "vocabulary.txt", "meta.json"])
@pytest.mark.parametrize("damage", ["bit", "cut", "gone"])
def test_a_damaged_cache_is_noticed_and_rebuilt(data_dir, runs, capsys, file, damage):
    good = np.array(read(data_dir).tokens)
    path = stored(data_dir) / file
    content = bytearray(path.read_bytes())
    if damage == "bit":
        content[0] ^= 1
    path.write_bytes(content[: len(content) // 2] if damage == "cut" else content)
    if damage == "gone":
        path.unlink()
    with pytest.raises(Damaged, match=r"tokenised/\w+"):
        open_corpus(stored(data_dir))
    assert (read(data_dir).tokens == good).all()
    assert len(runs) == 2
    assert "tokenising again" in capsys.readouterr().err


def test_nothing_is_left_of_a_corpus_that_broke_on_the_way(data_dir):
    (data_dir / "books.jsonl").write_text('{"text": "Cab."}\n{"txt"', encoding="utf-8")
    with pytest.raises(ValueError, match=r"books\.jsonl, line 2"):
        read(data_dir, "books.jsonl")
    left = (data_dir / ".cache" / "tokenised").iterdir()
    assert all(path.suffix == ".lock" for path in left)


def test_two_at_once_tokenise_once(data_dir, runs):
    found: list = []
    threads = [threading.Thread(target=lambda: found.append(read(data_dir))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert all((corpus.tokens == found[0].tokens).all() for corpus in found)
    assert runs == ["books.txt"]


def test_data_that_cannot_be_written_to_is_cached_with_the_user(data_dir, runs, tmp_path):
    (data_dir / ".cache").write_text("in the way, whoever the user is", encoding="utf-8")
    read(data_dir)
    read(data_dir)
    assert runs == ["books.txt"]
    assert len(list((tmp_path / "user-cache").glob("*/tokenised/*/tokens.bin"))) == 1


def test_another_process_is_handed_the_path_and_not_the_tokens(data_dir):
    corpus = read(data_dir)
    again = pickle.loads(pickle.dumps(corpus))
    assert len(pickle.dumps(corpus)) < 1000
    assert (again.tokens == corpus.tokens).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"vocab_size": 100}, "either a vocabulary or the size of one to train"),
        ({"vocabulary": None}, "either a vocabulary or the size of one to train"),
        ({"corpus": "boks.txt"}, "there is no .*boks.txt"),
        ({"vocabulary": "books.txt"}, r"books.txt lacks \[PAD\]"),
        ({"corpus": "empty.txt"}, "holds no text"),
    ],
)
def test_a_mistake_is_one_clear_sentence(data_dir, settings, message):
    (data_dir / "empty.txt").write_text("\n \n", encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read(data_dir, **settings)


# Training from files


@pytest.fixture
def pretraining(data_dir):
    generator = np.random.default_rng(0)
    words = ["".join(generator.choice(list("abc"), generator.integers(1, 5))) for _ in range(40)]
    documents = [
        "\n".join(" ".join(generator.choice(words, 6)) + "." for _ in range(5)) for _ in range(30)
    ]
    (data_dir / "many.txt").write_text("\n\n".join(documents), encoding="utf-8")
    return partial(
        Pretraining,
        corpus="many.txt",
        sequence_length=32,
        batch_size=4,
        data_dir=data_dir,
        seed_for=streams(0),
        num_workers=0,
    )


def test_pretraining_reads_a_file_with_a_vocabulary_of_its_own_or_a_given_one(pretraining):
    trained, given = pretraining(vocab_size=40), pretraining(vocabulary="vocab.txt")
    assert trained.vocab_size == len(trained.vocabulary) <= 40
    assert given.vocabulary == VOCABULARY
    for data in (trained, given):
        assert data.batch(0)["tokens"].shape == (4, 32)
        assert data.batch(0)["tokens"].max() < data.vocab_size
        # The same documents, whatever the vocabulary.
        assert [len(part) for part in data.parts] == [26, 2, 2]


def test_workers_and_copies_read_a_file_alike(pretraining):
    data = pretraining(vocab_size=40)
    copy = pickle.loads(pickle.dumps(data))
    for step in (0, 3):
        expected = data.batch(step)
        assert all(torch.equal(value, expected[key]) for key, value in copy.batch(step).items())
