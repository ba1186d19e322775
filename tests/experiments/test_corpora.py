"""A tokenised corpus carried to another machine: whole, checked, and as good as its text."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from datamodules.contents import identity_of
from datamodules.text import tokenised as module
from experiments import corpora
from experiments.compose import compose
from experiments.identity import run_id
from experiments.worker import build_run

WORDS = ["alder", "birch", "cedar", "dog", "elm", "fir", "gum", "hazel"]
RECIPE = [
    "experiment=bert_text_pretrain",
    "data.corpus=corpus/books.txt",
    "data.vocab_size=120",
    "data.batch_size=2",
    "data.sequence_length=32",
]


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """A machine with the text."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user-cache"))
    generator = np.random.default_rng(0)
    documents = [
        "\n".join(" ".join(generator.choice(WORDS, 6)).capitalize() + "." for _ in range(5))
        for _ in range(200)
    ]
    (tmp_path / "here/corpus").mkdir(parents=True)
    text = "\n\n".join(documents)
    (tmp_path / "here/corpus/books.txt").write_text(text, encoding="utf-8")
    return tmp_path / "here"


@pytest.fixture
def pieces(here, tmp_path, capsys) -> Path:
    options = f"--data {here} --corpus corpus/books.txt --vocab-size 120 --name books"
    to = tmp_path / "pieces"
    assert corpora.main(["pack", *options.split(), "--to", str(to), "--piece-mib", "0.004"]) == 0
    capsys.readouterr()
    return to


@pytest.fixture
def there(tmp_path) -> Path:
    """Another machine, without."""
    return tmp_path / "there"


def unpack(pieces: Path, data: Path) -> int:
    return corpora.main(["unpack", "--data", str(data), str(pieces)])


def planned(data: Path) -> dict:
    return compose([*RECIPE, f"paths.data={data}"])


def test_a_carried_corpus_is_planned_and_trained_as_the_text_is(here, pieces, there, monkeypatch):
    assert unpack(pieces, there) == 0
    assert not (there / "corpus").exists()
    monkeypatch.setattr(module, "_tokenise", None)  # nothing is tokenised there
    configs = [planned(data) for data in (here, there)]
    assert run_id(configs[0]) == run_id(configs[1])
    (_, one), (_, other) = map(build_run, configs)
    batch, same = one.batch(3), other.batch(3)
    assert batch.keys() == same.keys()
    assert all(torch.equal(batch[key], same[key]) for key in batch)


def test_no_piece_is_larger_than_asked(pieces):
    sizes = [path.stat().st_size for path in sorted(pieces.glob("books.tar.gz.*"))]
    assert len(sizes) > 2
    assert set(sizes[:-1]) == {4194}
    assert 0 < sizes[-1] <= 4194
    assert sum(sizes) == sum(p["bytes"] for p in json.loads(listing(pieces).read_bytes())["pieces"])


def listing(pieces: Path) -> Path:
    return pieces / "books.corpus.json"


def test_the_same_corpus_gives_the_same_bytes(here, pieces, tmp_path):
    again = {"vocab_size": 120, "lowercase": True, "data_dir": here, "piece_bytes": 4194}
    files = corpora.pack("corpus/books.txt", None, to=tmp_path / "b", name="books", **again)
    assert [p.read_bytes() for p in files] == [(pieces / p.name).read_bytes() for p in files]


@pytest.mark.parametrize(
    ("damage", "message"), [("gone", "is missing"), ("bit", "is damaged"), ("cut", "is damaged")]
)
def test_a_piece_that_is_not_as_it_was_is_named(pieces, there, capsys, damage, message):
    path = pieces / "books.tar.gz.002"
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.unlink()
    if damage != "gone":
        path.write_bytes(content if damage == "bit" else content[:100])
    assert unpack(pieces, there) == 2
    told = capsys.readouterr().err
    assert f"{path} {message}" in told
    assert told.count("\n") == 1
    assert not list(there.rglob("*.bin"))
    with pytest.raises(ValueError, match="there is no"):
        planned(there)


def test_a_packing_cut_off_is_not_taken_and_can_be_repeated(here, pieces, there, capsys):
    listing(pieces).unlink()
    (pieces / "books.tar.gz.002").unlink()
    (pieces / "books.tar.gz.099").write_bytes(b"of a longer one")
    assert unpack(pieces, there) == 2
    assert "holds no corpus" in capsys.readouterr().err
    settings = {"vocab_size": 120, "lowercase": True, "data_dir": here, "piece_bytes": 4194}
    corpora.pack("corpus/books.txt", None, to=pieces, name="books", **settings)
    assert not (pieces / "books.tar.gz.099").exists()
    assert unpack(pieces, there) == 0


def test_an_unpacking_cut_off_leaves_nothing_and_goes_on(pieces, there, monkeypatch):
    """As a kill would leave it: at the last step before, and the first one after, the rename."""

    def killed(*_):
        raise KeyboardInterrupt

    for name in ("open_corpus", "write_atomic"):
        with monkeypatch.context() as patch:
            patch.setattr(corpora, name, killed)
            with pytest.raises(KeyboardInterrupt):
                unpack(pieces, there)
        with pytest.raises(ValueError, match="there is no"):
            planned(there)
    assert unpack(pieces, there) == 0
    planned(there)


def test_text_that_is_there_too_must_be_the_same(here, pieces, there, capsys):
    (there / "corpus").mkdir(parents=True)
    book = there / "corpus/books.txt"
    shutil.copy(here / "corpus/books.txt", book)
    assert unpack(pieces, there) == 0
    digest = identity_of("corpus/books.txt", here)
    assert identity_of("corpus/books.txt", there) == digest
    book.write_text("Another text.", encoding="utf-8")
    with pytest.raises(ValueError, match="its contents differ"):
        identity_of("corpus/books.txt", there)
    assert unpack(pieces, there) == 2
    shutil.rmtree(there / ".cache")
    assert unpack(pieces, there) == 2
    assert "has other contents here than the packed corpus" in capsys.readouterr().err


def test_carried_tokens_that_break_are_kept_and_told(pieces, there):
    assert unpack(pieces, there) == 0
    (file,) = there.rglob("tokens.bin")
    file.write_bytes(b"")
    with pytest.raises(ValueError, match=r"carried to .* as tokens, but .* unpack again"):
        build_run(planned(there))
    assert unpack(pieces, there) == 0
    build_run(planned(there))


def test_a_listing_of_other_rules_is_refused(pieces, there, capsys):
    told = json.loads(listing(pieces).read_bytes())
    listing(pieces).write_text(json.dumps({**told, "rules": 0}), encoding="utf-8")
    assert unpack(pieces, there) == 2
    assert "tokenised by rules 0, here they are" in capsys.readouterr().err
