"""A pre-training in Hugging Face's layout: transformers computes what the run's model does."""

from __future__ import annotations

import functools
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    BertForMaskedLM,
    BertForPreTraining,
    BertLMHeadModel,
    BertModel,
    BertTokenizerFast,
)

from datamodules.text.wordpiece import WordPiece
from experiments.export import main
from experiments.parents import imported
from experiments.run import bring_to_end, folder_of, spec_of
from experiments.store import RunFolder, State
from experiments.weights import load_vocabulary, load_weights
from experiments.worker import build_run
from tests.datamodules.official import write_corpus

STEPS = 6
CLOSE = {"rtol": 0.0, "atol": 1e-5}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("place")
    write_corpus(folder / "corpus.jsonl")
    return folder


@functools.cache
def pretrained(place: Path, *overrides: str) -> RunFolder:
    """A finished pre-training of a tiny model, with its weights at steps 1, 2, 3 and 6."""
    spec = spec_of(
        [
            *("experiment=bert_pretrain", "data=corpus", "data.corpus=corpus.jsonl"),
            *("data.vocab_size=120", "data.sequence_length=32", "data.batch_size=4"),
            *("+data.held_out=0.1", "model.num_layers=2", "model.hidden_size=16"),
            *("model.intermediate_size=32", f"trainer.max_steps={STEPS}", "optimizer.lr=0.02"),
            *("runtime.device=cpu", "tracking=disabled"),
            *(f"paths.data={place}", f"paths.runs={place / 'runs'}", *overrides),
        ]
    )
    with torch.enable_grad():
        assert bring_to_end(spec) == State.finished
    return folder_of(spec)


def exported(folder: RunFolder, to: Path, *options: str) -> int:
    runs = folder.path.parents[1]
    return main([folder.path.name[:12], "--runs", str(runs), "--to", str(to), *options])


def module_of(folder: RunFolder, step: int = STEPS) -> tuple[Any, Any]:
    module, data = build_run(folder.spec()["config"])
    module.start_from([load_weights(folder.path, step)])
    return module.eval(), data


def a_batch(data: Any) -> tuple[dict[str, torch.Tensor], torch.Tensor, dict[str, torch.Tensor]]:
    """One of the held-out batches, which of its tokens are real, and the same for transformers."""
    batch = next(iter(data.test_batches()))
    real = batch.get("padding_mask", torch.ones_like(batch["tokens"], dtype=torch.bool))
    given = {
        "input_ids": batch["tokens"],
        "token_type_ids": batch["segments"],
        "attention_mask": real.long(),
    }
    return batch, real, given


@pytest.mark.parametrize(
    ("objective", "kind"),
    [("bert", BertForPreTraining), ("no_nsp", BertForMaskedLM), ("ltr", BertLMHeadModel)],
)
@torch.no_grad()
def test_transformers_computes_what_the_runs_model_does(
    place: Path, tmp_path: Path, objective: str, kind: Any
) -> None:
    folder = pretrained(place, f"objective={objective}")
    assert exported(folder, tmp_path / "bert") == 0
    theirs, report = kind.from_pretrained(tmp_path / "bert", output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    module, data = module_of(folder)
    batch, real, given = a_batch(data)
    hidden, _ = module.hidden_states(batch)
    scores = module.head(hidden[real], module.model.tokens.weight)
    expected = theirs.eval()(**given)
    logits = expected.prediction_logits if objective == "bert" else expected.logits
    torch.testing.assert_close(logits[real], scores, **CLOSE)
    if objective == "bert":
        pairs = module.next_sentence_logits(hidden, batch)
        torch.testing.assert_close(expected.seq_relationship_logits, pairs, **CLOSE)
    encoder = BertModel.from_pretrained(tmp_path / "bert", add_pooling_layer=False).eval()
    torch.testing.assert_close(encoder(**given).last_hidden_state[real], hidden[real], **CLOSE)


@torch.no_grad()
def test_an_earlier_step_is_another_model(place: Path, tmp_path: Path) -> None:
    folder = pretrained(place, "objective=bert")
    assert exported(folder, tmp_path / "bert", "--step", "3") == 0
    theirs = BertForPreTraining.from_pretrained(tmp_path / "bert").eval()
    for step, same in ((3, True), (STEPS, False)):
        module, data = module_of(folder, step)
        batch, real, given = a_batch(data)
        hidden, _ = module.hidden_states(batch)
        found = theirs.bert(**given).last_hidden_state
        assert torch.allclose(found[real], hidden[real], **CLOSE) is same


def test_the_tokenizer_reads_text_as_the_run_did(place: Path, tmp_path: Path) -> None:
    folder = pretrained(place, "objective=bert")
    assert exported(folder, tmp_path / "bert") == 0
    tokenizer = BertTokenizerFast.from_pretrained(tmp_path / "bert")
    text = "The cat sat under one very red mat, unbelievably: it was RED!"
    vocabulary = load_vocabulary(folder.path, STEPS)
    assert vocabulary is not None
    wordpiece = WordPiece(list(vocabulary.tokens), lowercase=vocabulary.lowercase)
    ((ids, _),) = wordpiece.encode_whole([text])
    assert tokenizer(text, add_special_tokens=False)["input_ids"] == ids
    assert len(ids) > 12
    assert tokenizer.model_max_length == 32


def test_what_was_exported_can_be_imported_bit_for_bit(place: Path, tmp_path: Path) -> None:
    folder = pretrained(place, "objective=bert")
    assert exported(folder, tmp_path / "bert") == 0
    parent = imported(tmp_path / "bert", folder.spec()["config"]["model"])
    state = load_weights(folder.path, STEPS)
    assert parent.state.keys() == state.keys()
    assert all(torch.equal(parent.state[name], value) for name, value in state.items())
    assert parent.vocabulary is not None
    vocabulary = load_vocabulary(folder.path, STEPS)
    assert vocabulary is not None
    assert not vocabulary.difference(parent.vocabulary)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("objective=rtl",), "no BERT and cannot be exported: expected attention_mask"),
        (("objective=bert", "position=sinusoidal"), "expected position=learned"),
        (("objective=bert", "model.norm=pre"), "expected norm=post"),
    ],
)
def test_what_no_bert_can_be_is_refused_and_nothing_is_written(
    place: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    overrides: tuple[str, ...],
    said: str,
) -> None:
    folder = pretrained(place, *overrides)
    assert exported(folder, tmp_path / "bert") == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def change(folder: RunFolder, **config: Any) -> None:
    spec = folder.spec()
    spec["config"] |= config
    folder.spec_file.write_text(json.dumps(spec), encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "options", "said"),
    [
        (lambda run: run.done_file.unlink(), (), "waiting: expected a finished run"),
        (lambda run: shutil.rmtree(run.path / "weights"), (), "holds no weights: unpack it with"),
        (lambda run: None, ("--step", "4"), "kept no weights there: expected one of 1, 2, 3, 6"),
        (
            lambda run: change(run, stage="finetune", parents=[{"run_id": "00ff"}]),
            (),
            "of the stage finetune: expected a pre-training, such as 00ff, from which it starts",
        ),
    ],
)
def test_a_run_that_cannot_be_exported_is_a_sentence(
    place: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    spoil: Any,
    options: tuple[str, ...],
    said: str,
) -> None:
    original = pretrained(place, "objective=bert")
    copy = RunFolder(tmp_path / "runs/bert" / original.path.name)
    shutil.copytree(original.path, copy.path)
    copy.attempts_file.unlink()
    spoil(copy)
    assert exported(copy, tmp_path / "bert", *options) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "bert").exists()


def test_a_folder_that_holds_something_and_an_unknown_run_are_mistakes(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = pretrained(place, "objective=bert")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").touch()
    assert exported(folder, tmp_path / "mine") == 2
    assert "mine is there already: type another folder" in capsys.readouterr().err
    assert exported(folder, tmp_path / "mine/notes.txt/bert") == 2
    assert "mine/notes.txt'" in capsys.readouterr().err
    assert main(["ffff", "--runs", str(place / "runs"), "--to", str(tmp_path / "bert")]) == 2
    assert "has an id that begins with 'ffff'" in capsys.readouterr().err
    pretrained(place, "objective=ltr")
    assert main(["bert", "--runs", str(place / "runs"), "--to", str(tmp_path / "bert")]) == 2
    assert "runs: expected one, by its id or its folder" in capsys.readouterr().err


def test_a_run_may_be_named_by_its_folder(place: Path, tmp_path: Path) -> None:
    folder = pretrained(place, "objective=bert")
    assert main([str(folder.path), "--to", str(tmp_path / "bert")]) == 0
    names = {path.name for path in (tmp_path / "bert").iterdir()}
    assert names == {"config.json", "model.safetensors", "vocab.txt", "tokenizer_config.json"}
