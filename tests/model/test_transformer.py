"""The Transformer against PyTorch's own encoder, BERT's parameter count and its masks' meaning."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from lightning_modules.attention import attend_on_cpu
from lightning_modules.initialisation import initialise
from lightning_modules.positions.base import PositionEncoding
from lightning_modules.positions.learned import LearnedPositions
from lightning_modules.residual import all_sublayers
from lightning_modules.transformer import Transformer

VOCAB, LENGTH, LAYERS, WIDTH, HEADS = 12, 9, 3, 16, 4


def make(**changes: object) -> Transformer:
    settings = {
        "vocab_size": VOCAB,
        "max_length": LENGTH,
        "num_layers": LAYERS,
        "hidden_size": WIDTH,
        "num_heads": HEADS,
        "intermediate_size": 32,
        "attention_mask": "causal",
        "residual": all_sublayers(LAYERS),
        "position": PositionEncoding(hidden_size=WIDTH, num_heads=HEADS, max_length=LENGTH),
    } | changes
    model = Transformer(**settings).double()
    torch.manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model.eval()


def tokens(rows: int = 5) -> torch.Tensor:
    return torch.randint(VOCAB, (rows, LENGTH), generator=torch.Generator().manual_seed(1))


def torch_encoder(model: Transformer, *, norm: str, activation: str) -> nn.TransformerEncoder:
    """PyTorch's encoder with the model's blocks copied into it."""
    layer = nn.TransformerEncoderLayer(
        WIDTH, HEADS, 32, 0.0, activation, batch_first=True, norm_first=norm == "pre"
    )
    encoder = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False).double().eval()
    for theirs, ours in zip(encoder.layers, model.blocks, strict=True):
        pairs = {
            "self_attn.in_proj_weight": ours.attention.qkv.weight,
            "self_attn.in_proj_bias": ours.attention.qkv.bias,
            "self_attn.out_proj.weight": ours.attention.out.weight,
            "self_attn.out_proj.bias": ours.attention.out.bias,
            "linear1.weight": ours.mlp.up.weight,
            "linear1.bias": ours.mlp.up.bias,
            "linear2.weight": ours.mlp.out.weight,
            "linear2.bias": ours.mlp.out.bias,
            "norm1.weight": ours.attention_norm.weight,
            "norm1.bias": ours.attention_norm.bias,
            "norm2.weight": ours.mlp_norm.weight,
            "norm2.bias": ours.mlp_norm.bias,
        }
        theirs.load_state_dict({name: value.detach() for name, value in pairs.items()})
    return encoder


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("activation", ["gelu", "relu"])
@pytest.mark.parametrize("mask", ["bidirectional", "causal", "reverse"])
@pytest.mark.parametrize("padded", [False, True])
def test_hidden_states_equal_pytorchs_encoder(
    norm: str, activation: str, mask: str, padded: bool
) -> None:
    model = make(norm=norm, activation=activation, attention_mask=mask)
    encoder = torch_encoder(model, norm=norm, activation=activation)
    x = tokens()
    real = torch.ones_like(x, dtype=torch.bool)
    if padded:
        real[1, 6:] = real[3, 4:] = False
    forbidden = {
        "bidirectional": torch.zeros(LENGTH, LENGTH, dtype=torch.bool),
        "causal": torch.ones(LENGTH, LENGTH, dtype=torch.bool).triu(1),
        "reverse": torch.ones(LENGTH, LENGTH, dtype=torch.bool).tril(-1),
    }[mask]
    embedded = model.embed(x, None, torch.arange(LENGTH))
    theirs = encoder(embedded, mask=forbidden, src_key_padding_mask=~real if padded else None)
    theirs = model.norm(theirs) if norm == "pre" else theirs
    ours = model.encode(x, padding_mask=real if padded else None)
    assert torch.allclose(ours[real], theirs[real], atol=1e-12)


@pytest.mark.parametrize(("mask", "blind"), [("causal", slice(0, 4)), ("reverse", slice(5, None))])
def test_a_one_sided_mask_hides_the_other_side(mask: str, blind: slice) -> None:
    model, before = make(attention_mask=mask), tokens()
    after = before.clone()
    after[:, 4] = (after[:, 4] + 1) % VOCAB
    same = torch.isclose(model(before), model(after), rtol=0, atol=1e-12).all(-1)
    assert same[:, blind].all()
    assert not same[:, 4].any()


def test_reverse_is_causal_on_the_reversed_sequence() -> None:
    causal, reverse = make(attention_mask="causal"), make(attention_mask="reverse")
    assert torch.allclose(causal(tokens()), reverse(tokens().flip(1)).flip(1), atol=1e-12)


def test_padding_changes_nothing_for_real_tokens() -> None:
    model, x = make(attention_mask="bidirectional"), tokens()
    real = torch.ones_like(x, dtype=torch.bool)
    real[:, 6:] = False
    assert torch.allclose(model(x, padding_mask=real)[:, :6], model(x[:, :6]), atol=1e-12)


@pytest.mark.parametrize("kind", ["attention", "mlp"])
def test_without_its_residual_a_sublayer_replaces_its_input(kind: str) -> None:
    kept = [name for name in all_sublayers(LAYERS) if name != f"1.{kind}"]
    full, cut = make(), make(residual=kept)
    x = full.trace(tokens()).hidden[1]
    context = {
        "position": full.position,
        "positions": torch.arange(LENGTH),
        "mask": None,
        "is_causal": True,
    }
    block = cut.blocks[1]
    attended = block.attention(block.attention_norm(x), **context)
    middle = attended if kind == "attention" else x + attended
    added = block.mlp(block.mlp_norm(middle))
    expected = added if kind == "mlp" else middle + added
    assert torch.allclose(cut.trace(tokens()).hidden[2], expected, atol=1e-12)
    assert not torch.allclose(full.trace(tokens()).hidden[2], expected)


def test_bert_base_has_hugging_faces_number_of_parameters() -> None:
    with torch.device("meta"):
        model = Transformer(
            vocab_size=30_522,
            max_length=512,
            num_layers=12,
            hidden_size=768,
            num_heads=12,
            intermediate_size=3072,
            attention_mask="bidirectional",
            residual=all_sublayers(12),
            position=LearnedPositions(hidden_size=768, num_heads=12, max_length=512),
            norm="post",
            layer_norm_eps=1e-12,
            num_segments=2,
            output=False,
        )
    # transformers' BertModel(add_pooling_layer=False): 109,482,240 less the pooler's 590,592.
    assert sum(p.numel() for p in model.parameters()) == 108_891_648


def test_tied_embeddings_are_one_parameter_and_segments_are_added() -> None:
    model = make(tie_embeddings=True, num_segments=2)
    assert model.output is not None
    assert model.output.weight is model.tokens.weight
    segments = torch.zeros_like(tokens())
    assert torch.equal(model(tokens()), model(tokens(), segments=segments))
    assert not torch.allclose(model(tokens()), model(tokens(), segments=segments + 1))


def test_dropout_acts_in_training_only() -> None:
    model = make(dropout=0.5)
    assert torch.equal(model(tokens()), model(tokens()))
    model.train()
    assert not torch.equal(model(tokens()), model(tokens()))


def test_arms_start_from_the_same_values_where_they_share_parameters() -> None:
    def seed_for(stream: str, step: int) -> int:
        return abs(hash((stream, step))) % 2**62

    learned = LearnedPositions(hidden_size=WIDTH, num_heads=HEADS, max_length=LENGTH)
    arms = [make(), make(position=learned), make(residual=[], attention_mask="bidirectional")]
    for arm in arms:
        initialise(arm, seed_for=seed_for, std=0.1, rescale_residual=True, num_layers=LAYERS)
    states = [arm.state_dict() for arm in arms]
    assert "position.table" in states[1]
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name
        assert torch.equal(value, states[2][name]), name


def test_initial_scales_are_as_configured() -> None:
    model = make(hidden_size=64, num_heads=4, intermediate_size=256)
    model = make(
        hidden_size=64,
        intermediate_size=256,
        position=PositionEncoding(hidden_size=64, num_heads=HEADS, max_length=LENGTH),
    )
    initialise(
        model, seed_for=lambda s, k: len(s) * 7919, std=0.1, rescale_residual=True, num_layers=3
    )
    assert model.blocks[0].mlp.up.weight.std().item() == pytest.approx(0.1, rel=0.05)
    assert model.blocks[0].mlp.out.weight.std().item() == pytest.approx(0.1 / 6**0.5, rel=0.05)
    assert model.blocks[0].mlp.up.bias.abs().sum() == 0
    assert torch.equal(model.norm.weight, torch.ones(64, dtype=torch.float64))


@pytest.mark.parametrize("masked", [None, "causal", "padded", "bias"])
def test_attention_on_a_cpu_is_pytorchs_bit_for_bit(masked: str | None) -> None:
    """Beside its plain kernel, which is what it takes with dropout or a trained bias."""
    generator = torch.Generator().manual_seed(0)
    q, k, v = (
        torch.randn(4, LENGTH, 2, 8, generator=generator).transpose(1, 2).requires_grad_()
        for _ in range(3)
    )
    mask = {
        None: None,
        "causal": torch.ones(LENGTH, LENGTH, dtype=torch.bool).tril(),
        "padded": (torch.rand(4, 1, LENGTH, LENGTH, generator=generator) < 0.5)
        | torch.eye(LENGTH, dtype=torch.bool),
        "bias": None,
    }[masked]
    bias = torch.randn(1, 2, LENGTH, LENGTH, generator=generator) if masked == "bias" else None
    results = []
    for attend in (
        lambda: attend_on_cpu(q, k, v, bias=bias, mask=mask, dropout=0.0),
        lambda: F.scaled_dot_product_attention(q, k, v, attn_mask=mask if bias is None else bias),
    ):
        with sdpa_kernel(SDPBackend.MATH):
            y = attend()
        results.append((y, *torch.autograd.grad(y.square().sum(), (q, k, v))))
    ours, theirs = results
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
