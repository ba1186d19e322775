"""The typed configuration of one run: what Hydra composes is validated against these classes.

A component (data, module, position) is a `_target_` with keyword arguments; its schema is the
signature of the class it names, read without importing it (`experiments.components`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class AttentionMask(StrEnum):
    bidirectional = "bidirectional"
    causal = "causal"
    reverse = "reverse"


class Stage(StrEnum):
    train = "train"
    pretrain = "pretrain"
    finetune = "finetune"
    evaluate = "evaluate"


class Norm(StrEnum):
    pre = "pre"
    post = "post"


class Activation(StrEnum):
    gelu = "gelu"
    gelu_tanh = "gelu_tanh"
    relu = "relu"


class Schedule(StrEnum):
    constant = "constant"
    linear = "linear"
    cosine = "cosine"


class Precision(StrEnum):
    float32 = "float32"
    bfloat16 = "bfloat16"


class Device(StrEnum):
    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class Tracking(StrEnum):
    offline = "offline"
    online = "online"
    disabled = "disabled"


@dataclass
class InitConfig:
    """std of matrices and tables; rescale_residual divides a sublayer's last one by sqrt(2L)."""

    std: float = 0.02
    rescale_residual: bool = True


@dataclass
class ModelConfig:
    num_layers: int = 2
    hidden_size: int = 64
    num_heads: int = 4
    intermediate_size: int = 256
    activation: Activation = Activation.gelu
    norm: Norm = Norm.pre
    layer_norm_eps: float = 1e-5
    dropout: float = 0.0
    num_segments: int = 0
    tie_embeddings: bool = False
    init: InitConfig = field(default_factory=InitConfig)


@dataclass
class OptimizerConfig:
    """AdamW; weight decay on matrices and tables only, never on biases and norms.

    warmup_share: the warm-up as a share of the budget; it decides where both are given.
    bias_correction: false is the Adam of BERT's published code.
    """

    lr: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.95
    eps: float = 1e-8
    weight_decay: float = 0.1
    clip: float = 1.0
    warmup_steps: int = 0
    warmup_share: float | None = None
    schedule: Schedule = Schedule.constant
    bias_correction: bool = True


@dataclass
class TrainerConfig:
    """The budget, given in steps, in examples or in epochs; steps and examples are stored, steps
    decide if both are given. An epoch is data.train_size examples, its last batch may be short.

    stop_at: the validation score (`stop_metric`) at which training stops, once it was reached at
    `stop_evaluations` evaluations running; null: only the budget ends it.
    measure_at: the steps, common to all arms, at which the study's measures are taken.
    """

    max_steps: int | None = None
    max_examples: int | None = None
    epochs: int | None = None
    evaluate_every: int = 100
    stop_metric: str = "exact_match"
    stop_at: float | None = None
    stop_evaluations: int = 2
    measure_at: list[int] = field(default_factory=list)
    precision: Precision = Precision.float32


@dataclass
class ParentConfig:
    """A run whose weights this one starts from, and the mask under which it runs that encoder.

    Written as a recipe (overrides of the pre-training experiment, and what else sets it apart);
    validated, it carries the id, step and arm of the run that the recipe describes.

    steps_factor: the parent's budget as a multiple of the pre-training's; seed_offset: added to
    its seed, so that two parents of one recipe differ. step null: its last one. attention_mask
    null: the run's own. folder: instead of a recipe, weights of another's making: a folder below
    paths.data in Hugging Face's layout, whose contents are the run's id.
    """

    folder: str = ""
    recipe: list[str] = field(default_factory=list)
    seed_offset: int = 0
    steps_factor: float = 1.0
    attention_mask: AttentionMask | None = None
    step: int | None = None
    run_id: str = ""
    arm: str = ""


@dataclass
class PretrainingConfig:
    """What the parents have in common: their experiment, further overrides and their seed (null:
    the run's own). A parent shares the run's model and position encoding as well, but for those
    that `own` leaves to its experiment and recipe: a context is extended by another encoding than
    the parent was trained with.

    step: at which of their steps the run starts, of parents that do not say (null: the last); a
    parent with a steps_factor is read at as many times it. decayed: false reads the weights that
    the whole pre-training keeps there, at the learning rate it has by then; true those of another
    pre-training, whose own schedule ends there.
    """

    experiment: str = ""
    own: list[str] = field(default_factory=list)
    overrides: list[str] = field(default_factory=list)
    seed: int | None = None
    step: int | None = None
    decayed: bool = False


@dataclass
class RuntimeConfig:
    """How a run is executed; none of it can change the result beyond the last bits.

    keep_weights: how many weights stay for later stages, at the last step, at half of it, at a
    quarter ...
    """

    device: Device = Device.auto
    threads: int = 1
    workers: int = 0
    compile: bool = False
    log_every: int = 50
    checkpoint_seconds: float | None = 20.0
    checkpoint_steps: int | None = None
    keep_weights: int = 0


@dataclass
class WandbConfig:
    project: str = "transformer-ablations"
    entity: str | None = None


@dataclass
class PathsConfig:
    runs: str = "runs"
    data: str = "data"
    reports: str = "reports"


@dataclass
class RunConfig:
    """Everything one run is made of. LABELS and EXECUTION are no part of its identity, nor is
    `pretraining`, which its parents' ids stand for."""

    study: str
    stage: Stage
    attention_mask: AttentionMask
    residual: Any
    position: dict[str, Any]
    data: dict[str, Any]
    module: dict[str, Any]
    seed: int = 0
    placement_seed: int = 0
    model: ModelConfig = field(default_factory=ModelConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    parents: list[ParentConfig] = field(default_factory=list)
    pretraining: PretrainingConfig = field(default_factory=PretrainingConfig)

    experiment: str = ""
    variant: str = ""
    sweep: str | None = None
    tags: list[str] = field(default_factory=list)
    factors: list[str] = field(default_factory=list)

    tracking: Tracking = Tracking.offline
    wandb: WandbConfig = field(default_factory=WandbConfig)
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)
    paths: PathsConfig = field(default_factory=PathsConfig)


LABELS = ("experiment", "variant", "sweep", "tags", "factors", "pretraining")
EXECUTION = ("tracking", "wandb", "runtime", "paths")
COMPONENTS = ("position", "data", "module")
