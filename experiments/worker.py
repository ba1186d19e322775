"""The worker: executes prepared run folders. It needs neither Hydra nor wandb nor a network.

    python -m experiments.worker runs/symmetry/0123456789abcdef ...

Exit code 0: every run is finished; 1: one failed; 130: interrupted, go on with the same command.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch.utils.flop_counter import FlopCounterMode

from experiments import checkpoint
from experiments.components import build
from experiments.errors import UserError
from experiments.provenance import provenance, sources_digest
from experiments.randomness import streams
from experiments.store import Busy, RunFolder, State
from experiments.training import Course
from lightning_modules.initialisation import initialise
from lightning_modules.transformer import Transformer

RESULT_SCHEMA = 1
PRECISION: dict[str, Any] = {"float32": "32-true", "bfloat16": "bf16-mixed"}


class Interrupted(Exception):
    """The attempt was ended from outside, after a checkpoint."""


def build_model(config: dict[str, Any], *, vocab_size: int, max_length: int) -> Transformer:
    """The config's Transformer with its initial values drawn from the run's own streams."""
    settings = {key: value for key, value in config["model"].items() if key != "init"}
    position = build(
        config["position"],
        hidden_size=settings["hidden_size"],
        num_heads=settings["num_heads"],
        max_length=max_length,
    )
    model = Transformer(
        vocab_size=vocab_size,
        max_length=max_length,
        attention_mask=config["attention_mask"],
        residual=config["residual"],
        position=position,
        **settings,
    )
    initialise(
        model,
        seed_for=streams(config["seed"]),
        num_layers=settings["num_layers"],
        **config["model"]["init"],
    )
    return model


def build_run(config: dict[str, Any]) -> tuple[Any, Any]:
    """(module, datamodule) of a validated config."""
    seed_for = streams(config["seed"])
    data = build(config["data"], seed_for=seed_for, num_workers=config["runtime"]["workers"])
    model = build_model(config, vocab_size=data.vocab_size, max_length=data.sequence_length)
    module = build(
        config["module"],
        model=model,
        optimizer=config["optimizer"],
        max_steps=config["trainer"]["max_steps"],
        seed_for=seed_for,
        **data.module_arguments(),
    )
    return module, data


def pick_device(wanted: str) -> str:
    if wanted == "cuda" and not torch.cuda.is_available():
        raise UserError("runtime.device=cuda, but torch sees no GPU: type runtime.device=cpu")
    return ("cuda" if torch.cuda.is_available() else "cpu") if wanted == "auto" else wanted


def flops_per_step(module: Any, data: Any) -> int:
    """Floating-point operations of one training step, forward and backward, counted on step 0."""
    # Compiled or fused paths hide operations from the counter; the shapes are what counts.
    with FlopCounterMode(display=False) as counter:
        module.training_step(data.batch(0), 0).backward()
    module.zero_grad()
    return counter.get_total_flops()


def weights_digest(model: torch.nn.Module) -> str:
    """SHA-256 over names and bytes of all parameters: equal weights, equal digest."""
    hashed = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        hashed.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return hashed.hexdigest()


def train(
    folder: RunFolder,
    spec: dict[str, Any],
    *,
    resume: tuple[int, Path] | None,
    should_stop: Callable[[], bool],
    progress: bool,
) -> dict[str, Any]:
    """Train the folder's run from a checkpoint or from its start; returns its result.

    Raises Interrupted once should_stop() says so and the checkpoint is durable.
    """
    config = spec["config"]
    runtime = config["runtime"]
    torch.set_num_threads(runtime["threads"])
    device = pick_device(runtime["device"])
    module, data = build_run(config)
    flops = flops_per_step(module, data)
    if runtime["compile"]:
        module.model.compile()
    course = Course(folder=folder, config=config, datamodule=data, should_stop=should_stop)
    course.checkpoint_step = resume[0] if resume else 0
    callbacks: list[pl.Callback] = [course]
    if progress:
        callbacks.append(pl.callbacks.TQDMProgressBar(refresh_rate=20))
    trainer = pl.Trainer(
        accelerator="gpu" if device == "cuda" else "cpu",
        devices=1,
        precision=PRECISION[config["trainer"]["precision"]],
        max_steps=config["trainer"]["max_steps"],
        gradient_clip_val=config["optimizer"]["clip"] or None,
        callbacks=callbacks,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=progress,
        limit_val_batches=0,
        num_sanity_val_steps=0,
        inference_mode=False,
        default_root_dir=folder.path,
    )
    try:
        trainer.fit(
            module, datamodule=data, ckpt_path=resume[1] if resume else None, weights_only=True
        )
    except pl.utilities.exceptions.SIGTERMException:
        # Lightning ends its loop at a SIGTERM by itself, after the course's last look.
        course.interrupted = True
    if course.interrupted:
        raise Interrupted(course.checkpoint_step)
    return _result(spec, trainer, module, data, course, flops=flops, device=device)


def _result(
    spec: dict[str, Any],
    trainer: pl.Trainer,
    module: Any,
    data: Any,
    course: Course,
    *,
    flops: int,
    device: str,
) -> dict[str, Any]:
    """result.json: the scores of the trained model, its cost and where it comes from."""
    config = spec["config"]
    runtime = config["runtime"]
    steps = trainer.global_step
    module.to(device)
    metrics: dict[str, Any] = {} if course.diverged else module.test(data)
    metrics |= course.measure_end(module)
    metrics |= course.measures
    metrics |= data.facts()
    if config["trainer"]["stop_at"] is not None:
        metrics["steps_to_convergence"] = course.first_reached if course.converged else None
    seconds, core_seconds = course.spent()
    return {
        "schema": RESULT_SCHEMA,
        "run_id": spec["run_id"],
        "parents": config["parents"],
        "study": config["study"],
        "variant": config["variant"],
        "stage": config["stage"],
        "seed": config["seed"],
        "factors": spec["factors"],
        "config": config,
        "status": course.status,
        "metrics": metrics,
        "cost": {
            "seconds": round(seconds, 3),
            "core_seconds": round(core_seconds, 3),
            "steps": steps,
            "examples": steps * config["data"]["batch_size"],
            "flops": flops * steps,
            "parameters": sum(p.numel() for p in module.parameters()),
        },
        "provenance": {
            **provenance(
                device=device,
                threads=runtime["threads"],
                compile=runtime["compile"],
                workers=runtime["workers"],
            ),
            "arm": spec["arm"],
            "weights_sha256": weights_digest(module.model),
        },
    }


def execute(
    path: Path | str, *, should_stop: Callable[[], bool] = lambda: False, progress: bool = False
) -> State:
    """Bring one prepared run folder to its end; the state it is left in.

    Raises Busy when another process trains it. A failure is noted in the folder, not raised.
    """
    folder = RunFolder(path)
    with folder.locked():
        if folder.is_done():
            return State.finished
        spec = folder.spec()
        resume = checkpoint.newest(folder.checkpoints)
        step = resume[0] if resume else 0
        attempt = folder.start_attempt(step=step)
        try:
            if spec["sources"] not in (None, sources_digest()):
                raise UserError(
                    "The Python sources differ from those this run was planned with: "
                    "type the same command again to plan anew"
                )
            folder.cut_history(step=step if resume else None)
            result = train(folder, spec, resume=resume, should_stop=should_stop, progress=progress)
            folder.finish(result)
        except Interrupted as interruption:
            state, reason, step = State.interrupted, "asked to stop", interruption.args[0]
        except (KeyboardInterrupt, pl.utilities.exceptions.SIGTERMException):
            state, reason = State.interrupted, "stopped before its first step"
        except BaseException as error:
            # `sys.exit` in a component included: whatever ends a run by its own doing is a failure.
            traceback.print_exc()
            sys.stderr.flush()
            state, reason = State.failed, _reason(error)
        else:
            state, reason, step = State.finished, result["status"], result["cost"]["steps"]
        folder.end_attempt(attempt, state=state, reason=reason, checkpoint=step)
        return state


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename or 'while writing'}"
    if isinstance(error, SystemExit):
        return f"sys.exit({error.code!r})"
    return f"{type(error).__name__}: {error}".splitlines()[0][:300]


@contextlib.contextmanager
def stop_on_signals() -> Iterator[Callable[[], bool]]:
    """SIGINT and SIGTERM ask for a checkpoint and an end; yields the question whether they came."""
    received: list[int] = []

    def handler(signum: int, frame: object) -> None:
        received.append(signum)

    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(received)
    finally:
        for number, action in before.items():
            signal.signal(number, action)


def quiet() -> None:
    """Silence Lightning's hints: the store writes what it would advise to log, and more."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__)
        return 0 if arguments else 2
    quiet()
    states = []
    with stop_on_signals() as should_stop:
        for path in arguments:
            try:
                state = execute(path, should_stop=should_stop, progress=True)
            except (Busy, FileNotFoundError) as error:
                print(f"{path}: {error}", file=sys.stderr)
                state = State.failed
            print(f"{path}: {state}", flush=True)
            states.append(state)
            if state == State.interrupted:
                return 130
    return 0 if all(state == State.finished for state in states) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
