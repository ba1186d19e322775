"""Language modelling at several lengths, against losses that are computed one byte at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from datamodules.byte_text import ByteText
from experiments.randomness import streams
from lightning_modules.initialisation import initialise
from lightning_modules.language_modelling import LanguageModellingModule
from lightning_modules.positions.learned import LearnedPositions
from lightning_modules.residual import all_sublayers
from lightning_modules.transformer import Transformer

N = 8


def model(attention_mask: str = "causal", *, num_layers: int = 1) -> Transformer:
    sizes = {"hidden_size": 16, "num_heads": 2, "max_length": 4 * N}
    made = Transformer(
        vocab_size=256,
        num_layers=num_layers,
        intermediate_size=16,
        attention_mask=attention_mask,
        residual=all_sublayers(num_layers),
        position=LearnedPositions(**sizes),
        **sizes,
    ).double()
    initialise(made, seed_for=streams(0), std=0.3)
    return made


def module(**settings) -> LanguageModellingModule:
    context = {"optimizer": {}, "max_steps": 10, "seed_for": streams(0)}
    return LanguageModellingModule(**{"model": model(), **context, **settings})


@pytest.fixture
def data(tmp_path) -> ByteText:
    (tmp_path / "books").mkdir()
    generator = np.random.default_rng(0)
    for number in range(30):
        content = generator.integers(97, 123, 200, dtype=np.uint8).tobytes()
        (tmp_path / "books" / f"{number}.txt").write_bytes(content)
    return ByteText(
        corpus="books",
        length=N,
        evaluate_to=4.0,
        evaluation_bytes=128,
        held_out=0.2,
        data_dir=tmp_path,
        seed_for=streams(0),
        num_workers=0,
    )


def one_by_one(network: Transformer, text: list[int], *, first: int, place: int) -> float:
    """-log p of text[place] where the model sees text[first:place] and nothing else."""
    logits = network(torch.tensor([text[first:place]]))[0, -1]
    return -logits.log_softmax(0)[text[place]].item()


def test_every_score_is_the_mean_of_losses_computed_one_byte_at_a_time(data):
    built = module()
    scores = built.test(data)
    lead, size = data.lead, data.test_text.shape[1] - data.lead - 1
    for name, length in {"x1": N, "x2": 2 * N, "x4": 4 * N}.items():
        plain, late, sliding = [], [], []
        for text in data.test_text.tolist():
            for offset in range(size):
                place = lead + 1 + offset
                start = lead + offset // length * length
                plain.append(one_by_one(built.model, text, first=start, place=place))
                if offset % length >= length - length // 8:
                    late.append(plain[-1])
                quarter = length // 4
                start = lead + offset // quarter * quarter - (length - quarter)
                sliding.append(one_by_one(built.model, text, first=start, place=place))
        assert scores[f"loss_{name}"] == pytest.approx(np.mean(plain), abs=1e-6)
        assert scores[f"last_eighth_{name}"] == pytest.approx(np.mean(late), abs=1e-6)
        assert scores[f"sliding_{name}"] == pytest.approx(np.mean(sliding), abs=1e-6)
    by_eighth = [scores[f"eighth_{number}_x4"] for number in range(1, 9)]
    assert by_eighth[-1] == scores["last_eighth_x4"]
    assert np.mean(by_eighth) == pytest.approx(scores["loss_x4"])


def test_validation_is_the_loss_at_n_on_text_of_its_own(data):
    built = module()
    validation = built.validate(data)["loss"]
    tokens = torch.cat([batch["tokens"] for batch in data.validation_batches()])
    expected = torch.nn.functional.cross_entropy(
        built.model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten()
    )
    assert validation == pytest.approx(expected.item(), abs=1e-6)
    assert validation != built.test(data)["loss_x1"]


def test_sliding_windows_may_be_left_out(data):
    scores = module(sliding=False).test(data)
    assert not [name for name in scores if name.startswith("sliding")]
    assert scores["loss_x4"] == module().test(data)["loss_x4"]


def test_another_mask_would_show_the_answer(data):
    with pytest.raises(ValueError, match="type attention_mask=causal"):
        module(model=model("bidirectional"))


def test_a_parent_of_another_shape_is_refused():
    state = dict(model(num_layers=2).state_dict())
    with pytest.raises(ValueError, match="the parent's weights are of another model"):
        module().start_from([state])
