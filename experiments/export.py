"""A pre-trained model as a folder in Hugging Face's layout, which `transformers` loads.

    python -m experiments.export 0123456789abcdef --to exported      the id, or the beginning of it
    python -m experiments.export runs/bert/0123456789abcdef --to exported --step 800

config.json and model.safetensors are those of a BertForPreTraining; of a run without next-sentence
prediction of a BertForMaskedLM, or from left to right of a BertLMHeadModel. vocab.txt and
tokenizer_config.json stand beside them where the run was trained on text, and arm=imported
fine-tunes such a folder.

Exit code 0: written; 2: a mistake in the command, or a model that no BERT can be.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from datamodules.vocabulary import Vocabulary
from experiments.errors import UserError
from experiments.find import select
from experiments.store import RunFolder


def find(runs: Path, word: str) -> RunFolder:
    """The one finished pre-training that the word names."""
    found = select(runs, [word])
    if len(found) != 1:
        raise UserError(f"'{word}' names {len(found)} runs: expected one, by its id or its folder")
    (folder,) = found
    if not folder.is_done():
        raise UserError(f"{folder.path} is {folder.state()}: expected a finished run")
    config = folder.spec()["config"]
    if config["stage"] != "pretrain":
        parents = ", ".join(parent["run_id"] for parent in config["parents"])
        starts = f", such as {parents}, from which it starts" if parents else ""
        raise UserError(
            f"{folder.path} is of the stage {config['stage']}: expected a pre-training{starts}"
        )
    return folder


def chosen_step(folder: RunFolder, step: int | None) -> int:
    """The step itself, or the last one, of those whose weights are there."""
    kept = sorted(int(path.stem) for path in folder.path.glob("weights/*.safetensors"))
    if not kept:
        raise UserError(
            f"{folder.path} holds no weights: unpack it with them (python -m experiments.store "
            "pack --weights), or pre-train with runtime.keep_weights=1"
        )
    if step is not None and step not in kept:
        raise UserError(
            f"--step {step}: {folder.path} kept no weights there: expected one of "
            f"{', '.join(map(str, kept))}"
        )
    return kept[-1] if step is None else step


def load(folder: RunFolder, step: int) -> Any:
    """The PretrainingModule of a run, with its weights at a step."""
    from experiments.components import build
    from experiments.randomness import streams
    from experiments.weights import load_weights
    from experiments.worker import build_model

    config, state = folder.spec()["config"], load_weights(folder.path, step)
    length = config["data"]["sequence_length"]
    model = build_model(
        config,
        attention_mask=config["attention_mask"],
        vocab_size=len(state["model.tokens.weight"]),
        max_length=length,
        trained_length=length,
    )
    module = build(
        config["module"],
        model=model,
        head_std=config["model"]["init"]["std"],
        optimizer=config["optimizer"],
        max_steps=config["trainer"]["max_steps"],
        seed_for=streams(config["seed"]),
    )
    module.start_from([state])
    return module


def export(folder: RunFolder, to: Path, *, step: int) -> str:
    """Write the folder, whole or not at all; returns the name of the class that loads it.

    Raises ValueError where the model is no BERT.
    """
    from experiments.weights import load_vocabulary
    from lightning_modules.huggingface import Bert, make_config, save_bert

    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise UserError(f"{to} is there already: type another folder, --to <folder>")
    module = load(folder, step)
    bert = Bert(module.model, module.pooler, module.head, module.next_sentence)
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=to.parent) as place:
        whole = Path(place) / "whole"
        save_bert(whole, bert)
        if vocabulary := load_vocabulary(folder.path, step):
            save_vocabulary(whole, vocabulary, max_length=bert.model.max_length)
        whole.replace(to)
    return make_config(bert)["architectures"][0]


def save_vocabulary(folder: Path, vocabulary: Vocabulary, *, max_length: int) -> None:
    """As `transformers` reads it for a BertTokenizer."""
    text = "".join(f"{token}\n" for token in vocabulary.tokens)
    (folder / "vocab.txt").write_text(text, encoding="utf-8")
    settings = {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": vocabulary.lowercase,
        "model_max_length": max_length,
    }
    text = json.dumps(settings, indent=2) + "\n"
    (folder / "tokenizer_config.json").write_text(text, encoding="utf-8")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m experiments.export",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("run", help="its id, the beginning of it, or its folder")
    add("--to", type=Path, required=True, help="the folder to write, new or empty")
    add("--step", type=int, help="of those at which weights were kept (default: the last)")
    add("--runs", type=Path, default=Path("runs"), help="the folder of runs")
    options = parser.parse_args(arguments)
    try:
        folder = find(options.runs, options.run)
        step = chosen_step(folder, options.step)
        kind = export(folder, options.to, step=step)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{options.to}: {folder.path.name} at step {step}; {kind}.from_pretrained loads it")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
