"""From real text to real tasks: pre-training on a corpus, fine-tuning on official files."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.compose import compose
from experiments.errors import UserError
from experiments.identity import run_id
from experiments.lineage import parent_configs
from experiments.run import bring_to_end, folder_of, spec_of
from experiments.store import RunFolder, State
from experiments.weights import load_vocabulary
from tests.datamodules.official import (
    VOCABULARY,
    blimp_line,
    sentence,
    squad,
    write_corpus,
    write_glue,
    write_vocabulary,
)

PRETRAINING = [
    "data=corpus",
    "data.corpus=corpus.jsonl",
    "data.sequence_length=32",
    "data.batch_size=4",
    "trainer.max_steps=6",
    "+data.held_out=0.1",
]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_corpus(folder / "corpus.jsonl")
    write_vocabulary(folder)
    for task in ("mrpc", "stsb", "rte"):
        write_glue(folder, task)
    write_others(folder)
    return folder


def write_others(folder: Path) -> None:
    """SQuAD, CoNLL and BLiMP in their official formats."""
    for name in ("squad", "conll2003", "blimp"):
        (folder / name).mkdir()
    passages = [" ".join(sentence(i) for i in range(n, n + 12)) for n in (0, 20, 40, 60)]
    asked = [(text, [(f"what {sentence(3)}?", [(text[4:11], 4)])]) for text in passages]
    for name, part in (("train", asked[:3]), ("dev", asked[3:])):
        (folder / f"squad/{name}-v1.1.json").write_text(squad([part]), encoding="utf-8")
    for name, count in (("train", 12), ("testa", 5)):
        lines = [
            "\n".join(f"{word} NN I-NP {'I-LOC' if word == 'mat' else 'O'}" for word in words)
            for words in (sentence(i).split() for i in range(count))
        ]
        (folder / f"conll2003/eng.{name}").write_text("\n\n".join(lines), encoding="utf-8")
    pairs = "\n".join(blimp_line(i, paradigm=f"p{i % 2}") for i in range(12))
    (folder / "blimp/blimp.jsonl").write_text(pairs, encoding="utf-8")


def words(
    data_dir: Path, *overrides: str, vocabulary: tuple[str, ...] = ("data.vocab_size=120",)
) -> list[str]:
    pretraining = ",".join(f"'{override}'" for override in (*PRETRAINING, *vocabulary))
    made = [
        "experiment=bert",
        "data=glue",
        "data.validation_size=4",
        "data.sequence_length=24",
        "model.num_layers=1",
        "model.hidden_size=16",
        "model.intermediate_size=32",
        "trainer.epochs=2",
        "runtime.device=cpu",
        "tracking=disabled",
        f"paths.data={data_dir}",
        f"paths.runs={data_dir / 'runs'}",
        f"pretraining.overrides=[{pretraining}]",
    ]
    return [*made, *overrides]


def test_an_epoch_is_the_examples_of_the_file_less_those_held_out(data_dir: Path) -> None:
    config = compose(words(data_dir, "data.batch_size=5"))
    assert config["data"]["train_size"] == 16
    assert config["trainer"]["max_steps"] == 2 * 4
    told = compose(words(data_dir, "data.batch_size=5", "data.train_size=16"))
    assert run_id(told) == run_id(config)
    capped = compose(words(data_dir, "data.batch_size=5", "data.train_size=10"))
    assert capped["trainer"]["max_steps"] == 2 * 2


def test_a_runs_id_follows_from_its_own_tasks_contents_alone(data_dir: Path) -> None:
    before = run_id(compose(words(data_dir)))
    path = data_dir / "glue/RTE/dev.tsv"
    path.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    write_glue(data_dir, "rte", train=25)
    assert run_id(compose(words(data_dir))) == before
    assert run_id(compose(words(data_dir, "data.task=rte"))) != before
    write_glue(data_dir, "mrpc", train=25)
    assert run_id(compose(words(data_dir))) != before
    write_glue(data_dir, "mrpc")
    assert run_id(compose(words(data_dir))) == before


def test_a_parent_reads_its_corpus_where_its_child_reads_its_task(data_dir: Path) -> None:
    (parent,) = parent_configs(compose(words(data_dir)))
    assert parent["paths"]["data"] == str(data_dir)
    assert parent["data"]["corpus"] == "corpus.jsonl"


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["data.task=qnli"], "data.source=glue: there is no .*glue/QNLI"),
        (["data.train_size=17"], "data.train_size=17, but glue/MRPC has 16 examples"),
        (["arm=no_pretraining"], "this run has none: type data.vocabulary=<WordPiece vocabulary"),
        (["data.source=hub:nyu-mll/glue"], "names no version: expected hub:<dataset>@<commit>"),
    ],
)
def test_what_cannot_be_read_is_said_before_anything_is_trained(
    data_dir: Path, overrides: list[str], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        compose(words(data_dir, *overrides))


def test_a_broken_row_is_said_before_anything_is_trained(data_dir: Path, tmp_path: Path) -> None:
    path = write_glue(tmp_path, "mrpc") / "train.tsv"
    path.write_text(path.read_text(encoding="utf-8") + "1\t2\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"train.tsv, line 22: expected 5 columns"):
        compose(
            words(tmp_path, "arm=no_pretraining", f"data.vocabulary={write_vocabulary(tmp_path)}")
        )


def trained(overrides: list[str]) -> dict:
    spec = spec_of(overrides)
    assert bring_to_end(spec) == State.finished, folder_of(spec).attempts()
    return folder_of(spec).result()


@pytest.mark.parametrize(
    ("task", "metrics"),
    [("mrpc", {"score", "accuracy", "f1", "majority"}), ("stsb", {"score", "spearman", "pearson"})],
)
def test_a_task_is_read_with_the_vocabulary_that_its_parent_was_trained_on(
    data_dir: Path, task: str, metrics: set[str]
) -> None:
    result = trained(words(data_dir, f"data.task={task}"))
    assert metrics <= result["metrics"].keys()
    assert result["metrics"]["score"] is not None
    (parent,) = result["parents"]
    folder = data_dir / "runs/bert" / parent["run_id"]
    vocabulary = load_vocabulary(folder, parent["step"])
    assert vocabulary is not None
    assert vocabulary.lowercase
    assert 60 < len(vocabulary.tokens) <= 120
    assert "mat" in vocabulary.tokens


def test_questions_are_answered_and_their_windows_counted(data_dir: Path) -> None:
    windows = ["data.sequence_length=32", "data.stride=8", "data.validation_size=1"]
    given = [o for o in words(data_dir) if not o.startswith(("data", "data."))]
    result = trained([*given, "data=squad", *windows, "data.max_query_length=12"])
    assert {"score", "f1", "exact_match"} <= result["metrics"].keys()
    assert result["metrics"]["windows_per_question"] > 2
    assert result["config"]["data"]["train_size"] == 2


def test_entities_are_tagged(data_dir: Path) -> None:
    given = [o for o in words(data_dir) if not o.startswith(("data", "data."))]
    result = trained([*given, "data=conll", "data.validation_size=2", "data.sequence_length=24"])
    assert {"score", "f1", "precision", "recall", "accuracy"} <= result["metrics"].keys()


PAIRS = ["data=blimp", "data.sequence_length=32", "module=minimal_pairs", "trainer.max_steps=0"]


@pytest.mark.parametrize(("arm", "objective"), [("bert", "mlm"), ("ltr", "ltr"), ("rtl", "rtl")])
def test_minimal_pairs_are_scored_as_pretraining_left_the_model(
    data_dir: Path, arm: str, objective: str
) -> None:
    given = [o for o in words(data_dir) if not o.startswith(("data", "data."))]
    metrics = trained([*given, *PAIRS, f"arm={arm}"])["metrics"]
    scores = {name: value for name, value in metrics.items() if name.startswith("blimp_")}
    assert scores.keys() == {f"blimp_{objective}", f"blimp_{objective}_agreement"}
    assert 0 <= scores[f"blimp_{objective}"] <= 1
    assert "score" not in metrics


@pytest.mark.parametrize("objective", ["bert", "ltr"])
def test_held_out_loss_is_measured_at_a_step_of_a_pretraining(
    data_dir: Path, objective: str
) -> None:
    given = [o for o in words(data_dir) if not o.startswith(("data", "data."))]
    corpus = [*PRETRAINING[:4], *PRETRAINING[5:], "data.vocab_size=120", "module=pretraining"]
    given.append("factors=[variant]")
    arm = [f"arm={objective}", f"objective={objective}", "trainer.max_steps=0"]
    scored = [
        trained([*given, *corpus, *arm, f"pretraining.step={step}"])["metrics"] for step in (3, 6)
    ]
    (parent,) = parent_configs(compose([*given, *corpus, *arm]))
    whole = RunFolder(data_dir / "runs/bert" / run_id(parent)).result()["metrics"]
    assert scored[1]["token_loss"] == whole["token_loss"] != scored[0]["token_loss"]


def test_two_models_have_no_likelihood_in_common(data_dir: Path) -> None:
    given = [o for o in words(data_dir) if not o.startswith(("data", "data."))]
    refused = spec_of([*given, *PAIRS, "arm=ltr_rtl"])
    assert bring_to_end(refused) == State.failed
    assert "scored by one model, and this arm has 2" in folder_of(refused).attempts()[-1]["reason"]


def test_a_parent_with_another_vocabulary_is_refused_in_a_sentence(data_dir: Path) -> None:
    trained(words(data_dir))
    refused = spec_of(words(data_dir, "data.vocabulary=vocab.txt"))
    assert bring_to_end(refused) == State.failed
    reason = folder_of(refused).attempts()[-1]["reason"]
    assert "was trained on another vocabulary than this run's data has: " in reason
    assert f"and not {len(VOCABULARY)}" in reason
    assert "type data.vocabulary=null" in reason


def test_the_same_vocabulary_may_be_named_and_a_run_without_parent_reads_with_it(
    data_dir: Path,
) -> None:
    own = ("data.vocabulary=vocab.txt", "data.vocab_size=null")
    named = words(data_dir, "data.vocabulary=vocab.txt", vocabulary=own)
    assert trained(named)["status"] == "completed"
    alone = words(data_dir, "data.vocabulary=vocab.txt", "arm=no_pretraining")
    assert trained(alone)["parents"] == []


def test_a_parent_of_the_generated_language_is_refused(data_dir: Path) -> None:
    tiny = "'trainer.max_steps=4','data.num_documents=300','data.batch_size=4'"
    overrides = [o for o in words(data_dir) if not o.startswith("pretraining.overrides")]
    refused = spec_of([*overrides, f"pretraining.overrides=[{tiny}]"])
    assert bring_to_end(refused) == State.failed
    assert "of the task's tokens are [UNK]" in folder_of(refused).attempts()[-1]["reason"]


# Weights of another's making


@pytest.fixture
def imported(data_dir: Path, tmp_path: Path) -> Path:
    """A data folder with the tasks and a BERT in Hugging Face's layout, untrained."""
    transformers = pytest.importorskip("transformers")
    for name in ("glue", "vocab.txt"):
        (tmp_path / name).symlink_to(data_dir / name)
    folder = tmp_path / "bert"
    transformers.BertForPreTraining(
        transformers.BertConfig(
            vocab_size=len(VOCABULARY),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=4,
            intermediate_size=32,
            max_position_embeddings=40,
        )
    ).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY), encoding="utf-8")
    return tmp_path


def test_a_folder_of_weights_is_a_parent_with_its_own_vocabulary(imported: Path) -> None:
    overrides = words(imported, "arm=imported")
    config = compose(overrides)
    assert list(parent_configs(config)) == []
    result = trained(overrides)
    assert result["parents"] == [{"run_id": config["parents"][0]["run_id"], "step": 0}]
    assert result["config"]["data"]["vocabulary"] is None
    renamed = imported / "other"
    (imported / "bert").rename(renamed)
    same = compose([*overrides, "parents=[{folder: other}]"])
    assert run_id(same) == run_id(config), "its contents count, not its name"
    (renamed / "vocab.txt").write_text("\n".join([*VOCABULARY, "more"]), encoding="utf-8")
    assert run_id(compose([*overrides, "parents=[{folder: other}]"])) != run_id(config)


def test_weights_of_another_size_or_a_missing_folder_are_refused(imported: Path) -> None:
    with pytest.raises(UserError, match=r"parents: folder=nowhere: there is no .*nowhere"):
        compose(words(imported, "arm=imported", "parents=[{folder: nowhere}]"))
    refused = spec_of(words(imported, "arm=imported", "model.num_heads=2"))
    assert bring_to_end(refused) == State.failed
    reason = folder_of(refused).attempts()[-1]["reason"]
    assert reason.startswith("model.num_heads=2, but the weights in ")
    assert "are of a model with 4: type model.num_heads=4" in reason
