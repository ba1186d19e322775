"""Fine-tuning: one task on top of one or more pre-trained encoders, all of it trained, or the head.

    kind = "classification"    pooled vector -> dropout, linear           labels [B]
    kind = "regression"        the same with one output, squared error    labels [B]
    kind = "span"              a start and an end score for each token    start, end [B]
    kind = "tagging"           dropout, linear on each token              labels [B, T]

The task's datamodule turns outputs into scores; this module knows of a task no more than its kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from lightning_modules.base import AblationModule, Batch
from lightning_modules.encoders import Encoders
from lightning_modules.heads.bilstm import BiLSTM
from lightning_modules.heads.classifier import Classifier
from lightning_modules.heads.layers import LayerChoice
from lightning_modules.heads.pooler import Pooler
from lightning_modules.heads.span import SpanHead
from lightning_modules.initialisation import initialise
from lightning_modules.loading import load_part

IGNORED = -100  # the label of a token that is not scored
POOLED = ("classification", "regression")  # kinds with one answer for the whole sequence


class FinetuningModule(AblationModule):
    """Encoders, optionally a BiLSTM, and the task's head.

    pooling: the token whose state stands for the sequence; "auto" takes for each encoder the end
        that has seen all of it: the first token, or the last one under a left-to-right mask.
    bilstm_layers: 0 for none; bilstm_size: of each direction, 0 for half the encoders' width;
        bilstm_lr: its own learning rate, since it starts from random values (null: the others').
    frozen: the encoders are features and only what is on top is trained.
    layers: which hidden states are read, as in BERT's Table 7.
    head_std: of the pooler's and the head's initial matrices.
    """

    version = 1

    def __init__(
        self,
        *,
        pooling: Literal["auto", "first", "last"] = "auto",
        bilstm_layers: int = 0,
        bilstm_size: int = 0,
        bilstm_lr: float | None = None,
        frozen: bool = False,
        layers: Literal[
            "last", "embeddings", "second_to_last", "sum_last_four", "concat_last_four", "sum_all"
        ] = "last",
        dropout: float = 0.1,
        head_std: float,
        encoders: Encoders,
        kind: str,
        num_labels: int,
        optimizer: dict[str, Any],
        max_steps: int,
        seed_for: Callable[[str, int], int],
    ) -> None:
        super().__init__(
            model=encoders, optimizer=optimizer, max_steps=max_steps, seed_for=seed_for
        )
        self.kind = kind
        self.frozen = frozen
        self.bilstm_lr = bilstm_lr
        choices = [LayerChoice(layers, num_layers=depth) for depth in encoders.depths]
        self.choices = nn.ModuleList(choices)
        sizes = [size * choice.width for size, choice in zip(encoders.sizes, choices, strict=True)]
        ends = encoders.poolings if pooling == "auto" else [pooling] * len(sizes)
        self.bilstm: BiLSTM | None = None
        if bilstm_layers:
            size = bilstm_size or sum(sizes) // 2
            self.bilstm = BiLSTM(input_size=sum(sizes), hidden_size=size, num_layers=bilstm_layers)
            # An LSTM of standard deviation 0.02 would pass on next to nothing.
            std = (3 * size) ** -0.5
            initialise(self.bilstm, seed_for=seed_for, std=std, prefix="bilstm.")
            # Each direction has read everything at its own end.
            sizes, ends = [size, size], ["last", "first"]
        self.pooler: Pooler | None = None
        if kind in POOLED:
            self.pooler = Pooler(sizes=sizes, pooling=ends)
            initialise(self.pooler, seed_for=seed_for, std=head_std, prefix="pooler.")
        self.head = (
            SpanHead(hidden_size=sum(sizes))
            if kind == "span"
            else Classifier(hidden_size=sum(sizes), num_labels=num_labels, dropout=dropout)
        )
        initialise(self.head, seed_for=seed_for, std=head_std, prefix="head.")
        if frozen:
            encoders.requires_grad_(False).eval()  # features have no dropout

    def start_from(self, states: list[dict[str, torch.Tensor]]) -> None:
        """Take each parent's encoder, and a single parent's pooler where it trained one that fits.

        Raises ValueError where the weights are of another model.
        """
        for encoder, state in zip(self.model.encoders, states, strict=True):
            load_part(encoder, state, "model.")
        if self.pooler is None or self.bilstm is not None or len(states) > 1:
            return
        trained = states[0].get("pooler.dense.weight")
        if trained is not None and trained.shape == self.pooler.dense.weight.shape:
            load_part(self.pooler, states[0], "pooler.")

    def configure_parameters(self) -> list[dict[str, Any]]:
        groups = super().configure_parameters()
        if self.bilstm is None or self.bilstm_lr is None:
            return groups
        own = {id(parameter) for parameter in self.bilstm.parameters()}
        split = []
        for group in groups:
            for is_own in (False, True):
                parameters = [p for p in group["params"] if (id(p) in own) == is_own]
                rate = {"lr": self.bilstm_lr} if is_own else {}
                if parameters:
                    split.append({**group, "params": parameters, **rate})
        return split

    def states(self, batch: Batch) -> torch.Tensor:
        """What the head reads: [B, T, D]."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            hidden = self.model.layers(
                batch["tokens"], segments=batch["segments"], padding_mask=batch["padding_mask"]
            )
        x = torch.cat([choose(h) for choose, h in zip(self.choices, hidden, strict=True)], dim=-1)
        return x if self.bilstm is None else self.bilstm(x, batch["padding_mask"])

    def outputs(self, batch: Batch) -> dict[str, torch.Tensor]:
        """logits [B, C] or [B, T, C]; for spans start and end [B, T]."""
        states = self.states(batch)
        if self.kind == "span":
            start, end = self.head(states, batch["padding_mask"])
            return {"start": start, "end": end}
        if self.pooler is not None:
            states = self.pooler(states, batch["padding_mask"])
        return {"logits": self.head(states)}

    def loss(self, outputs: dict[str, torch.Tensor], batch: Batch) -> torch.Tensor:
        if self.kind == "span":
            parts = [F.cross_entropy(outputs[end], batch[end]) for end in ("start", "end")]
            return (parts[0] + parts[1]) / 2
        if self.kind == "regression":
            return F.mse_loss(outputs["logits"][:, 0], batch["labels"])
        return F.cross_entropy(
            outputs["logits"].flatten(0, -2), batch["labels"].flatten(), ignore_index=IGNORED
        )

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        return self.loss(self.outputs(batch), batch)

    def train(self, mode: bool = True) -> FinetuningModule:
        super().train(mode)
        if self.frozen:
            self.model.eval()
        return self

    @torch.no_grad()
    def predict(self, batches: Iterable[Batch]) -> tuple[dict[str, np.ndarray], float]:
        """The outputs on all batches, one array each, padded to the longest; and the mean loss."""
        was_training = self.training
        self.eval()
        collected: list[dict[str, torch.Tensor]] = []
        losses = []
        for batch in batches:
            batch = {name: tensor.to(self.device) for name, tensor in batch.items()}
            outputs = self.outputs(batch)
            losses.append((self.loss(outputs, batch).item(), len(batch["tokens"])))
            collected.append({name: value.float().cpu() for name, value in outputs.items()})
        self.train(was_training)
        mean = sum(loss * count for loss, count in losses) / sum(count for _, count in losses)
        return {name: _stacked([c[name] for c in collected]) for name in collected[0]}, mean

    def validate(self, datamodule: Any) -> dict[str, float]:
        """loss, and the task's own scores."""
        outputs, loss = self.predict(datamodule.validation_batches())
        return {"loss": loss, **datamodule.score("validation", outputs)}

    def test(self, datamodule: Any) -> dict[str, float | None]:
        """The task's own scores on its test set."""
        outputs, loss = self.predict(datamodule.test_batches())
        return {"test_loss": loss, **datamodule.score("test", outputs)}


def _stacked(parts: list[torch.Tensor]) -> np.ndarray:
    """Batches one under the other; shorter ones are padded with -inf at the end of axis 1."""
    if parts[0].dim() > 1:
        longest = max(part.shape[1] for part in parts)
        parts = [
            F.pad(part, (0, 0) * (part.dim() - 2) + (0, longest - part.shape[1]), value=-torch.inf)
            for part in parts
        ]
    return torch.cat(parts).numpy()
