# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
"""
# What lets a Transformer know order?

A conceptual replication of C. Zuo and M. Guerzhoy, "Breaking Symmetry When Training Transformers"
(arXiv:2402.05969v2), on addition. This notebook collects the runs of a plan, holds them against
what must be true exactly, works one claim out by hand, and then shows the tables and figures that
`make tables` writes.
"""

# %% tags=["parameters"]
SOURCE = "wandb-offline"  # offline W&B files; or "wandb" (the API), or "runs" (the run folders)
ROOT = "results"  # where they are; for "wandb" the 'entity/project'
PLAN = "results/plans/symmetry-quick.json"

# %%
import pandas as pd
from IPython.display import Image, Markdown, display
from scipy import stats

from analysis.cells import measure, planned, rows_of
from analysis.exact_facts import symmetric, violations
from analysis.figures import image
from analysis.frame import load_plan, plan_frame
from analysis.judgement import judge
from analysis.lacking import without_results
from analysis.render import markdown
from analysis.table import build_table
from analysis.tuning import with_choices

# %% [markdown]
"""
## The runs

A table reads exactly its plan's runs; whatever else the source holds is counted and left out.
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

# %%
if len(frame):
    by_arm = frame.groupby(["variant", "role"], sort=False)
    summary = {
        "exact match": by_arm["metrics.exact_match"].mean(),
        "s.d.": by_arm["metrics.exact_match"].std(),
        "converged": by_arm["metrics.steps_to_convergence"].count(),
        "seeds": by_arm.size(),
    }
    display(pd.DataFrame(summary).round(3))

# %% [markdown]
"""
## What must be true exactly

Without positional encoding, a bidirectional model of any depth and a causal one of a single layer
cannot see the order of their prompt. So permuting the prompt moves their logits by rounding only
(`invariance`, in standard deviations, computed in float64), and they are right no more often than
counting all problems allows (`ceiling`). An arm that breaks this has a bug, whatever it scores.
"""

# %%
blind = frame[[symmetric(row) for _, row in frame.iterrows()]]
if len(blind):
    shown = ["metrics.invariance", "metrics.exact_match", "metrics.ceiling"]
    display(blind.groupby("variant", sort=False)[shown].max())
broken = violations(frame)
print("\n".join(broken) or f"none of {len(blind)} order-blind runs breaks a fact")

# %% [markdown]
"""
## One claim by hand

*Without positional encoding, order cannot be learned without the causal mask.* The claim compares
two cells; each seed gives one exact match, and Welch's t-test the difference and its p-value. The
table below shows the same difference, with an interval adjusted (Holm) over all of its claims.
"""

# %%
judged = {judgement.claim["id"]: judgement for judgement in judge(plan, frame)}
claim = judged.get("mask_is_needed")
if claim and claim.interval:
    causal, bidirectional = (
        measure(rows_of(frame, planned(plan, term["cell"])), "exact_match").values
        for term in claim.claim["contrast"]
    )
    welch = stats.ttest_ind(causal, bidirectional, equal_var=False)
    print(f"causal {causal}, bidirectional {bidirectional}")
    print(f"difference {causal.mean() - bidirectional.mean():.6f}, p = {welch.pvalue:.2g}")
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
## Figures

Residual connections are not what breaks the symmetry: without them the causal arms learn order
too, later and not with every seed.
"""

# %%
if len(frame):
    display(Image(image("learning_curves", plan, frame)))

# %%
if len(frame):
    display(Image(image("heat_map", plan, frame)))
