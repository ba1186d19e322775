"""A corpus of files as tokens: from the cache where it was tokenised before, else tokenised now.

    corpus = tokenised("corpus/books.txt", "vocab.txt", lowercase=True, data_dir=Path("data"))

The cache is <data_dir>/.cache/tokenised/<key>, or the user's cache folder where data_dir cannot be
written to. The key is a hash of the contents of the corpus and of the vocabulary and of the
settings: moving or renaming files changes nothing, and changing one of them is never overlooked.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import itertools
import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from datamodules.contents import find, identity_of, user_cache
from datamodules.text.corpus import offsets
from datamodules.text.documents import documents
from datamodules.text.progress import Progress
from datamodules.text.sentences import sentences
from datamodules.text.store import CorpusWriter, Damaged, StoredCorpus, open_corpus

VERSION = 1  # raised when the rules of splitting, encoding or training change
CHARACTERS_AT_A_TIME = 1_000_000  # about 100 MB while they are encoded


def tokenised(
    corpus: str,
    vocabulary: str | None,
    *,
    vocab_size: int | None = None,
    lowercase: bool,
    data_dir: Path,
) -> StoredCorpus:
    """The corpus that the settings name; tokenised once, however many processes ask at a time.

    vocabulary: a WordPiece vocabulary file, or None to train one of vocab_size tokens on the
    corpus. ValueError for what cannot be read.
    """
    if (vocabulary is None) == (vocab_size is None):
        raise ValueError(
            "a corpus of text needs either a vocabulary or the size of one to train: type "
            "data.vocabulary=<file> data.vocab_size=null, or data.vocabulary=null "
            "data.vocab_size=8192"
        )
    key = _key(corpus, vocabulary, vocab_size, lowercase, data_dir)
    folders = [data_dir / ".cache" / "tokenised", user_cache() / "tokenised"]
    for folder in folders:
        with contextlib.suppress(Damaged):
            return open_corpus(folder / key)
    source = _source(corpus, data_dir)
    writable = next((f for f in folders if _writable(f)), None)
    if writable is None:
        raise ValueError(
            f"the tokenised corpus can be written neither to {folders[0]} nor to {folders[1]}: set "
            "XDG_CACHE_HOME to a folder that can be written to"
        )
    with _alone(writable / f".{key}.lock"):
        stored = writable / key
        if stored.exists():
            try:
                return open_corpus(stored)  # written while this process waited
            except Damaged as damage:
                print(f"{damage}; tokenising again", file=sys.stderr, flush=True)
                shutil.rmtree(stored)
        path = find(vocabulary, data_dir) if vocabulary is not None else None
        _tokenise(source, path, vocab_size, lowercase, stored)
        return open_corpus(stored)


def _key(
    corpus: str, vocabulary: str | None, vocab_size: int | None, lowercase: bool, data_dir: Path
) -> str:
    names = [None if name is None else identity_of(name, data_dir) for name in (corpus, vocabulary)]
    return cache_key(names, vocab_size, lowercase)


def cache_key(names: list[str | None], vocab_size: int | None, lowercase: bool) -> str:
    """Where a corpus is in the cache; names: the identities of its text and its vocabulary."""
    text = json.dumps([VERSION, *names, vocab_size, lowercase])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _source(corpus: str, data_dir: Path) -> Path | str:
    """Where the text is."""
    if corpus.startswith("hub:"):
        return corpus
    try:
        return find(corpus, data_dir)
    except ValueError as error:
        raise ValueError(
            f"{corpus} was carried to {data_dir} as tokens, but these are damaged or of another "
            "vocabulary than this run's: type python -m experiments.corpora unpack again"
        ) from error


def _tokenise(
    source: Path | str, vocabulary: Path | None, vocab_size: int | None, lowercase: bool, to: Path
) -> None:
    from datamodules.text.wordpiece import WordPiece, read_vocabulary, train

    name = source if isinstance(source, str) else source.name
    if vocabulary is not None:
        tokens = read_vocabulary(vocabulary)
    else:
        assert vocab_size is not None
        tokens = train(_counted(source, name), vocab_size, lowercase=lowercase)
    wordpiece = WordPiece(tokens, lowercase=lowercase)
    with Progress(f"Tokenising {name}") as progress, CorpusWriter(to, tokens) as writer:
        for texts in _batches(documents(source, progress)):
            split = [sentences(text) for text in texts]
            encoded, lengths = wordpiece.encode(itertools.chain(*split))
            begin = offsets(lengths)
            last = 0
            for document in split:
                first, last = last, last + len(document)
                writer.add(encoded[begin[first] : begin[last]], lengths[first:last])
    if not writer.num_sentences:
        shutil.rmtree(to)
        raise ValueError(f"{source} holds no text: expected at least a few documents")


def _counted(source: Path | str, name: str) -> Counter[str]:
    from datamodules.text.wordpiece import count

    counts: Counter[str] = Counter()
    with Progress(f"Counting the words of {name}") as progress:
        for text in documents(source, progress):
            count(sentences(text), counts)
    return counts


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    characters = 0
    for text in texts:
        batch.append(text)
        characters += len(text)
        if characters >= CHARACTERS_AT_A_TIME:
            yield batch
            batch, characters = [], 0
    yield batch


def _writable(folder: Path) -> bool:
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        return os.access(folder, os.W_OK | os.X_OK)
    return False


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """One process at a time; the kernel releases the lock of one that dies."""
    with lock.open("w", encoding="utf-8") as file:
        # Some network file systems have no locks: then two may tokenise, and the first to be done
        # is kept.
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
