"""Addition: predict each digit of the sum from the prompt and the digits before it.

Under a causal mask one pass over prompt and answer gives every digit's prediction. Under any other
mask that pass would show the answer to its own predictor, so each digit is predicted at the last
token of its own prefix, in a pass of its own: digits + 1 passes, with no padding anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.nn import functional as F
from torchmetrics import MeanMetric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassExactMatch

from lightning_modules.base import AblationModule, Batch
from lightning_modules.measures.order import GENERATORS, measure_order
from lightning_modules.transformer import Transformer

PROBE_SEQUENCES = 256


class AdditionModule(AblationModule):
    """tokens [B, P + A]: P prompt tokens, then A answer digits."""

    version = 1

    def __init__(
        self,
        *,
        model: Transformer,
        prompt_length: int,
        vocab_size: int,
        optimizer: dict[str, Any],
        max_steps: int,
        seed_for: Callable[[str, int], int],
    ) -> None:
        super().__init__(model=model, optimizer=optimizer, max_steps=max_steps, seed_for=seed_for)
        self.prompt_length = prompt_length
        self.vocab_size = vocab_size

    def one_pass_logits(self, tokens: torch.Tensor) -> torch.Tensor:
        """[B, A, V], all digits in one pass; only a causal model may use it."""
        hidden = self.model.encode(tokens[:, :-1])
        return self.model.logits(hidden[:, self.prompt_length - 1 :])

    def prefix_logits(self, tokens: torch.Tensor) -> torch.Tensor:
        """[B, A, V], digit t predicted at the last token of the prefix that ends before it."""
        lengths = range(self.prompt_length, tokens.shape[1])
        last = [self.model.encode(tokens[:, :length])[:, -1] for length in lengths]
        return self.model.logits(torch.stack(last, dim=1))

    def answer_logits(self, tokens: torch.Tensor) -> torch.Tensor:
        """[B, A, V], by the cheapest scheme that does not show a digit to its own predictor."""
        causal = self.model.attention_mask == "causal"
        return self.one_pass_logits(tokens) if causal else self.prefix_logits(tokens)

    def loss(self, logits: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """Cross-entropy, the mean over problems and answer digits."""
        answers = tokens[:, self.prompt_length :]
        return F.cross_entropy(logits.flatten(0, 1), answers.flatten())

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        return self.loss(self.answer_logits(batch["tokens"]), batch["tokens"])

    @torch.no_grad()
    def evaluate(self, batches: Iterable[Batch]) -> dict[str, float]:
        """loss, exact_match (all digits right) and digit_accuracy.

        Scored with the true digits before each one: greedy generation is right exactly when each
        of these predictions is.
        """
        scores = MetricCollection(
            {
                "exact_match": MulticlassExactMatch(self.vocab_size),
                "digit_accuracy": MulticlassAccuracy(self.vocab_size, average="micro"),
            }
        ).to(self.device)
        loss = MeanMetric().to(self.device)
        was_training = self.training
        self.eval()
        for batch in batches:
            tokens = batch["tokens"].to(self.device)
            logits = self.answer_logits(tokens)
            scores.update(logits.argmax(-1), tokens[:, self.prompt_length :])
            loss.update(self.loss(logits, tokens), weight=len(tokens))
        self.train(was_training)
        values = {name: value.item() for name, value in scores.compute().items()}
        return {"loss": loss.compute().item(), **values}

    def measure(self, datamodule: Any) -> dict[str, float | None]:
        """How much order the model can see, on the same prompts and draws at every step."""
        tokens = next(iter(datamodule.test_batches()))["tokens"][:PROBE_SEQUENCES]
        prompts = tokens[:, : self.prompt_length].to(self.device)
        draw = self._generator("random_tokens")
        random_tokens = torch.randint(self.vocab_size, prompts.shape, generator=draw)
        generators = {name: self._generator(name) for name in GENERATORS}
        return measure_order(self.model, prompts, random_tokens.to(self.device), generators)

    def _generator(self, name: str) -> torch.Generator:
        return torch.Generator().manual_seed(self.seed_for(f"probe/{name}", 0))

    def test(self, datamodule: Any) -> dict[str, float | None]:
        """The test scores; the same with operands swapped (a null perturbation: the sum stays) and
        with the prompt shuffled (all tokens but the last: what is left is what needs no order)."""
        scores: dict[str, float | None] = dict(self.evaluate(datamodule.test_batches()))
        scores["test_loss"] = scores.pop("loss")
        generator = self._generator("shuffled")
        perturbations = {
            "swapped": datamodule.swapped,
            "shuffled": lambda tokens: datamodule.shuffled(tokens, generator),
        }
        for name, perturb in perturbations.items():
            batches = [{"tokens": perturb(b["tokens"])} for b in datamodule.test_batches()]
            perturbed = self.evaluate(batches)
            scores[f"{name}_exact_match"] = perturbed["exact_match"]
            scores[f"{name}_digit_accuracy"] = perturbed["digit_accuracy"]
        scores["test_size"] = sum(len(batch["tokens"]) for batch in datamodule.test_batches())
        return scores
