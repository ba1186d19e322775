"""GPUs are found without torch, and dealt out to runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from experiments.errors import UserError
from sweeps import commands, devices
from sweeps.__main__ import parser
from sweeps.devices import slots, visible_devices
from sweeps.launcher import Slot

DIVIDED = """\
GPU 0: NVIDIA H200 (UUID: GPU-6b1d)
GPU 1: NVIDIA H200 (UUID: GPU-9c0a)
  MIG 1g.18gb     Device  0: (UUID: MIG-aaaa)
  MIG 1g.18gb     Device  1: (UUID: MIG-bbbb)
GPU 2: NVIDIA H200 (UUID: GPU-77f0)
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch):
    """machine(text) puts an nvidia-smi on the path; without it there is none."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(devices, "NVIDIA", tmp_path / "gpus")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))

    def prints(text: str, code: int = 0) -> None:
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\nprintf '%s' '{text}'\nexit {code}\n", encoding="utf-8")
        program.chmod(0o755)

    return prints


@pytest.mark.parametrize(
    ("named", "found"),
    [("0,1", ["0", "1"]), (" 3 ", ["3"]), ("", []), ("-1", []), ("0,-1,1", ["0"])],
)
def test_what_the_environment_names_counts(machine, monkeypatch, named: str, found) -> None:
    machine(DIVIDED)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert visible_devices() == found


def test_nvidia_smi_is_asked_next_and_slices_count_as_devices(machine) -> None:
    machine(DIVIDED)
    assert visible_devices() == ["0", "MIG-aaaa", "MIG-bbbb", "2"]
    machine("NVIDIA-SMI has failed", code=9)
    assert visible_devices() == []


def test_without_nvidia_smi_the_driver_is_asked(machine, tmp_path: Path) -> None:
    assert visible_devices() == []
    for bus in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / "gpus" / bus).mkdir(parents=True)
    assert visible_devices() == ["0", "1"]


def test_runs_go_to_the_gpus_where_there_are_any(machine) -> None:
    assert slots() == [Slot(1)] * 8
    assert slots(threads=3, jobs=1) == [Slot(3)]
    machine("GPU 0: NVIDIA H200 (UUID: GPU-6b1d)\nGPU 1: NVIDIA H200 (UUID: GPU-9c0a)\n")
    assert slots() == [Slot(4, "0"), Slot(4, "1")]
    assert slots(runs_per_device=2, threads=1, jobs=3) == [Slot(1, "0"), Slot(1, "1"), Slot(1, "0")]
    assert slots(devices="5") == [Slot(8, "5")]
    assert slots(devices="none", jobs=2) == slots(wanted="cpu", jobs=2) == [Slot(1)] * 2


def test_a_sweep_takes_its_slots_from_the_command_line(machine) -> None:
    machine("GPU 0: NVIDIA H200 (UUID: GPU-6b1d)\n")

    def dealt(*arguments: str, device: str = "auto") -> list[Slot]:
        options = parser().parse_args(["run", "symmetry", *arguments])
        return commands.slots(options, {"runs": [{"config": {"runtime": {"device": device}}}]})

    assert dealt() == [Slot(8, "0")]
    assert dealt("--devices", "0,1", "--threads", "2") == [Slot(2, "0"), Slot(2, "1")]
    assert dealt("--runs-per-device", "2") == [Slot(4, "0"), Slot(4, "0")]
    assert dealt("--jobs", "2", device="cpu") == [Slot(), Slot()]
    cores = parser().parse_args(["run", "symmetry", "--devices", "none"])
    assert "runtime.device=cpu" in commands.common(cores)


def test_mistakes(machine) -> None:
    with pytest.raises(UserError, match="there is no GPU here"):
        slots(wanted="cuda")
    for settings in ({"jobs": 0}, {"runs_per_device": 0}, {"threads": -1}):
        with pytest.raises(UserError, match="is too few: expected 1 or more"):
            slots(**settings)
