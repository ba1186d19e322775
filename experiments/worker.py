"""The worker: executes prepared run folders. It needs neither Hydra nor wandb nor a network.

    python -m experiments.worker runs/symmetry/0123456789abcdef ...

Exit code 0: every run is finished; 1: one failed, or is being trained by another process; 2: a
mistake in the command; 130: interrupted, go on with the same command.
"""

from __future__ import annotations

import contextlib
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

from experiments.attempt import Attempt, complete, started
from experiments.components import build
from experiments.errors import UserError
from experiments.files import DiskFull
from experiments.flops import flops_per_step
from experiments.lease import TakenOver
from experiments.memory import keep_freed_memory
from experiments.parents import check_vocabulary, read_parents
from experiments.provenance import sources_digest
from experiments.randomness import streams
from experiments.result import make_result
from experiments.store import Busy, RunFolder, State
from experiments.training import CheckpointFile, Course, trainer_settings
from lightning_modules.encoders import Encoders
from lightning_modules.initialisation import initialise
from lightning_modules.transformer import Transformer


class Interrupted(Exception):
    """The attempt was ended from outside, after a checkpoint."""


def build_model(
    config: dict[str, Any],
    *,
    attention_mask: str,
    vocab_size: int,
    max_length: int,
    trained_length: int,
) -> Transformer:
    """The config's Transformer with its initial values drawn from the run's own streams.

    max_length: the longest input, in tokens; trained_length: the longest in training.
    """
    settings = {key: value for key, value in config["model"].items() if key != "init"}
    position = build(
        config["position"],
        hidden_size=settings["hidden_size"],
        num_heads=settings["num_heads"],
        max_length=max_length,
        trained_length=trained_length,
        attention_mask=attention_mask,
    )
    model = Transformer(
        vocab_size=vocab_size,
        max_length=max_length,
        attention_mask=attention_mask,
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


def build_run(config: dict[str, Any], *, runs: Path | None = None) -> tuple[Any, Any]:
    """(module, datamodule) of a validated config; `runs` is the folder that holds its parents.

    There is a model for each parent, or a single one with random weights. A module that asks for
    `encoders` has all of them on its side by side, one that asks for `model` the first.
    """
    seed_for = streams(config["seed"])
    parents = read_parents(config, runs)
    data = build(
        config["data"],
        seed_for=seed_for,
        num_workers=config["runtime"]["workers"],
        data_dir=Path(config["paths"]["data"]),
        parent_vocabulary=parents[0].vocabulary if parents else None,
    )
    check_vocabulary(data.written_in(), parents)
    masks = [parent["attention_mask"] for parent in config["parents"]]
    models = [
        build_model(
            config,
            attention_mask=mask,
            vocab_size=data.vocab_size,
            max_length=data.sequence_length,
            trained_length=data.trained_length,
        )
        for mask in masks or [config["attention_mask"]]
    ]
    module = build(
        config["module"],
        model=models[0],
        encoders=Encoders(models),
        head_std=config["model"]["init"]["std"],
        optimizer=config["optimizer"],
        max_steps=config["trainer"]["max_steps"],
        seed_for=seed_for,
        **data.module_arguments(),
    )
    if parents:
        module.start_from([parent.state for parent in parents])
    return module, data


def pick_device(wanted: str) -> str:
    if wanted == "cuda" and not torch.cuda.is_available():
        raise UserError("runtime.device=cuda, but torch sees no GPU: type runtime.device=cpu")
    return ("cuda" if torch.cuda.is_available() else "cpu") if wanted == "auto" else wanted


def train(
    attempt: Attempt,
    spec: dict[str, Any],
    *,
    should_stop: Callable[[], bool],
    progress: bool,
) -> dict[str, Any]:
    """Train the attempt's run from its checkpoint or from its start; returns its result.

    Raises Interrupted once should_stop() says so and the checkpoint is durable, and TakenOver at
    the first step after another host has taken the run.
    """
    config = spec["config"]
    runtime = config["runtime"]
    torch.set_num_threads(runtime["threads"])
    keep_freed_memory()
    device = pick_device(runtime["device"])
    module, data = build_run(config, runs=attempt.folder.path.parent)
    flops = flops_per_step(module, data)
    if runtime["compile"]:
        module.model.compile()
    course = Course(attempt=attempt, config=config, datamodule=data, should_stop=should_stop)
    callbacks: list[pl.Callback] = [course]
    if progress:
        callbacks.append(pl.callbacks.TQDMProgressBar(refresh_rate=20))
    trainer = pl.Trainer(
        **trainer_settings(config, device),
        max_steps=config["trainer"]["max_steps"],
        callbacks=callbacks,
        enable_progress_bar=progress,
        default_root_dir=attempt.folder.path,
        plugins=[CheckpointFile()],
    )
    try:
        if config["trainer"]["max_steps"]:
            path = attempt.resume[1] if attempt.resume else None
            trainer.fit(module, datamodule=data, ckpt_path=path, weights_only=True)
        else:  # scored as its parent left it; Lightning would not even begin
            course.on_train_start(trainer, module.to(device))
    except pl.utilities.exceptions.SIGTERMException:
        # Lightning ends its loop at a SIGTERM by itself, after the course's last look.
        course.interrupted = True
    if course.interrupted:
        raise Interrupted(course.checkpoint_step)
    return make_result(spec, trainer, module, data, course, flops=flops, device=device)


def execute(
    path: Path | str, *, should_stop: Callable[[], bool] = lambda: False, progress: bool = False
) -> State:
    """Bring one prepared run folder to its end; the state it is left in.

    Raises Busy when another process trains it, or takes it over from this one while this one
    sleeps. A failure is noted in the folder, not raised.
    """
    folder = RunFolder(path)
    with folder.locked():
        complete(folder)
        if folder.is_done():
            return State.finished
        spec = folder.spec()
        try:
            with started(folder, should_stop=should_stop) as attempt:
                return _carry_out(attempt, spec, should_stop=should_stop, progress=progress)
        except DiskFull as error:  # before its start could be noted
            folder.end_attempt(folder.start_attempt(step=0), state=State.failed, reason=str(error))
            return State.failed


def _carry_out(
    attempt: Attempt, spec: dict[str, Any], *, should_stop: Callable[[], bool], progress: bool
) -> State:
    """Train, and note how that ended."""
    step = attempt.resume[0] if attempt.resume else 0
    try:
        if spec["sources"] not in (None, sources_digest()):
            raise UserError(
                "The Python sources differ from those this run was planned with: "
                "type the same command again to plan anew"
            )
        result = train(attempt, spec, should_stop=should_stop, progress=progress)
        attempt.finish(result)
    except Interrupted as interruption:
        state, reason, step = State.interrupted, "asked to stop", interruption.args[0]
    except (KeyboardInterrupt, pl.utilities.exceptions.SIGTERMException):
        state, reason = State.interrupted, "stopped before its first step"
    except BaseException as error:
        _raise_if_taken_over(attempt, step)
        # `sys.exit` in a component included: whatever ends a run by its own doing is a failure.
        with contextlib.suppress(OSError):  # the log, too, may lie on a full disk
            traceback.print_exc()
            sys.stderr.flush()
        state, reason = State.failed, _reason(error)
    else:
        state, reason, step = State.finished, result["status"], result["cost"]["steps"]
    attempt.end(state=state, reason=reason, checkpoint=step)
    return state


def _raise_if_taken_over(attempt: Attempt, step: int) -> None:
    """Whatever went wrong in an attempt that another host took over, went wrong because of it."""
    try:
        attempt.check()
    except TakenOver:
        reason = "another host took over"
        attempt.end(state=State.interrupted, reason=reason, checkpoint=step)
        raise


def _reason(error: BaseException) -> str:
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename or 'while writing'}"
    if isinstance(error, SystemExit):
        return f"sys.exit({error.code!r})"
    first_line = f"{type(error).__name__}: {error}".splitlines()[0][:300]
    no_memory = isinstance(error, MemoryError | torch.OutOfMemoryError)
    if no_memory or "can't allocate memory" in str(error):
        return f"out of memory ({first_line})"
    return first_line


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
    for path in arguments:
        if not RunFolder(path).spec_file.exists():
            print(
                f"error: {path} holds no run.json: expected a prepared run folder, "
                "runs/<study>/<run id>; `make sweep` and experiments.run prepare them",
                file=sys.stderr,
            )
            return 2
    quiet()
    states = []
    with stop_on_signals() as should_stop:
        for path in arguments:
            try:
                states.append(execute(path, should_stop=should_stop, progress=sys.stderr.isatty()))
                print(f"{path}: {states[-1]}", flush=True)
            except (Busy, DiskFull) as error:
                print(error, file=sys.stderr)
                states.append(State.running if isinstance(error, Busy) else State.failed)
            if states[-1] == State.interrupted:
                return 130
    return 0 if all(state == State.finished for state in states) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
