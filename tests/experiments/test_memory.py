"""Freed memory stays with the process, as the kernel counts it, in processes of their own."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

MEBIBYTE = 2**20
SCRIPT = """
import resource
import sys
from pathlib import Path

import torch
from experiments.memory import keep_freed_memory

def resident():  # bytes
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

if sys.argv[1] == "keep":
    assert keep_freed_memory()
activations = [torch.ones(2**18) for _ in range(64)]  # a mebibyte each
full = resident()
del activations
print(full - resident())
"""


@pytest.mark.skipif(
    platform.system() != "Linux" or platform.libc_ver()[0] != "glibc",
    reason="only glibc has mallopt, only Linux /proc",
)
@pytest.mark.parametrize(("how", "fewest", "most"), [("as it is", 48, 80), ("keep", 0, 1)])
def test_freed_tensors_are_given_back_only_where_nobody_said_to_keep_them(how, fewest, most):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, check=True, timeout=120
    )
    assert fewest * MEBIBYTE <= int(done.stdout) <= most * MEBIBYTE
