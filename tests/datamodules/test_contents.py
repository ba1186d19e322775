"""Data is what it contains: digests, what stands for a setting in a run's identity."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from datamodules import contents
from datamodules.contents import contents_digest, identity_of
from datamodules.microworld import documents


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user-cache"))


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_is_its_bytes_and_not_its_name(tmp_path):
    one = write(tmp_path / "a" / "books.txt", "some text")
    other = write(tmp_path / "b" / "novels.txt", "some text")
    assert contents_digest(one) == contents_digest(other)
    assert contents_digest(one) == hashlib.sha256(b"some text").hexdigest()


def test_a_folder_is_its_files_with_their_relative_names(tmp_path):
    def folder(name: str, **files: str) -> str:
        for file, text in files.items():
            write(tmp_path / name / file, text)
        return contents_digest(tmp_path / name)

    first = folder("one", a="1", b="2")
    assert folder("elsewhere", b="2", a="1") == first
    assert folder("changed", a="1", b="3") != first
    assert folder("renamed", a="1", c="2") != first
    assert folder("swapped", a="2", b="1") != first
    assert folder("one", **{".cache/tokens": "9", ".DS_Store": "8"}) == first


def test_a_large_file_is_read_once_until_it_changes(tmp_path, monkeypatch):
    large = tmp_path / "large.txt"
    large.write_bytes(b"x" * (contents.SMALL + 1))
    past = time.time() - 3600
    os.utime(large, (past, past))
    monkeypatch.setattr(contents, "RACY_SECONDS", -1.0)
    read = []
    hashed = contents._hashed
    monkeypatch.setattr(contents, "_hashed", lambda path: read.append(path) or hashed(path))
    first = contents_digest(large)
    assert contents_digest(large) == first
    assert len(read) == 1
    # The same size, and the modification time set back: the change time gives it away.
    large.write_bytes(b"y" * (contents.SMALL + 1))
    os.utime(large, (past, past))
    assert contents_digest(large) == hashlib.sha256(large.read_bytes()).hexdigest() != first


def test_a_file_that_changed_a_moment_ago_is_not_remembered(tmp_path):
    large = tmp_path / "large.txt"
    large.write_bytes(b"x" * (contents.SMALL + 1))
    contents_digest(large)
    assert not (tmp_path / "user-cache").exists()


def test_what_stands_for_a_setting(tmp_path):
    write(tmp_path / "books.txt", "some text")
    assert identity_of("books.txt", tmp_path) == hashlib.sha256(b"some text").hexdigest()
    assert identity_of("microworld", tmp_path) == f"microworld/{documents.VERSION}"
    pinned = "hub:wikitext:wikitext-2-raw-v1@" + "0123456789" * 4
    assert identity_of(pinned, tmp_path) == pinned


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("hub:wikitext", "hub:wikitext names no version: expected hub:<dataset>@<commit>"),
        ("hub:wikitext@main", "names no version"),
        ("boks.txt", "there is no .*boks.txt: expected a file or folder below paths.data="),
    ],
)
def test_what_names_nothing_is_one_clear_sentence(tmp_path, setting, message):
    with pytest.raises(ValueError, match=message):
        identity_of(setting, tmp_path)


def test_another_version_of_the_generated_language_is_another_corpus(tmp_path, monkeypatch):
    before = identity_of("microworld", tmp_path)
    monkeypatch.setattr(documents, "VERSION", documents.VERSION + 1)
    assert identity_of("microworld", tmp_path) != before


def test_nothing_heavy_is_imported():
    script = (
        "import sys; from pathlib import Path; from datamodules.contents import identity_of; "
        "identity_of('microworld', Path()); print({'numpy', 'torch'} & set(sys.modules))"
    )
    root = Path(contents.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=root)
    assert done.stdout.strip() == "set()", done.stderr
