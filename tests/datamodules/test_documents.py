"""Documents from files of every format, and what is said of broken ones."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma

import pytest

from datamodules.text.documents import documents
from datamodules.text.progress import Progress

TEXTS = ["One.\nTwo, naïve.", "Three."]
JSONL = "".join(json.dumps({"text": text, "id": 1}) + "\n" for text in TEXTS)
COMPRESS = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}
# Without the time of day, which would stand in the name of a test.
CUT_OFF_GZIP = gzip.compress(b"a\n" * 9, mtime=0)[:-4]


def read(source) -> list[str]:
    return [text.strip() for text in documents(source, Progress("reading"))]


@pytest.mark.parametrize("suffix", COMPRESS)
def test_every_format_plain_and_compressed(tmp_path, suffix):
    txt, jsonl = tmp_path / f"corpus.txt{suffix}", tmp_path / f"corpus.jsonl{suffix}"
    txt.write_bytes(COMPRESS[suffix]("\n\n \n".join(TEXTS).encode()))
    jsonl.write_bytes(COMPRESS[suffix](JSONL.encode()))
    assert read(txt) == read(jsonl) == TEXTS


def test_a_folder_in_the_order_of_its_names(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "c.txt").write_text("third", encoding="utf-8")
    (tmp_path / "a.jsonl").write_text('{"text": "first"}\n\n{"text": " "}\n', encoding="utf-8")
    (tmp_path / "b" / "x.txt.gz").write_bytes(gzip.compress(b"second", mtime=0))
    (tmp_path / "README.md").write_text("not a document", encoding="utf-8")
    (tmp_path / ".hidden.txt").write_text("not a document", encoding="utf-8")
    assert read(tmp_path) == ["first", "second", "third"]


def test_progress_ends_at_the_files_sizes(tmp_path):
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("One.\n\nTwo.\n", encoding="utf-8")
    progress, told = Progress("reading"), []
    progress.at = told.append
    list(documents(tmp_path, progress))
    assert progress.total == told[-1] == 22
    assert told == sorted(told)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("c.jsonl", b'{"text": "a"}\n{"text": \n', r'c.jsonl, line 2: expected {"text": "..."}, f'),
        ("c.jsonl", b'{"title": "a"}\n', r'line 1: .* found {"title": "a"}'),
        ("c.jsonl", b'\n\n["text"]\n', "line 3: "),
        ("c.jsonl", b'{"text": null}\n', "line 1: "),
        ("c.jsonl", b'{"text": "\\ud800"}\n', "line 1: "),
        ("c.txt", b"fine\n\nna\xefve\n", "c.txt, line 3: expected UTF-8 text, found the byte 0xef"),
        ("c.txt.bz2", bz2.compress(b"a\n" * 9)[:-4], "c.txt.bz2, after line .*damaged or cut off"),
        ("c.txt.gz", CUT_OFF_GZIP, "c.txt.gz, after line .*damaged or cut off"),
        ("c.txt.xz", b"not xz", "c.txt.xz, after line 0: damaged or cut off"),
        ("c.doc", b"text", r"has no format that is known: expected \*.txt or \*.jsonl"),
    ],
)
def test_a_broken_corpus_is_one_clear_sentence(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read(path)


def test_a_folder_without_a_corpus_says_what_it_lacks(tmp_path):
    (tmp_path / "README.md").write_text("nothing", encoding="utf-8")
    with pytest.raises(ValueError, match=r"expected files named \*.txt or \*.jsonl"):
        read(tmp_path)


def test_folders_that_the_datasets_library_saved(tmp_path):
    datasets = pytest.importorskip("datasets")
    rows = datasets.Dataset.from_dict({"text": [*TEXTS, " "]})
    rows.save_to_disk(tmp_path / "one")
    datasets.DatasetDict({"train": rows, "test": rows}).save_to_disk(tmp_path / "split")
    assert read(tmp_path / "one") == read(tmp_path / "split") == TEXTS
    datasets.DatasetDict({"test": rows}).save_to_disk(tmp_path / "no-train")
    with pytest.raises(ValueError, match="has the splits test; expected one named train"):
        read(tmp_path / "no-train")
    rows.rename_column("text", "body").save_to_disk(tmp_path / "other")
    with pytest.raises(ValueError, match="row 0: expected a column `text`, found body"):
        read(tmp_path / "other")


def test_a_hub_data_set_is_read_at_its_commit(monkeypatch):
    datasets = pytest.importorskip("datasets")
    asked = []

    def load_dataset(*args, **settings):
        asked.append((args, settings))
        return [{"text": text} for text in TEXTS]

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    commit = "0123456789" * 4
    assert read(f"hub:org/wiki:en@{commit}") == TEXTS
    assert asked == [(("org/wiki", "en"), {"split": "train", "revision": commit})]
