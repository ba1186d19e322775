"""weights/<step>.safetensors of a run folder: what a later stage starts from.

Safetensors hold numbers and no code. A file appears whole; a run that was killed and goes on writes
the same bytes again.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from datamodules.vocabulary import Vocabulary
from experiments.errors import UserError
from experiments.files import write_atomic

if TYPE_CHECKING:
    import torch


def kept_steps(max_steps: int, *, keep: int) -> list[int]:
    """The last step, half of it, a quarter ...: `keep` steps at most, in ascending order."""
    return sorted({max(1, round(max_steps / 2**halvings)) for halvings in range(keep)})


def weights_file(run_dir: Path, step: int) -> Path:
    return run_dir / "weights" / f"{step}.safetensors"


def save_weights(
    run_dir: Path,
    step: int,
    state: dict[str, torch.Tensor],
    *,
    vocabulary: Vocabulary | None = None,
) -> None:
    """vocabulary: of the text that the model was trained on; it travels in the file's metadata."""
    from safetensors.torch import save

    whole = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    metadata = vocabulary.metadata() if vocabulary else None
    write_atomic(weights_file(run_dir, step), save(whole, metadata=metadata))


def load_weights(run_dir: Path, step: int) -> dict[str, torch.Tensor]:
    """Raises UserError where a finished run has no such weights any more."""
    from safetensors.torch import load_file

    return load_file(_existing(run_dir, step))


def load_vocabulary(run_dir: Path, step: int) -> Vocabulary | None:
    """The vocabulary of a run's weights; None where they know of none. Raises as load_weights."""
    from safetensors import safe_open

    with safe_open(_existing(run_dir, step), framework="pt") as file:
        return Vocabulary.of(file.metadata())


def _existing(run_dir: Path, step: int) -> Path:
    path = weights_file(run_dir, step)
    if not path.exists():
        raise UserError(
            f"{path} does not exist, and this run starts from it: train its parent again, or "
            "unpack it with its weights (python -m experiments.store pack --weights)"
        )
    return path
