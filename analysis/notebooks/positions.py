# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
"""
# How a Transformer is told where it is, and what happens beyond the trained length

The study starts from a slide deck (Hirata 2024, slides), which looks at a sinusoidal and a rotary
encoding, sees little in their high dimensions, and ends on two conjectures: an encoding that fills
the whole vector could be better, and a sparser one could be enough and cheaper. This notebook first
measures how much of an encoding is idle, which needs no run, and then collects the runs of a plan:
encodings beyond the trained length, shares of pairs, and trained contexts extended.
"""

# %% tags=["parameters"]
SOURCE = "wandb-offline"  # offline W&B files; or "wandb" (the API), or "runs" (the run folders)
ROOT = "results"  # where they are; for "wandb" the 'entity/project'
PLAN = "results/plans/positions-quick.json"

# %%
import math

import pandas as pd
from IPython.display import Image, Markdown, display
from scipy import stats

from analysis.cells import measure, planned, rows_of
from analysis.figures import image
from analysis.frame import load_plan, plan_frame
from analysis.judgement import judge
from analysis.lacking import without_results
from analysis.positions.base_bound import smallest_base
from analysis.positions.encodings import Encoding
from analysis.positions.idle import expected_share_below, share_below
from analysis.published import published_table
from analysis.render import markdown
from analysis.table import build_table
from analysis.tuning import with_choices

# %% [markdown]
"""
## The runs
"""

# %%
plan = load_plan(PLAN)
plan, frame = with_choices(plan, plan_frame(plan, ROOT, source=SOURCE))
print(f"source: {frame.attrs['source']}")
print(
    f"{len(frame)} of {len(plan['runs'])} planned runs; {frame.attrs['left_out']} others left out"
)
if not len(frame):
    print(without_results(plan, frame))

# %% [markdown]
"""
## What the slides show

Sines and cosines at d = 3,072 and L = 8,192. The slides write the exponent as 2j/d with j the
element itself; Vaswani et al. have 2⌊j/2⌋/d. Taken literally the exponent runs to 2, and the empty
part of the picture grows from a fifth to three fifths. A pixel holds many positions and shows one
of them, so that fast elements look like noise.
"""

# %%
display(Image(image("encoding_values", plan, frame)))

# %%
display(Image(image("rotation_angles", plan, frame)))

# %% [markdown]
"""
Rotary positions turn queries and keys head by head, so that what counts is a head's width, not the
model's. The share of pairs that never complete a turn is the same: it depends on the length and the
base alone, 1 − ln(L/2π)/ln(base).
"""

# %%
display(Image(image("heads", plan, frame)))

# %%
shares = {}
for dim, length, base in [(3072, 8192, 1e4), (128, 8192, 1e4), (64, 512, 1e4), (16, 64, 1e4)]:
    encoding = Encoding(dim, length, base=base)
    shares[f"d = {dim:,}, L = {length:,}"] = {
        "counted": share_below(encoding, 2 * math.pi),
        "closed form": expected_share_below(encoding, 2 * math.pi),
    }
display(pd.DataFrame(shares).T.round(3))

# %% [markdown]
"""
Variance by element, how few directions hold the encoding, and how close neighbours come: under
interpolation by s their distance falls by nearly s, which is the slides' objection to it; the
NTK-aware base hardly moves them.
"""

# %%
display(Image(image("spectra", plan, frame)))

# %% [markdown]
"""
How large a base has to be for a length (arXiv:2405.14591), searched here and as published:
"""

# %%
published_bases = published_table("positions/rope_base")
bases = {
    f"{length:,}": {
        "searched": smallest_base(128, length),
        "published": published_bases.value(f"at_{length // 1024}k", "base").number,
    }
    for length in (1024, 2048, 4096)
}
display(pd.DataFrame(bases).T.map("{:,.0f}".format))

# %% [markdown]
"""
## Within the trained length

Encodings are to be compared beyond N only where they work within it.
"""

# %%
scored = frame[frame["role"] == "cell"]
if len(scored):
    shown = [name for name in ("metrics.loss_x1", "metrics.exact_match_x1") if name in scored]
    display(scored.groupby(["stage", "variant"], sort=False)[shown].agg(["mean", "count"]).round(3))

# %% [markdown]
"""
## One claim by hand

*At eight times the trained length, ALiBi is better than rotary positions.* Welch's t-test on the
seeds of two arms; the table below has the same difference, with an interval adjusted (Holm) over
all of its claims. What was published is in perplexity: trend only.
"""

# %%
judged = {judgement.claim["id"]: judgement for judgement in judge(plan, frame)}
claim = judged.get("alibi_beats_rope_at_8n")
printed = published_table("positions/alibi").contrast([(1, "rope"), (-1, "alibi")], "at_3512")
print(f"published: {printed:+.2f} of perplexity at seven times the trained length")
if claim and claim.interval:
    rope, alibi = (
        measure(rows_of(frame, planned(plan, term["cell"])), "loss_x8").values
        for term in claim.claim["contrast"]
    )
    welch = stats.ttest_ind(rope, alibi, equal_var=False)
    print(f"rotary {rope}, ALiBi {alibi}")
    print(f"difference {rope.mean() - alibi.mean():.6f}, p = {welch.pvalue:.2g}")
    print(f"in the table {claim.contrast.estimate:.6f}, p = {claim.contrast.p:.2g}")
    print(f"verdict: {claim.verdict}")

# %% [markdown]
"""
## Tables
"""

# %%
for name in plan["tables"]:
    display(Markdown(markdown(build_table(name, plan, frame))))

# %% [markdown]
"""
## Beyond the trained length

The loss of a whole window falls with its length where an encoding goes on working, since bytes have
more context; the last eighth shows what positions cost that were never trained.
"""

# %%
if len(frame):
    display(Image(image("lengths", plan, frame)))

# %% [markdown]
"""
Position by position: the loss in each eighth of the longest window. Left of the dotted line is what
a window of the trained length has; a model that works stays level or falls after it, one that
breaks rises.
"""

# %%
if len(frame):
    display(Image(image("by_position", plan, frame)))

# %% [markdown]
"""
## Trained contexts, extended

Left what an extension buys, right what it costs on the short context that the model was trained on.
"""

# %%
if len(frame):
    display(Image(image("extension", plan, frame)))
