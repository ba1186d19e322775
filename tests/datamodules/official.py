"""Small files in the official formats of the tasks, of our own writing, for the tests."""

from __future__ import annotations

import bz2
import json
from pathlib import Path
from typing import Any

WORDS = [
    "the",
    "cat",
    "dog",
    "sat",
    "ran",
    "on",
    "under",
    "one",
    "mat",
    "tree",
    "and",
    "it",
    "was",
    "red",
    "big",
    "not",
    "very",
]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,'\"?-!"
VOCABULARY = [*SPECIAL, *WORDS, *LETTERS, *(f"##{letter}" for letter in LETTERS)]
FOLDERS = {
    "cola": "CoLA",
    "sst2": "SST-2",
    "mrpc": "MRPC",
    "qqp": "QQP",
    "stsb": "STS-B",
    "mnli": "MNLI",
    "qnli": "QNLI",
    "rte": "RTE",
    "wnli": "WNLI",
}
HEADERS = {
    "sst2": "sentence label",
    "mrpc": "Quality|#1 ID|#2 ID|#1 String|#2 String",
    "qqp": "id qid1 qid2 question1 question2 is_duplicate",
    "stsb": "index genre filename year old_index source1 source2 sentence1 sentence2 score",
    "mnli": "index promptID pairID genre sentence1_binary_parse sentence2_binary_parse "
    "sentence1_parse sentence2_parse sentence1 sentence2 label1 gold_label",
    "qnli": "index question sentence label",
    "rte": "index sentence1 sentence2 label",
    "wnli": "index sentence1 sentence2 label",
}
LABELS = {
    "stsb": ["0.0", "2.500", "5.0"],
    "mnli": ["entailment", "neutral", "contradiction"],
    "qnli": ["entailment", "not_entailment"],
    "rte": ["entailment", "not_entailment"],
}


def header(task: str) -> list[str] | None:
    text = HEADERS.get(task)
    return text and text.split("|" if "|" in text else " ")


def sentence(number: int) -> str:
    """A sentence of a few words; different for different numbers below some hundreds."""
    n = len(WORDS)
    return " ".join(WORDS[(number * k + number // n) % n] for k in (1, 3, 5, 7)) + f" {number} ."


def label(task: str, number: int) -> str:
    labels = LABELS.get(task, ["0", "1"])
    return labels[number % len(labels)]


def glue_row(task: str, number: int) -> list[str]:
    first, second, mine = sentence(number), sentence(number + 1), label(task, number)
    if task == "cola":
        return ["gj04", mine, "*" if mine == "0" else "", first]
    if task == "sst2":
        return [first, mine]
    if task == "mrpc":
        return [mine, str(number), str(number + 1), first, second]
    columns = header(task)
    assert columns
    row = dict.fromkeys(columns, "") | {columns[0]: str(number), columns[-1]: mine}
    texts = [name for name in columns if name.rstrip("12") in ("sentence", "question")]
    return list((row | dict(zip(texts, (first, second), strict=True))).values())


def tsv(rows: list[list[str]], columns: list[str] | None) -> str:
    lines = [*([columns] if columns else []), *rows]
    return "".join("\t".join(line) + "\n" for line in lines)


def write_glue(data_dir: Path, task: str, *, train: int = 20, dev: int = 6) -> Path:
    """<data_dir>/glue/<the task's folder>/{train,dev}.tsv; the folder."""
    folder = data_dir / "glue" / FOLDERS[task]
    folder.mkdir(parents=True, exist_ok=True)
    names = ["dev_matched", "dev_mismatched"] if task == "mnli" else ["dev"]
    for begin, (name, count) in enumerate([("train", train), *((n, dev) for n in names)]):
        rows = [glue_row(task, 100 * begin + i) for i in range(count)]
        text = tsv(rows, header(task))
        (folder / f"{name}.tsv").write_text(text, encoding="utf-8", newline="")
    return folder


def write_corpus(path: Path, *, num_documents: int = 50) -> None:
    """Documents of four sentences, a JSON object a line, compressed where the name ends so."""
    documents = [range(begin, begin + 4) for begin in range(0, 4 * num_documents, 4)]
    texts = ["\n".join(sentence(i).capitalize() for i in document) for document in documents]
    lines = "".join(json.dumps({"text": text}) + "\n" for text in texts).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bz2.compress(lines) if path.suffix == ".bz2" else lines)


def write_vocabulary(data_dir: Path) -> str:
    """The name of a vocabulary file that it writes below data_dir."""
    data_dir.mkdir(parents=True, exist_ok=True)
    (data_dir / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    return "vocab.txt"


def blimp_line(number: int, *, paradigm: str = "one", phenomenon: str = "agreement") -> str:
    """A minimal pair: a sentence, and the same with its first two words exchanged."""
    first, second, *rest = sentence(number).split()
    return json.dumps(
        {
            "sentence_good": " ".join([first, second, *rest]),
            "sentence_bad": " ".join([second, first, *rest]),
            "linguistics_term": phenomenon,
            "UID": paradigm,
            "pairID": str(number),
        }
    )


def squad(articles: list[list[tuple[str, list[tuple[str, list[tuple[str, int]]]]]]]) -> str:
    """SQuAD's JSON of articles: paragraphs (context, [(question, [(answer, its start)])])."""
    number = 0
    data: list[dict[str, Any]] = []
    for title, paragraphs in enumerate(articles):
        written = []
        for context, questions in paragraphs:
            asked = []
            for question, answers in questions:
                number += 1
                told = [{"text": text, "answer_start": start} for text, start in answers]
                asked.append({"id": f"q{number}", "question": question, "answers": told})
            written.append({"context": context, "qas": asked})
        data.append({"title": f"article {title}", "paragraphs": written})
    return json.dumps({"version": "1.1", "data": data})
