"""BERT in Hugging Face's layout: a folder with config.json and model.safetensors.

    bert = load_bert("bert-base-uncased")            # a folder; nothing is fetched
    hidden = bert.model.encode(tokens, segments=segments, padding_mask=mask)
    save_bert("exported", bert)                      # transformers loads it, round trips are equal

Only safetensors are read: the older .bin and .pt files are pickles, which run code when loaded.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from lightning_modules.heads.language_model import LanguageModelHead
from lightning_modules.heads.pooler import Pooler
from lightning_modules.positions.learned import LearnedPositions
from lightning_modules.residual import all_sublayers
from lightning_modules.transformer import Transformer

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
}

# Our names and theirs, without ".weight" and ".bias". `*` is a layer's number.
MODULES = {
    "model.tokens": "embeddings.word_embeddings",
    "model.segments": "embeddings.token_type_embeddings",
    "model.norm": "embeddings.LayerNorm",
    "model.blocks.*.attention.out": "encoder.layer.*.attention.output.dense",
    "model.blocks.*.attention_norm": "encoder.layer.*.attention.output.LayerNorm",
    "model.blocks.*.mlp.up": "encoder.layer.*.intermediate.dense",
    "model.blocks.*.mlp.out": "encoder.layer.*.output.dense",
    "model.blocks.*.mlp_norm": "encoder.layer.*.output.LayerNorm",
    "pooler.dense": "pooler.dense",
    "head.dense": "cls.predictions.transform.dense",
    "head.norm": "cls.predictions.transform.LayerNorm",
    "next_sentence": "cls.seq_relationship",
}
# What they store besides: an index, and copies of tied parameters.
POSITION_IDS = "embeddings.position_ids"
TIED = {
    "cls.predictions.decoder.weight": "embeddings.word_embeddings.weight",
    "cls.predictions.decoder.bias": "cls.predictions.bias",
}


class Bert(NamedTuple):
    """An encoder and the heads that came with it; None for those that did not."""

    model: Transformer
    pooler: Pooler | None = None
    head: LanguageModelHead | None = None
    next_sentence: nn.Linear | None = None

    def parts(self) -> dict[str, nn.Module]:
        """Those that are there, by name."""
        return {name: part for name, part in self._asdict().items() if part is not None}

    def state(self) -> dict[str, torch.Tensor]:
        """Every parameter once, under the names of `PretrainingModule.exported_state`."""
        return {
            f"{name}.{key}": value.detach()
            for name, part in self.parts().items()
            for key, value in part.named_parameters()
        }


def their_names(num_layers: int) -> dict[str, list[str]]:
    """Our name -> theirs. Queries, keys and values are one tensor here and three there."""
    names = {"model.position.table": ["embeddings.position_embeddings.weight"]}
    names["head.bias"] = ["cls.predictions.bias"]
    for kind in ("weight", "bias"):
        for ours, theirs in MODULES.items():
            for number in map(str, range(num_layers) if "*" in ours else [0]):
                name = f"{ours.replace('*', number)}.{kind}"
                names[name] = [f"{theirs.replace('*', number)}.{kind}"]
        for layer in range(num_layers):
            names[f"model.blocks.{layer}.attention.qkv.{kind}"] = [
                f"encoder.layer.{layer}.attention.self.{part}.{kind}"
                for part in ("query", "key", "value")
            ]
    return names


def _refuse(where: Path, wrong: str, expected: str) -> ValueError:
    return ValueError(f"{where} {wrong}: expected {expected}")


def read_config(folder: Path) -> dict[str, Any]:
    """config.json; ValueError unless it describes a BERT that a Transformer here can be."""
    path = folder / "config.json"
    if not path.is_file():
        raise _refuse(folder, "holds no config.json", "a folder in Hugging Face's layout")
    config = json.loads(path.read_text(encoding="utf-8"))
    if config.get("model_type") != "bert":
        raise _refuse(path, f"describes a model of type {config.get('model_type')}", "bert")
    if config.get("position_embedding_type", "absolute") != "absolute":
        kind = config["position_embedding_type"]
        raise _refuse(path, f"has position_embedding_type {kind}", "absolute")
    if config["hidden_act"] not in ACTIVATIONS:
        raise _refuse(path, f"has hidden_act {config['hidden_act']}", ", ".join(ACTIVATIONS))
    if config["hidden_dropout_prob"] != config["attention_probs_dropout_prob"]:
        raise _refuse(path, "has two different dropout probabilities", "one for both")
    return config


def read_tensors(folder: Path) -> dict[str, torch.Tensor]:
    """model.safetensors under BertModel's names and `cls.*`, copies of tied tensors left out."""
    path = folder / "model.safetensors"
    if not path.is_file():
        pickles = sorted(file.name for file in folder.glob("*") if file.suffix in PICKLES)
        wrong = f"holds {pickles[0]}, which runs code when loaded" if pickles else "has no weights"
        expected = "model.safetensors, which transformers writes with model.save_pretrained(folder)"
        raise _refuse(folder, wrong, expected)
    tensors = {}
    for name, tensor in load_file(path).items():
        # Weights converted from TensorFlow still call a norm's parameters gamma and beta.
        name = name.removeprefix("bert.").replace("LayerNorm.gamma", "LayerNorm.weight")
        tensors[name.replace("LayerNorm.beta", "LayerNorm.bias")] = tensor
    tensors.pop(POSITION_IDS, None)
    for copy, original in TIED.items():
        if copy in tensors and not torch.equal(tensors.pop(copy), tensors[original]):
            raise _refuse(path, f"has {copy} untied", f"{copy} equal to {original}")
    return tensors


def load_bert(folder: str | Path) -> Bert:
    """The encoder in a folder and whichever of pooler, language-model and NSP head it holds.

    A config with is_decoder gives a left-to-right encoder. ValueError, in one sentence, for what is
    no BERT, for pickled weights, and for tensors that are missing or have no place here.
    """
    folder = Path(folder)
    config, tensors = read_config(folder), read_tensors(folder)
    state = {}
    for ours, theirs in their_names(config["num_hidden_layers"]).items():
        if all(name in tensors for name in theirs):
            state[ours] = torch.cat([tensors.pop(name) for name in theirs])
    if tensors:
        raise _refuse(folder, f"holds the tensor {min(tensors)}", "those of BertForPreTraining")
    with torch.device("meta"):  # no initial values: the file's tensors become the parameters
        bert = _build(config, with_parts={name.partition(".")[0] for name in state})
    for name, part in bert.parts().items():
        names = [key for key, _ in part.named_parameters()]
        for key in names:
            if f"{name}.{key}" not in state:
                raise _refuse(folder, f"lacks what {name}.{key} is made of", "all tensors")
        part.load_state_dict({key: state[f"{name}.{key}"].float() for key in names}, assign=True)
    return bert


def _build(config: dict[str, Any], *, with_parts: set[str]) -> Bert:
    hidden_size, num_heads = config["hidden_size"], config["num_attention_heads"]
    num_layers, max_length = config["num_hidden_layers"], config["max_position_embeddings"]
    activation, eps = ACTIVATIONS[config["hidden_act"]], config["layer_norm_eps"]
    model = Transformer(
        vocab_size=config["vocab_size"],
        max_length=max_length,
        num_layers=num_layers,
        hidden_size=hidden_size,
        num_heads=num_heads,
        intermediate_size=config["intermediate_size"],
        attention_mask="causal" if config.get("is_decoder") else "bidirectional",
        residual=all_sublayers(num_layers),
        position=LearnedPositions(
            hidden_size=hidden_size, num_heads=num_heads, max_length=max_length
        ),
        activation=activation,
        norm="post",
        layer_norm_eps=eps,
        dropout=config["hidden_dropout_prob"],
        num_segments=config["type_vocab_size"],
        output=False,
    )
    pooler = Pooler(sizes=[hidden_size], pooling=["first"])
    head = LanguageModelHead(
        hidden_size=hidden_size,
        vocab_size=config["vocab_size"],
        activation=activation,
        layer_norm_eps=eps,
    )
    return Bert(
        model,
        pooler if "pooler" in with_parts else None,
        head if "head" in with_parts else None,
        nn.Linear(hidden_size, 2) if "next_sentence" in with_parts else None,
    )


def make_config(bert: Bert) -> dict[str, Any]:
    """The config.json of a model; ValueError where it is no BERT."""
    model = bert.model
    needed = {
        "norm=post": not model.pre_norm,
        "position=learned": type(model.position) is LearnedPositions,
        "residual=all": all(b.keep_attention and b.keep_mlp for b in model.blocks),
        "num_segments of 1 or more": model.segments is not None,
        "attention_mask=bidirectional or causal": model.attention_mask != "reverse",
        "a pooler of the first token": bert.pooler is None or bert.pooler.pooling == ["first"],
    }
    for expected, holds in needed.items():
        if not holds:
            raise ValueError(f"the model is no BERT and cannot be exported: expected {expected}")
    assert model.segments is not None
    causal = model.attention_mask == "causal"
    if bert.next_sentence is not None:
        architecture = "BertForPreTraining"
    elif bert.head is not None:
        architecture = "BertLMHeadModel" if causal else "BertForMaskedLM"
    else:
        architecture = "BertModel"
    return {
        "architectures": [architecture],
        "model_type": "bert",
        "vocab_size": model.tokens.num_embeddings,
        "hidden_size": model.hidden_size,
        "num_hidden_layers": model.num_layers,
        "num_attention_heads": model.num_heads,
        "intermediate_size": model.intermediate_size,
        "hidden_act": next(k for k, v in ACTIVATIONS.items() if v == model.activation),
        "layer_norm_eps": model.norm.eps,
        "hidden_dropout_prob": model.dropout.p,
        "attention_probs_dropout_prob": model.dropout.p,
        "max_position_embeddings": model.max_length,
        "type_vocab_size": model.segments.num_embeddings,
        "is_decoder": causal,
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
    }


def save_bert(folder: str | Path, bert: Bert) -> None:
    """Write config.json and model.safetensors, which `transformers` loads; a vocabulary is not
    part of it."""
    folder = Path(folder)
    config = make_config(bert)
    names = their_names(bert.model.num_layers)
    encoder_prefix = "" if config["architectures"] == ["BertModel"] else "bert."
    tensors = {}
    for ours, value in bert.state().items():
        for name, part in zip(names[ours], value.chunk(len(names[ours])), strict=True):
            prefix = "" if name.startswith("cls.") else encoder_prefix
            tensors[prefix + name] = part.cpu().contiguous()
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(config, indent=2) + "\n"
    (folder / "config.json").write_text(text, encoding="utf-8")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
