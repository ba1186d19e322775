"""Byte language modelling: what is held out, what training reads, what each evaluation predicts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from datamodules import pinned_sources
from datamodules.byte_text import ByteText
from datamodules.contents import identity_of
from datamodules.text.byte_parts import byte_parts
from experiments.randomness import streams

FILES = {f"{number}.txt": bytes([number]) * 1100 for number in range(40)}


@pytest.fixture
def books(tmp_path):
    """A folder of forty files, each of which is one byte all over."""

    def write(files: dict[str, bytes] = FILES, name: str = "books"):
        (tmp_path / name).mkdir()
        for file, content in files.items():
            (tmp_path / name / file).write_bytes(content)
        return tmp_path

    return write


def text(data_dir, *, seed: int = 0, **settings) -> ByteText:
    small = {"corpus": "books", "length": 16, "held_out": 0.2, "evaluation_bytes": 2048}
    return ByteText(
        **{"data_dir": data_dir, "seed_for": streams(seed), "num_workers": 0, **small, **settings}
    )


def bytes_of(data: ByteText) -> list[set[int]]:
    parts = (data.text, data.validation_text, data.test_text)
    return [set(np.unique(part).tolist()) for part in parts]


# What is held out


def test_the_parts_share_no_file_and_depend_on_contents_alone(books):
    train, validation, test = bytes_of(text(books()))
    assert not train & validation
    assert not train & test
    assert not validation & test
    renamed = {f"{99 - number}.py": FILES[f"{number}.txt"] for number in range(40)}
    again = text(books(renamed, "other"), corpus="other", seed=7)
    assert bytes_of(again) == [train, validation, test]


def test_the_held_out_share_is_that_of_the_bytes(books):
    parts = byte_parts("books", held_out=0.2, data_dir=books())
    total = sum(len(part) for part in parts)
    assert total == 40 * 1100
    for part in (parts.validation, parts.test):
        assert 0.2 * total <= len(part) <= 0.2 * total + 1100


def test_a_long_file_is_cut_so_that_some_of_it_can_be_held_out(books):
    content = np.random.default_rng(0).bytes(2_000_000)
    parts = byte_parts("books", held_out=0.1, data_dir=books({"all.txt": content}))
    assert sum(len(part) for part in parts) == len(content)
    assert min(len(part) for part in parts) > 0
    assert all(part[:1000].tobytes() in content for part in parts)


# What training reads


def test_training_windows_are_of_length_n_and_from_the_training_part(books):
    data = text(books(), batch_size=5)
    tokens = data.batch(3)["tokens"]
    assert tokens.shape == (5, 17)
    assert tokens.dtype == torch.int64
    as_bytes = data.text.tobytes()
    assert all(bytes(row.tolist()) in as_bytes for row in tokens)


def test_a_batch_follows_from_seed_and_step_whatever_is_evaluated(books):
    folder = books()
    one, other = text(folder, evaluate_to=2.0), text(folder, evaluate_to=16.0)
    assert one.batch(3)["tokens"].equal(other.batch(3)["tokens"])
    assert not one.batch(3)["tokens"].equal(one.batch(4)["tokens"])
    assert not one.batch(3)["tokens"].equal(text(folder, seed=1).batch(3)["tokens"])


def test_a_context_is_extended_on_longer_windows(books):
    data = text(books(), train_multiple=4.0, evaluate_to=4.0)
    assert data.batch(0)["tokens"].shape[1] == 4 * 16 + 1
    assert data.lengths == {"x1": 16, "x2": 32, "x4": 64}


# What an evaluation predicts


@pytest.fixture
def numbered(books):
    """A datamodule whose test text is 0, 1, 2 ...: every byte can be told from all others."""
    data = text(books(), evaluate_to=16.0)
    data.test_text = np.arange(data.test_text.size).reshape(data.test_text.shape)
    return data


def all_windows(batches) -> torch.Tensor:
    return torch.cat([batch["tokens"] for batch in batches])


def predicted(data: ByteText) -> list[int]:
    """The evaluation's bytes, by its definition: each stretch behind its lead and one byte."""
    return sorted(data.test_text[:, data.lead + 1 :].ravel().tolist())


@pytest.mark.parametrize("length", [16, 32, 64, 128, 256])
def test_windows_that_follow_one_another_predict_every_byte_once(numbered, length):
    windows = all_windows(numbered.windows(length))
    assert windows.shape[1] == length + 1
    assert sorted(windows[:, 1:].flatten().tolist()) == predicted(numbered)
    assert len(predicted(numbered)) == 2048
    assert (windows.diff(dim=1) == 1).all()


@pytest.mark.parametrize("length", [16, 32, 64, 128, 256])
def test_sliding_windows_predict_the_same_bytes_with_three_quarters_before_them(numbered, length):
    windows = all_windows(numbered.sliding_windows(length))
    scored = windows[:, -(length // 4) :]
    assert sorted(scored.flatten().tolist()) == predicted(numbered)
    assert (windows.diff(dim=1) == 1).all()
    context = scored - windows[:, :1]  # how many bytes of its window lie before each
    assert context.min() >= 3 * length // 4
    assert context.max() == length


def test_every_evaluated_length_fits_one_bounded_forward_pass(numbered):
    for length in numbered.lengths.values():
        sizes = [batch["tokens"][:, 1:].numel() for batch in numbered.windows(length)]
        assert max(sizes) <= 8192


def test_the_model_has_positions_for_the_longest_length(books):
    folder = books()
    assert text(folder, evaluate_to=8.0).sequence_length == 128
    assert text(folder, evaluate_to=1.0, train_multiple=2.0).sequence_length == 32


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"length": 20}, "data.length=20 has no whole eighths .* such as 16"),
        ({"evaluation_bytes": 100_000}, "do not fit: type a smaller data.evaluation_bytes"),
        ({"corpus": "novels"}, "there is no .*novels"),
    ],
)
def test_what_cannot_be_evaluated_is_one_sentence(books, settings, message):
    with pytest.raises(ValueError, match=message):
        text(books(), **settings)


def test_too_little_text_is_one_sentence(books):
    with pytest.raises(ValueError, match="expected more text, of which some can be held out"):
        text(books({"a.txt": b"short"}))


# The pinned sources


def test_the_installed_sources_are_those_of_the_recorded_runs():
    sources = pinned_sources.pinned_sources()
    assert pinned_sources.sources_sha256(sources) == pinned_sources.SHA256
    assert sum(len(content) for _, content in sources) > 16_000_000


def test_another_package_is_refused_with_its_name_and_version(tmp_path, monkeypatch):
    package = tmp_path / "sympy_like"
    package.mkdir()
    (package / "__init__.py").write_text("x = 1\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(pinned_sources, "PACKAGE", "sympy_like")
    monkeypatch.setattr("importlib.metadata.version", lambda name: "1.99")
    with pytest.raises(ValueError, match=r"sympy_like 1\.14\.0 .* version 1\.99 is installed"):
        pinned_sources.pinned_sources()
    monkeypatch.setattr(pinned_sources, "PACKAGE", "sympy_that_is_not_there")
    with pytest.raises(ValueError, match=r"it is not installed .*pip install"):
        pinned_sources.pinned_sources()


def test_their_identity_is_the_recorded_digest(tmp_path, books):
    assert identity_of("sympy_sources", tmp_path) == f"sympy_sources/{pinned_sources.SHA256}"
    assert identity_of("books", books()) != pinned_sources.SHA256
