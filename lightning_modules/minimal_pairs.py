"""Which sentence of a pair does a pre-trained model find likelier? Nothing is trained.

    bidirectional   the sum over tokens of log p(token | all others), each masked in turn: the
                    pseudo-log-likelihood of Salazar et al. (arXiv 1910.14659)
    causal          the sum of log p(token | those before it), from [CLS] on
    reverse         the sum of log p(token | those after it), from [SEP] on

A pseudo-likelihood is no likelihood, and the two directions condition on other things: accuracies
of different objectives are on different scales. So their metrics have different names, and no table
can set one against the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from lightning_modules.base import AblationModule, Batch
from lightning_modules.encoders import Encoders
from lightning_modules.heads.language_model import LanguageModelHead
from lightning_modules.loading import load_part
from lightning_modules.transformer import Transformer

OBJECTIVES = {"bidirectional": "mlm", "causal": "ltr", "reverse": "rtl"}
ROWS = 512  # masked copies that are scored at a time


class MinimalPairsModule(AblationModule):
    """Scores sentences with the encoder and the language-model head of one parent.

    mask_token: the id of [MASK].
    """

    version = 1

    def __init__(
        self,
        *,
        encoders: Encoders,
        mask_token: int,
        optimizer: dict[str, Any],
        max_steps: int,
        seed_for: Callable[[str, int], int],
    ) -> None:
        super().__init__(
            model=encoders, optimizer=optimizer, max_steps=max_steps, seed_for=seed_for
        )
        if len(encoders.encoders) != 1:
            raise ValueError(
                "minimal pairs are scored by one model, and this arm has "
                f"{len(encoders.encoders)}, which have no likelihood in common: choose another arm"
            )
        if max_steps:
            raise ValueError(
                f"minimal pairs are scored as pre-training left the model, and max_steps is "
                f"{max_steps}: type trainer.max_steps=0"
            )
        encoder = encoders.encoders[0]
        assert isinstance(encoder, Transformer)
        self.encoder = encoder
        self.objective = OBJECTIVES[encoder.attention_mask]
        self.mask_token = mask_token
        self.head = LanguageModelHead(
            hidden_size=encoder.hidden_size,
            vocab_size=encoder.tokens.num_embeddings,
            activation=encoder.activation,
            layer_norm_eps=encoder.norm.eps,
        )

    def start_from(self, states: list[dict[str, torch.Tensor]]) -> None:
        """Take the parent's encoder and head; ValueError where they are of another model."""
        load_part(self.encoder, states[0], "model.")
        load_part(self.head, states[0], "head.")

    def token_scores(
        self, tokens: torch.Tensor, padding_mask: torch.Tensor, at: torch.Tensor, of: torch.Tensor
    ) -> torch.Tensor:
        """log p of the tokens `of` [N] predicted at the flat indices `at` [N] into [B * T]."""
        hidden = self.encoder.encode(
            tokens, segments=torch.zeros_like(tokens), padding_mask=padding_mask
        )
        states = hidden.flatten(0, 1).index_select(0, at)
        log_p = F.log_softmax(self.head(states, self.encoder.tokens.weight).float(), dim=-1)
        return log_p.gather(1, of[:, None])[:, 0]

    def scores(self, batch: Batch) -> torch.Tensor:
        """The (pseudo-)log-likelihood [B] of the sentences, [CLS] and [SEP] given."""
        tokens, real = batch["tokens"], batch["padding_mask"]
        words = real.clone()
        words[:, 0] = False
        words[:, :-1] &= real[:, 1:]  # all but the last real one, which is [SEP]
        words[:, -1] = False
        rows, places = words.nonzero(as_tuple=True)
        of = tokens[rows, places]
        if self.objective == "mlm":
            found = torch.cat(
                [
                    self._masked_scores(tokens, real, rows[i : i + ROWS], places[i : i + ROWS])
                    for i in range(0, len(rows), ROWS)
                ]
            )
        else:
            before = -1 if self.objective == "ltr" else 1
            found = self.token_scores(tokens, real, rows * tokens.shape[1] + places + before, of)
        return torch.zeros(len(tokens), device=tokens.device).index_add(0, rows, found)

    def _masked_scores(
        self, tokens: torch.Tensor, real: torch.Tensor, rows: torch.Tensor, places: torch.Tensor
    ) -> torch.Tensor:
        copies = tokens[rows]
        each = torch.arange(len(rows), device=tokens.device)
        copies[each, places] = self.mask_token
        return self.token_scores(
            copies, real[rows], each * tokens.shape[1] + places, tokens[rows, places]
        )

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        """The mean negative score; no step is ever taken."""
        return -self.scores(batch).mean()

    @torch.no_grad()
    def predict(self, batches: Iterable[Batch]) -> np.ndarray:
        """The score of every sentence, in order."""
        self.eval()
        found = [
            self.scores({name: tensor.to(self.device) for name, tensor in batch.items()}).cpu()
            for batch in batches
        ]
        return torch.cat(found).double().numpy()

    def evaluate(self, batches: Iterable[Batch]) -> dict[str, float]:
        """loss: the mean negative score of a sentence."""
        return {"loss": -float(self.predict(batches).mean())}

    def test(self, datamodule: Any) -> dict[str, float | None]:
        """blimp_mlm, or blimp_ltr, or blimp_rtl: the share of pairs told right, and of each
        phenomenon, such as blimp_mlm_island_effects."""
        accuracies = datamodule.accuracies(self.predict(datamodule.test_batches()))
        return {
            f"blimp_{self.objective}" + (f"_{name}" if name else ""): accuracy
            for name, accuracy in accuracies.items()
        }
