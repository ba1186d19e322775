"""CoNLL-2003 from its official files: IOB1 to IOB2, sub-tokens, long sentences, entity F1."""

from __future__ import annotations

import itertools
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval import metrics

from datamodules.downstream.conll import Conll
from datamodules.downstream.conll_files import TAGS, iob2
from datamodules.finetuning import IGNORED
from datamodules.tagging import entities, entity_scores
from datamodules.vocabulary import Vocabulary
from tests.datamodules.official import VOCABULARY

SHARED = Path(__file__).resolve().parents[3] / "shared/data"
TRAIN = """-DOCSTART- -X- O O

The DT I-NP O
big JJ I-NP I-ORG
cat NN I-NP I-ORG
dog NN I-NP B-ORG
sat VBD I-VP O

Red NNP I-NP I-PER
mat NNP I-NP I-LOC

-DOCSTART- -X- O O

one CD I-NP O
tree NN I-NP I-MISC
"""
DEV = "Cat NNP I-NP I-PER\nran VBD I-VP O\n\nxyz NNP I-NP I-LOC\n"


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "conll2003"
    folder.mkdir()
    for name, text in (("train", TRAIN), ("testa", DEV), ("testb", TRAIN)):
        (folder / f"eng.{name}").write_text(text, encoding="utf-8")
    return tmp_path


def load(data_dir: Path, **settings) -> Conll:
    defaults = {"validation_size": 1, "sequence_length": 16}
    return Conll(
        parent_vocabulary=Vocabulary(VOCABULARY, True),
        data_dir=data_dir,
        seed_for=lambda stream, step: step,
        num_workers=0,
        **defaults | settings,
    )


def test_iob1_is_converted_and_documents_are_no_sentences(data_dir: Path) -> None:
    parts = load(data_dir).sentences
    assert {sentence.words: sentence.tags for sentence in parts.train + parts.validation} == {
        ("The", "big", "cat", "dog", "sat"): ("O", "B-ORG", "I-ORG", "B-ORG", "O"),
        ("Red", "mat"): ("B-PER", "B-LOC"),
        ("one", "tree"): ("O", "B-MISC"),
    }
    assert len(load(data_dir, test_part="testb").sentences.test) == 3


@pytest.mark.parametrize(
    ("iob1", "expected"),
    [
        ("I-PER I-PER O", "B-PER I-PER O"),
        ("I-PER B-PER I-PER", "B-PER B-PER I-PER"),
        ("I-PER I-LOC", "B-PER B-LOC"),
        ("O I-LOC O I-LOC", "O B-LOC O B-LOC"),
    ],
)
def test_iob1_by_hand(iob1: str, expected: str) -> None:
    assert iob2(iob1.split()) == tuple(expected.split())
    assert iob2(expected.split()) == tuple(expected.split()), "IOB2 stays as it is"


# seqeval's rules for where a chunk ends and begins, which are conlleval's, told anew.


def brute_force_entities(tags: list[str]) -> set[tuple[str, int, int]]:
    """Every span that is an entity, by looking at each span and at the tags around it."""
    found = set()
    for first, last in itertools.combinations_with_replacement(range(len(tags)), 2):
        kinds = {tag[2:] for tag in tags[first : last + 1]}
        if "O" in tags[first : last + 1] or len(kinds) != 1:
            continue
        (kind,) = kinds
        inside = all(tag[0] == "I" for tag in tags[first + 1 : last + 1])
        before = tags[first - 1] if first else "O"
        begins = tags[first][0] == "B" or before == "O" or before[2:] != kind
        after = tags[last + 1] if last + 1 < len(tags) else "O"
        ends = after != f"I-{kind}"
        if inside and begins and ends:
            found.add((kind, first, last))
    return found


@given(st.lists(st.sampled_from(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]), max_size=9))
def test_entities_are_those_of_seqevals_rules(tags: list[str]) -> None:
    assert entities(tags) == brute_force_entities(tags)


def random_sentences(seed: int) -> tuple[list[list[str]], list[list[str]]]:
    random = Random(seed)
    wanted = [random.choices(TAGS, k=random.randint(1, 12)) for _ in range(200)]
    chosen = [[tag if random.random() < 0.7 else random.choice(TAGS) for tag in s] for s in wanted]
    return wanted, chosen


def test_f1_is_micro_averaged_over_entities() -> None:
    wanted, chosen = random_sentences(1)
    gold = {(i, e) for i, tags in enumerate(wanted) for e in brute_force_entities(tags)}
    found = {(i, e) for i, tags in enumerate(chosen) for e in brute_force_entities(tags)}
    precision, recall = (len(gold & found) / len(x) for x in (found, gold))
    scores = entity_scores(wanted, chosen)
    assert scores["precision"] == pytest.approx(precision)
    assert scores["recall"] == pytest.approx(recall)
    assert scores["f1"] == pytest.approx(2 * precision * recall / (precision + recall))
    assert 0.2 < scores["f1"] < 0.9
    assert entity_scores([["O"]], [["O"]])["f1"] == 0


def test_f1_equals_seqevals() -> None:
    for seed in range(5):
        wanted, chosen = random_sentences(seed)
        scores = entity_scores(wanted, chosen)
        for name in ("f1", "precision", "recall", "accuracy"):
            theirs = getattr(metrics, f"{name}_score")(wanted, chosen)
            assert scores[name] == pytest.approx(theirs), name


def certain(data: Conll, split: str = "test") -> dict[str, np.ndarray]:
    """Logits of the right tag at each first sub-token, and of I-PER elsewhere."""
    rows = data.rows(split)
    width = max(len(row["tokens"]) for row in rows)
    logits = np.zeros((len(rows), width, len(TAGS)))
    for index, row in enumerate(rows):
        for place, tag in enumerate(row["labels"]):
            logits[index, place, TAGS.index("I-PER") if tag == IGNORED else tag] = 5
    return {"logits": logits}


def test_a_word_is_tagged_at_its_first_subtoken(data_dir: Path) -> None:
    data = load(data_dir)
    row = next(row for row in data.rows("test") if len(row["tokens"]) == 5)
    assert [VOCABULARY[token] for token in row["tokens"]] == ["[CLS]", "x", "##y", "##z", "[SEP]"]
    assert row["labels"] == [IGNORED, TAGS.index("B-LOC"), *[IGNORED] * 3]


@pytest.mark.parametrize("length", [8, 9, 16])
def test_a_sentence_longer_than_a_sequence_is_scored_whole(data_dir: Path, length: int) -> None:
    words = ["the", "big", "cat", "abcabcabcabc", "ran", "on", "one", "mat", "tree"]
    tags = ["O", "I-ORG", "I-ORG", "I-ORG", "I-ORG", "O", "I-LOC", "I-LOC", "B-LOC"]
    lines = [f"{word} NN I-NP {tag}\n" for word, tag in zip(words, tags, strict=True)]
    (data_dir / "conll2003/eng.testa").write_text("".join(lines), encoding="utf-8")
    data = load(data_dir, sequence_length=length)
    assert len(data.sentences.test) == 1
    assert len(data.rows("test")) > 1
    assert all(len(row["tokens"]) <= length for row in data.rows("test"))
    counted = [label for row in data.rows("test") for label in row["labels"] if label != IGNORED]
    assert len(counted) == len(words)
    scores = data.score("test", certain(data))
    assert scores["f1"] == scores["score"] == scores["accuracy"] == 1
    wrong = certain(data)
    wrong["logits"][0, 2, TAGS.index("O")] = 9  # the first word of the long entity
    assert data.score("test", wrong)["f1"] < 1


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("dog NN I-ORG", "line 6: expected 4 columns"),
        ("dog NN I-NP I-COM", "line 6: expected 4 columns, the last one of O, B-LOC, .* I-COM"),
        ("dog NN I-NP B-ORG extra", "line 6: expected 4 columns"),
    ],
)
def test_a_broken_line_is_told(data_dir: Path, line: str, said: str) -> None:
    path = data_dir / "conll2003/eng.train"
    path.write_text(TRAIN.replace("dog NN I-NP B-ORG", line), encoding="utf-8")
    with pytest.raises(ValueError, match=rf"eng.train, {said}"):
        load(data_dir)


def test_an_empty_file_is_told(data_dir: Path) -> None:
    (data_dir / "conll2003/eng.train").write_text("-DOCSTART- -X- O O\n\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"eng.train: expected examples, found none"):
        load(data_dir)


def test_the_hubs_copy_gives_the_same_sentences(data_dir: Path, monkeypatch) -> None:
    datasets = pytest.importorskip("datasets")
    ours = load(data_dir).sentences
    names = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC"]
    features = datasets.Features(
        {
            "tokens": datasets.Sequence(datasets.Value("string")),
            "ner_tags": datasets.Sequence(datasets.ClassLabel(names=names)),
        }
    )

    def load_dataset(name, configuration, *, split, revision):
        part = ours.train + ours.validation if split == "train" else ours.test
        rows = [{"tokens": list(s.words), "ner_tags": list(s.tags)} for s in part]
        return datasets.Dataset.from_list(rows, features=features)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    assert load(data_dir, source="hub:some/conll2003@" + "0" * 40).sentences == ours


@pytest.mark.skipif(not SHARED.exists(), reason="../shared/data is not at hand")
def test_the_real_files_have_the_published_sentences_and_entities() -> None:
    """Entities as in table 2 of Tjong Kim Sang and De Meulder (2003)."""
    data = load(SHARED, vocabulary="vocab/bert-base-uncased-vocab.txt", sequence_length=128)
    train = data.sentences.train + data.sentences.validation
    counts = dict.fromkeys(("LOC", "MISC", "ORG", "PER"), 0)
    for sentence in train:
        for kind, _, _ in entities(sentence.tags):
            counts[kind] += 1
    assert counts == {"LOC": 7140, "MISC": 3438, "ORG": 6321, "PER": 6600}
    assert len(train) == 14041
    assert len(data.sentences.test) == 3250
