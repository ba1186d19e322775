"""Tokens a second of one pre-training step beside Hugging Face's, in one process, turn by turn.

    python -m benchmarks pretraining --rounds 9             2 x 128 and 4 x 256, dropout 0.1 and 0
    python -m benchmarks.pretraining memory 2 128 0.1 bert  a step's peak memory, a fresh process

A step is forward, backward and AdamW on 32 sequences of 128 tokens, vocabulary 30,522, float32,
one thread; all models get the same tokens, the same dropout and the same optimiser. The masked
models predict 15 % of the tokens and whether the second segment follows; the directional ones
predict every next token.

Seconds are processor seconds of this process, which on an idle core are seconds: so other work on
the machine takes little away from either side. The order turns with each round, and what is told is
the median over rounds of the ratio within a round.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.nn import functional as F

from benchmarks.memory import forget_peak, peak_mebibytes
from experiments.randomness import streams
from lightning_modules.base import Batch
from lightning_modules.initialisation import initialise
from lightning_modules.optimizers import make_optimizer
from lightning_modules.positions.learned import LearnedPositions
from lightning_modules.pretraining import PretrainingModule
from lightning_modules.residual import all_sublayers
from lightning_modules.transformer import Transformer

ROOT = Path(__file__).resolve().parent.parent
BATCH, LENGTH, VOCAB = 32, 128, 30_522
MASKED = 19  # 15 % of 128
OPTIMIZER = {
    "lr": 1e-4,
    "beta1": 0.9,
    "beta2": 0.999,
    "eps": 1e-6,
    "weight_decay": 0.01,
    "bias_correction": True,
}
Loss = Callable[[], torch.Tensor]


class Size(NamedTuple):
    num_layers: int
    hidden_size: int
    dropout: float

    @property
    def num_heads(self) -> int:
        return self.hidden_size // 64


def masked_batch() -> Batch:
    generator = torch.Generator().manual_seed(0)
    order = torch.rand(BATCH, LENGTH, generator=generator).argsort(1)[:, :MASKED].sort(1).values
    return {
        "tokens": torch.randint(VOCAB, (BATCH, LENGTH), generator=generator),
        "segments": (torch.arange(LENGTH) >= LENGTH // 2).long().repeat(BATCH, 1),
        "predict": (order + LENGTH * torch.arange(BATCH)[:, None]).flatten(),
        "targets": torch.randint(VOCAB, (BATCH * MASKED,), generator=generator),
        "next_sentence": torch.arange(BATCH) % 2,
    }


def next_token_batch() -> Batch:
    """Every token but the first is predicted from the position before it."""
    tokens = masked_batch()["tokens"]
    flat = torch.arange(BATCH * LENGTH).view(BATCH, LENGTH)
    return {
        "tokens": tokens,
        "predict": flat[:, :-1].flatten(),
        "targets": tokens[:, 1:].flatten(),
    }


def ours(size: Size, *, attention_mask: str) -> tuple[torch.nn.Module, Loss]:
    causal = attention_mask == "causal"
    model = Transformer(
        vocab_size=VOCAB,
        max_length=512,
        num_layers=size.num_layers,
        hidden_size=size.hidden_size,
        num_heads=size.num_heads,
        intermediate_size=4 * size.hidden_size,
        attention_mask=attention_mask,
        residual=all_sublayers(size.num_layers),
        position=LearnedPositions(
            hidden_size=size.hidden_size, num_heads=size.num_heads, max_length=512
        ),
        norm="post",
        layer_norm_eps=1e-12,
        dropout=size.dropout,
        num_segments=0 if causal else 2,
        output=False,
    )
    initialise(model, seed_for=streams(0), std=0.02)
    module = PretrainingModule(
        nsp=not causal,
        head_std=0.02,
        model=model,
        optimizer=OPTIMIZER,
        max_steps=1,
        seed_for=streams(0),
    )
    batch = next_token_batch() if causal else masked_batch()
    return module, lambda: module.training_step(batch, 0)


def hugging_face_config(size: Size, **changes: Any) -> Any:
    from transformers import BertConfig

    return BertConfig(
        vocab_size=VOCAB,
        hidden_size=size.hidden_size,
        num_hidden_layers=size.num_layers,
        num_attention_heads=size.num_heads,
        intermediate_size=4 * size.hidden_size,
        hidden_dropout_prob=size.dropout,
        attention_probs_dropout_prob=size.dropout,
        **changes,
    )


def as_shipped(size: Size) -> tuple[torch.nn.Module, Loss]:
    """BertForPreTraining as it is: scores at every position, labels -100 where none is wanted."""
    from transformers import BertForPreTraining

    model, batch = BertForPreTraining(hugging_face_config(size)), masked_batch()
    labels = torch.full((BATCH * LENGTH,), -100)
    labels[batch["predict"]] = batch["targets"]
    given = {
        "input_ids": batch["tokens"],
        "token_type_ids": batch["segments"],
        "labels": labels.view(BATCH, LENGTH),
        "next_sentence_label": batch["next_sentence"],
    }
    return model, lambda: model(**given).loss


def masked_only(size: Size) -> tuple[torch.nn.Module, Loss]:
    """BertForPreTraining's encoder and heads, the token head on the masked positions alone."""
    from transformers import BertForPreTraining

    model, batch = BertForPreTraining(hugging_face_config(size)), masked_batch()

    def loss() -> torch.Tensor:
        encoded = model.bert(input_ids=batch["tokens"], token_type_ids=batch["segments"])
        states = encoded.last_hidden_state.flatten(0, 1)[batch["predict"]]
        token_loss = F.cross_entropy(model.cls.predictions(states), batch["targets"])
        pairs = model.cls.seq_relationship(encoded.pooler_output)
        return token_loss + F.cross_entropy(pairs, batch["next_sentence"])

    return model, loss


def causal_bert(size: Size) -> tuple[torch.nn.Module, Loss]:
    from transformers import BertLMHeadModel

    config = hugging_face_config(size, is_decoder=True, use_cache=False)
    model, tokens = BertLMHeadModel(config), masked_batch()["tokens"]
    return model, lambda: model(input_ids=tokens, labels=tokens).loss


def gpt2(size: Size) -> tuple[torch.nn.Module, Loss]:
    from transformers import GPT2Config, GPT2LMHeadModel

    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=VOCAB,
            n_positions=512,
            n_embd=size.hidden_size,
            n_layer=size.num_layers,
            n_head=size.num_heads,
            embd_pdrop=size.dropout,
            attn_pdrop=size.dropout,
            resid_pdrop=size.dropout,
            use_cache=False,
        )
    )
    tokens = masked_batch()["tokens"]
    return model, lambda: model(input_ids=tokens, labels=tokens).loss


CONTENDERS: dict[str, Callable[[Size], tuple[torch.nn.Module, Loss]]] = {
    "bert": lambda size: ours(size, attention_mask="bidirectional"),
    "BertForPreTraining, as shipped": as_shipped,
    "BertForPreTraining, head on masked positions": masked_only,
    "ltr": lambda size: ours(size, attention_mask="causal"),
    "BertLMHeadModel, causal": causal_bert,
    "GPT2LMHeadModel": gpt2,
}
# Ours, and whom it is compared with.
COMPARISONS = {
    "bert": [
        "BertForPreTraining, as shipped",
        "BertForPreTraining, head on masked positions",
    ],
    "ltr": ["BertLMHeadModel, causal", "GPT2LMHeadModel"],
}


def make_step(name: str, size: Size) -> Callable[[], None]:
    """The whole step of one contender: forward, backward, AdamW."""
    torch.manual_seed(0)
    model, loss = CONTENDERS[name](size)
    optimizer = make_optimizer(model.train().parameters(), OPTIMIZER)

    def step() -> None:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    return step


def seconds(step: Callable[[], None]) -> float:
    began = time.process_time()
    step()
    return time.process_time() - began


def race(names: list[str], size: Size, *, rounds: int) -> dict[str, list[float]]:
    """Seconds of each contender's step in each round, after one step that is not counted."""
    steps = {name: make_step(name, size) for name in names}
    for step in steps.values():
        step()
    taken: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            taken[name].append(seconds(steps[name]))
    return taken


def peak_megabytes(name: str, size: Size) -> float:
    """Peak resident memory of three steps in a process of its own, beyond that of its imports."""
    arguments = [str(value) for value in size] + [name]
    command = [sys.executable, "-m", "benchmarks.pretraining", "memory", *arguments]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def measure_memory(name: str, size: Size) -> None:
    CONTENDERS[name](Size(1, 64, size.dropout))  # its imports are not what is measured
    forget_peak()
    before = peak_mebibytes()
    step = make_step(name, size)
    for _ in range(3):
        step()
    print(peak_mebibytes() - before)


def report(size: Size, *, rounds: int) -> None:
    print(f"{size.num_layers} x {size.hidden_size}, dropout {size.dropout}, {rounds} rounds")
    for mine, others in COMPARISONS.items():
        taken = race([mine, *others], size, rounds=rounds)
        for name, times in taken.items():
            ratios = sorted(t / o for t, o in zip(times, taken[mine], strict=True))
            line = f"  {name:<46}{BATCH * LENGTH / statistics.median(times):8,.0f} tokens/s"
            line += f"{peak_megabytes(name, size):8,.0f} MB"
            if name != mine:
                line += f"   ours is {statistics.median(ratios):.2f} times as fast"
                line += f" ({ratios[0]:.2f} to {ratios[-1]:.2f})"
            print(line, flush=True)


def main(*, rounds: int) -> None:
    torch.set_num_threads(1)
    for dropout in (0.1, 0.0):
        for num_layers, hidden_size in ((2, 128), (4, 256)):
            report(Size(num_layers, hidden_size, dropout), rounds=rounds)


if __name__ == "__main__":
    torch.set_num_threads(1)
    _, num_layers, hidden_size, dropout, contender = sys.argv[1:]
    measure_memory(contender, Size(int(num_layers), int(hidden_size), float(dropout)))
