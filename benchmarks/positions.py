"""What each position encoding costs beside none, and the memory of skewed relative scores.

    python -m benchmarks positions --rounds 5       a step of each kind at 64 and 512 tokens
    python -m benchmarks.positions memory skewed    one layer's relative scores, a fresh process

A step is forward and backward of 3 x 64, 4 heads, vocabulary 256, on 2,048 tokens, one thread, in
processor seconds; the kinds take turns within a round, and the ratio is the median over rounds.

Memory is the peak beyond the start of q E^T for 2,048 tokens and one head of 64: Music
Transformer's skewing against gathering a vector for each pair of positions.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from omegaconf import OmegaConf

from benchmarks.memory import forget_peak, peak_mebibytes
from benchmarks.pretraining import seconds
from experiments.compose import CONF, choices, compose
from experiments.worker import build_model
from lightning_modules.positions.music import MusicPositions

ROOT = Path(__file__).resolve().parent.parent
TOKENS = 2048
LENGTHS = (64, 512)
MEMORY_LENGTH, HEAD = 2048, 64


def make_step(kind: str, length: int) -> Callable[[], None]:
    config = compose(["experiment=positions", f"data.length={length}"])
    config["position"] = OmegaConf.to_container(OmegaConf.load(CONF / "position" / f"{kind}.yaml"))
    model = build_model(
        config,
        attention_mask="causal",
        vocab_size=256,
        max_length=length,
        trained_length=length,
    )
    tokens = torch.randint(
        256, (TOKENS // length, length), generator=torch.Generator().manual_seed(0)
    )

    def step() -> None:
        model.zero_grad()
        model(tokens).logsumexp(-1).mean().backward()

    return step


def report(length: int, *, rounds: int) -> None:
    kinds = sorted(choices("position"), key=lambda kind: kind != "none")
    steps = {kind: make_step(kind, length) for kind in kinds}
    for step in steps.values():
        step()
    taken: dict[str, list[float]] = {kind: [] for kind in kinds}
    for number in range(rounds):
        turn = number % len(kinds)
        for kind in kinds[turn:] + kinds[:turn]:
            taken[kind].append(seconds(steps[kind]))
    print(f"{length} tokens, {TOKENS // length} sequences, {rounds} rounds")
    for kind, times in taken.items():
        ratios = sorted(t / none for t, none in zip(times, taken["none"], strict=True))
        print(
            f"  {kind:<20}{1000 * statistics.median(times):8.1f} ms   "
            f"{statistics.median(ratios):.2f} times none ({ratios[0]:.2f} to {ratios[-1]:.2f})",
            flush=True,
        )


def measure_memory(way: str) -> None:
    """Peak MiB beyond the start of one layer's relative scores, forward."""
    encoding = MusicPositions(
        hidden_size=HEAD,
        num_heads=1,
        max_length=MEMORY_LENGTH,
        trained_length=MEMORY_LENGTH,
        attention_mask="causal",
    )
    torch.nn.init.normal_(encoding.table)
    q = torch.randn(1, 1, MEMORY_LENGTH, HEAD)
    positions = torch.arange(MEMORY_LENGTH)
    forget_peak()
    before = peak_mebibytes()
    with torch.no_grad():
        if way == "skewed":
            encoding.bias(q, q, positions, None)
        else:
            reach = encoding.max_distance
            offsets = (positions[None, :] - positions[:, None]).clamp(-reach, reach) + reach
            torch.einsum("bhid,hijd->bhij", q, encoding.table[:, offsets])
    print(peak_mebibytes() - before)


def peak_of(way: str) -> float:
    command = [sys.executable, "-m", "benchmarks.positions", "memory", way]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def main(*, rounds: int) -> None:
    torch.set_num_threads(1)
    for length in LENGTHS:
        report(length, rounds=rounds)
    print(f"relative scores of {MEMORY_LENGTH} tokens, one head of {HEAD}, forward")
    for way in ("skewed", "gathered"):
        print(f"  {way:<20}{peak_of(way):8.0f} MiB")


if __name__ == "__main__":
    torch.set_num_threads(1)
    measure_memory(sys.argv[2])
