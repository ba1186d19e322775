"""Peak resident memory of this process (Linux).

ru_maxrss would not do: a child inherits its parent's, which may be the larger.
"""

from __future__ import annotations

import re
from pathlib import Path


def forget_peak() -> None:
    """From here on the peak is that of what follows."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_mebibytes() -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    kibibytes = re.search(r"VmHWM:\s+(\d+)", status)
    assert kibibytes
    return int(kibibytes[1]) / 1024
