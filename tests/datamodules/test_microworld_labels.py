"""Microworld's labels, derived again from the texts' words by an interpreter of its own."""

from __future__ import annotations

from itertools import product

import pytest

from benchmarks.microworld import bag_of_words_accuracy, bag_of_words_spans
from datamodules.microworld.documents import documents
from datamodules.microworld.lexicon import NAMES, OBJECTS, decode
from datamodules.microworld.task import MicroworldTask
from datamodules.microworld.tasks import coherence, entailment, paraphrase, sentiment
from tests.datamodules.interpreter import MEANING, PATTERNS, meaning, verdict_is_good


def drawn(name: str, train_size: int = 1000, test_size: int = 600) -> MicroworldTask:
    return MicroworldTask(
        task=name,
        train_size=train_size,
        test_size=test_size,
        seed_for=lambda stream, step: step,
        num_workers=0,
    )


def sentences(text: str) -> list[str]:
    return [f"{sentence.strip()} ." for sentence in text.split(".") if sentence.strip()]


def names(text: str) -> set[str]:
    return set(text.split()) & set(NAMES)


def told_by(text: str) -> dict[str, tuple[str, str]]:
    """Of each thing and place: the person, and whether that person is with it or only likes it."""
    told = {}
    for sentence in sentences(text):
        words = sentence.split()
        (person,) = names(sentence)
        verb = next(MEANING[word] for word in words if word in MEANING)
        told[words[-2]] = person, "is" if verb in ("take", "go") else "likes"
    return told


def claim_of(text: str) -> tuple[str, str]:
    (person,) = names(text)
    return person, text.split()[-2]


def test_coherent_texts_are_of_one_setting_and_share_no_thing():
    """The settings are read off the stories, in which the nouns of one setting alone meet."""
    nouns = set(OBJECTS)
    stories = [" ".join(map(decode, story)).split() for story in documents(seed=5, count=1000)]
    meet = {frozenset(pair) for words in stories for pair in product(set(words) & nouns, repeat=2)}
    for example in drawn("coherence").examples["test"]:
        first, second = (set(text.split()) & nouns for text in (example.first, example.second))
        assert len(first) == len(second) == 2
        assert not first & second
        assert names(example.first) == names(example.second)
        assert len(names(example.first)) == 2
        is_coherent = all(frozenset(pair) in meet for pair in product(first, second))
        assert is_coherent == (example.label == coherence.LABELS.index("coherent")), example


def test_entailment_is_what_follows_at_the_end_of_the_premise():
    """Nobody else is where the premise says that somebody went, or has what somebody took."""
    for example in drawn("entailment").examples["test"]:
        person, noun = claim_of(example.second)
        who, how = told_by(example.first)[noun]
        label = "neutral" if how == "likes" else "entailed" if who == person else "contradicted"
        assert label == entailment.LABELS[example.label], example
        assert person in names(example.first)


def test_paraphrases_mean_the_same_and_the_others_only_exchange_two_names():
    for example in drawn("paraphrase").examples["test"]:
        first, second = meaning(example.first), meaning(example.second)
        if example.label == paraphrase.LABELS.index("same"):
            assert first == second, example
        else:
            assert first != second, example
            one, other = names(example.second)
            exchange = {one: other, other: one}
            words = [exchange.get(word, word) for word in example.second.split()]
            assert meaning(" ".join(words)) == first, example


def test_sentiment_is_the_verdict_of_the_main_clause():
    for example in drawn("sentiment").examples["test"]:
        assert verdict_is_good(example.first) == (sentiment.LABELS[example.label] == "good"), (
            example
        )


def test_a_spans_answer_is_what_the_passage_says_and_its_evidence_is_right_of_all_candidates():
    for example in drawn("spans").examples["test"]:
        words = example.passage.split()
        *told, key = example.passage.split(" . ")
        assert len(told) == 2
        _, verb, _, asked_thing, _ = key.split()
        asked = MEANING[verb]
        answers = []
        for clause in told:
            person = (set(clause.split()) & set(NAMES)).pop()
            verb = next(MEANING[word] for word in clause.split() if word in MEANING)
            assert (verb == asked) == (asked_thing in clause.split())
            answers += [person] if verb == asked else []
        assert answers == words[example.start : example.end + 1], example
        assert max(map(words.index, names(example.passage))) < words.index("who")


def test_entities_are_the_roles_of_the_sentences():
    tags_of = {"n": "GIVER", "m": "GETTER", "x": "THING"}
    for example in drawn("entities").examples["test"]:
        expected = []
        for sentence in sentences(example.text):
            match = next(
                m
                for kind, pattern in PATTERNS
                if kind == "give" and (m := pattern.fullmatch(sentence.removesuffix(" .")))
            )
            tags = ["O"] * len(sentence.split())
            for group, role in tags_of.items():
                first = len(sentence[: match.start(group)].split())
                for offset in range(len(match[group].split())):
                    tags[first + offset] = f"{'I' if offset else 'B'}-{role}"
            expected += tags
        assert list(example.tags) == expected, example


# Test accuracies of a bag of words: (lowest, highest). Chance is 1/2, of entailment 1/3.
BAG_OF_WORDS = {
    "coherence": (0.5, 0.68),
    "entailment": (0.37, 0.55),
    "paraphrase": (0.44, 0.56),
    "sentiment": (0.52, 0.65),
}


@pytest.mark.parametrize("name", BAG_OF_WORDS)
def test_a_bag_of_words_is_between_chance_and_a_good_model(name):
    lowest, highest = BAG_OF_WORDS[name]
    assert lowest <= bag_of_words_accuracy(name) <= highest


def test_a_word_by_itself_does_not_tell_whether_it_is_the_answer():
    assert 0.35 <= bag_of_words_spans(train_size=500)["f1"] <= 0.6  # of two candidates
