"""Pre-training: predict tokens, and (with `nsp`) whether the second segment follows the first.

The batch says which token is to be predicted from which position's state, so masked, left-to-right
and right-to-left objectives are one and the same module:

    tokens, segments, padding_mask   [B, T]; the mask, True at real tokens, only where some are not
    predict, targets                 [N] flat indices into B * T, and the tokens wanted there
    next_sentence                    [B] 0 where the second segment follows the first, 1 where not

Shapes: B sequences, T tokens, N predictions, D hidden size.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torchmetrics import MeanMetric

from lightning_modules.base import AblationModule, Batch
from lightning_modules.heads.language_model import LanguageModelHead
from lightning_modules.heads.pooler import Pooler
from lightning_modules.initialisation import initialise
from lightning_modules.loading import load_part
from lightning_modules.transformer import Transformer


class PretrainingModule(AblationModule):
    """A Transformer, the language-model head tied to its token embedding, and the NSP head.

    head_std: of the heads' initial matrices.
    nsp: with next-sentence prediction. Without it there is neither a pooler nor its head, and a
    batch's `next_sentence` is not looked at.
    """

    version = 1

    def __init__(
        self,
        *,
        nsp: bool = True,
        head_std: float,
        model: Transformer,
        optimizer: dict[str, Any],
        max_steps: int,
        seed_for: Callable[[str, int], int],
    ) -> None:
        super().__init__(model=model, optimizer=optimizer, max_steps=max_steps, seed_for=seed_for)
        if model.output is not None and model.output.weight is not model.tokens.weight:
            raise ValueError(
                "pre-training predicts tokens through the token embedding, and model.output would "
                "never be trained: type model.tie_embeddings=true"
            )
        self.head = LanguageModelHead(
            hidden_size=model.hidden_size,
            vocab_size=model.tokens.num_embeddings,
            activation=model.activation,
            layer_norm_eps=model.norm.eps,
        )
        self.pooler: Pooler | None = None
        self.next_sentence: nn.Linear | None = None
        if nsp:
            self.pooler = Pooler(sizes=[model.hidden_size], pooling=[model.pooling])
            self.next_sentence = nn.Linear(model.hidden_size, 2)
        for name, part in self.named_children():
            if name != "model":
                initialise(part, seed_for=seed_for, std=head_std, prefix=f"{name}.")

    def start_from(self, states: list[dict[str, torch.Tensor]]) -> None:
        """Take the parent's encoder and heads, to go on, or to be scored at a step of its weights.

        Raises ValueError for several parents, or where the weights are of another model.
        """
        if len(states) != 1:
            raise ValueError(
                f"pre-training goes on from one model, and this arm has {len(states)}: choose "
                "another arm"
            )
        for name, part in self.named_children():
            load_part(part, states[0], f"{name}.")

    def exported_state(self) -> dict[str, torch.Tensor]:
        """What a later stage may load: `model.*`, `head.*` and, with nsp, `pooler.*` and
        `next_sentence.*`. A tied output embedding stands there once, as model.tokens.weight."""
        return {name: parameter.detach() for name, parameter in self.named_parameters()}

    def hidden_states(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """The encoder's final states [B, T, D], and those [N, D] that predict a token."""
        hidden = self.model.encode(
            batch["tokens"],
            segments=batch.get("segments"),
            padding_mask=batch.get("padding_mask"),
        )
        return hidden, hidden.flatten(0, 1).index_select(0, batch["predict"])

    def next_sentence_logits(self, hidden: torch.Tensor, batch: Batch) -> torch.Tensor:
        """[B, 2] from the pooled states."""
        assert self.pooler is not None
        assert self.next_sentence is not None
        return self.next_sentence(self.pooler(hidden, batch.get("padding_mask")))

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        """The mean loss of a predicted token plus the mean loss of a pair."""
        hidden, states = self.hidden_states(batch)
        loss = self.head.loss(states, self.model.tokens.weight, batch["targets"])
        if self.next_sentence is not None:
            logits = self.next_sentence_logits(hidden, batch)
            loss = loss + F.cross_entropy(logits, batch["next_sentence"])
        return loss

    @torch.no_grad()
    def evaluate(self, batches: Iterable[Batch]) -> dict[str, float]:
        """loss, token_loss, token_accuracy; with nsp also nsp_loss and nsp_accuracy."""
        means: dict[str, MeanMetric] = defaultdict(MeanMetric)
        was_training = self.training
        self.eval()
        for batch in batches:
            batch = {name: tensor.to(self.device) for name, tensor in batch.items()}
            hidden, states = self.hidden_states(batch)
            targets = batch["targets"]
            loss, accuracy = self.head.score(states, self.model.tokens.weight, targets)
            means["token_loss"].update(loss, weight=len(targets))
            means["token_accuracy"].update(accuracy, weight=len(targets))
            if self.next_sentence is not None:
                logits, labels = self.next_sentence_logits(hidden, batch), batch["next_sentence"]
                right = (logits.argmax(1) == labels).float().mean()
                means["nsp_loss"].update(F.cross_entropy(logits, labels).cpu(), weight=len(labels))
                means["nsp_accuracy"].update(right.cpu(), weight=len(labels))
        self.train(was_training)
        scores = {name: mean.compute().item() for name, mean in means.items()}
        return {"loss": scores["token_loss"] + scores.get("nsp_loss", 0.0), **scores}
