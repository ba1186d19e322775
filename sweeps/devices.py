"""The slots of a machine: its GPUs, found without importing torch, or else its cores.

    slots()                                             one run a GPU, or one a core without GPUs
    slots(devices="0,1", runs_per_device=2, threads=4)  four runs side by side on two GPUs

`devices` is a list as CUDA_VISIBLE_DEVICES writes it, "none" for the cores, or "auto".
"""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
from pathlib import Path

from experiments.errors import UserError
from sweeps.launcher import Slot, cpu_slots, gpu_slots

NVIDIA = Path("/proc/driver/nvidia/gpus")


def visible_devices() -> list[str]:
    """The GPUs this process may use, named as CUDA_VISIBLE_DEVICES names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        devices = [name.strip() for name in named.split(",")]
        # CUDA ignores what follows the first device that there cannot be.
        return devices[: next((i for i, d in enumerate(devices) if d in ("", "-1")), len(devices))]
    try:
        done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return [str(number) for number in range(len(list(NVIDIA.glob("*"))))]
    return _listed(done.stdout) if done.returncode == 0 else []


def _listed(text: str) -> list[str]:
    """The devices in the output of `nvidia-smi -L`; a divided GPU counts as its MIG slices."""
    devices: list[str] = []
    for line in text.splitlines():
        if gpu := re.match(r"GPU (\d+):", line):
            devices.append(gpu[1])
        elif mig := re.search(r"\(UUID: (MIG-[^)]+)\)", line):
            if devices and devices[-1].isdigit():
                devices.pop()
            devices.append(mig[1])
    return devices


def slots(
    *,
    jobs: int | None = None,
    devices: str = "auto",
    runs_per_device: int = 1,
    threads: int | None = None,
    wanted: str = "auto",
) -> list[Slot]:
    """Where runs may execute side by side, at most `jobs` of them; `wanted` is runtime.device.

    Raises UserError for numbers below 1, and for wanted="cuda" where there is no GPU.
    """
    for name, value in (("jobs", jobs), ("runs-per-device", runs_per_device), ("threads", threads)):
        if value is not None and value < 1:
            raise UserError(f"{name}={value} is too few: expected 1 or more")
    if wanted == "cpu" or devices == "none":
        found = []
    elif devices == "auto":
        found = visible_devices()
    else:
        found = [name.strip() for name in devices.split(",") if name.strip()]
    if wanted == "cuda" and not found:
        raise UserError(
            "runtime.device=cuda, but there is no GPU here: type runtime.device=cpu, or name the "
            "GPUs as in devices=0,1"
        )
    if found:
        dealt = gpu_slots(found, runs_per_device=runs_per_device)
        if threads is not None:
            dealt = [dataclasses.replace(slot, threads=threads) for slot in dealt]
        return dealt[:jobs]
    if jobs is None:
        return cpu_slots(threads=threads or 1)
    return [Slot(threads=threads or 1) for _ in range(jobs)]
