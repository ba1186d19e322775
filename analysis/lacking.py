"""Why a source gave no results of a plan, and what to type.

    print(without_results(plan, frame))

A notebook says it where its tables would be empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

# What helps, by how the reason in a frame's `missing` begins.
HELP = {
    "not mirrored": "make tables SOURCE=runs reads the run folders; after make sync SOURCE=wandb "
    "reads the server",
    "not in ": "make sync uploads what the server lacks; make tables SOURCE=runs needs no server",
}


def without_results(plan: Mapping[str, Any], frame: pd.DataFrame) -> str:
    """Two lines on a frame of `plan_frame` in which no run is to be shown."""
    reasons = sorted({reason.split(":")[0] for reason in frame.attrs["missing"].values()})
    found = [text for begin, text in HELP.items() if any(r.startswith(begin) for r in reasons)]
    train = f"make sweep SWEEP={plan['sweep']} PROFILE={plan['profile']} trains what lacks"
    helps = found if found and "unfinished" not in reasons else [train, *found]
    return (
        f"There are no results yet: the planned runs are {', '.join(reasons) or 'not cells'}.\n"
        f"Type one of: {'; '.join(helps)}. Or choose another SOURCE or ROOT above."
    )
