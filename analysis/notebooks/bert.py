# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
"""
# BERT's pre-training ablations, on a synthetic language

Table 5 of "BERT" (arXiv:1810.04805v2), and the arm that the paper argues about and never measured.
The tasks are *microworld's*: a generated miniature language with exact labels. So the scores say
which arm's mechanism works, and their magnitudes are not comparable with the paper's. The unit of
the statistics is the pre-training seed.
"""

# %% tags=["parameters"]
SOURCE = "wandb-offline"  # offline W&B files; or "wandb" (the API), or "runs" (the run folders)
ROOT = "results"  # where they are; for "wandb" the 'entity/project'
PLAN = "results/plans/bert-quick.json"

# %%
import pandas as pd
from IPython.display import Image, Markdown, display
from scipy import stats

from analysis.cells import measure, planned, rows_of
from analysis.figures import figures_of, image
from analysis.frame import load_plan, plan_frame
from analysis.judgement import judge
from analysis.lacking import without_results
from analysis.published import published_table
from analysis.render import markdown
from analysis.table import build_table
from analysis.tuning import with_choices

# %% [markdown]
"""
## The runs

A pre-training run has the role `parent`: no row of its own, but every fine-tuning run starts from
one. The baseline's further seeds have the role `aa`.
"""

# %%
plan = load_plan(PLAN)
plan, frame = with_choices(plan, plan_frame(plan, ROOT, source=SOURCE))
print(f"source: {frame.attrs['source']}")
print(
    f"{len(frame)} of {len(plan['runs'])} planned runs; {frame.attrs['left_out']} others left out"
)
scored = frame[frame["role"] == "cell"]
if not len(scored):
    print(without_results(plan, frame))
frame.groupby(["stage", "role"]).size().rename("runs").to_frame()

# %% [markdown]
"""
## What was pre-trained

Equal tokens for every arm. A model whose token loss stays at that of unigrams has learned nothing
that fine-tuning could use.
"""

# %%
pretrained = frame[frame["stage"] == "pretrain"]
known = [name for name in pretrained if name in ("metrics.token_accuracy", "metrics.nsp_accuracy")]
pretrained.groupby("variant", sort=False)[known].mean().round(3) if known else "none in this plan"

# %% [markdown]
"""
## What was fine-tuned

One score a pre-training seed; degenerate runs, which give one answer to everything, are counted and
stay in the means.
"""

# %%
if len(scored):
    others = [name for name in map(str, scored) if name.startswith("factors.")]
    others.remove("factors.task")
    told = scored.astype(dict.fromkeys(others, object)).fillna(dict.fromkeys(others, ""))
    display(
        told.pivot_table(
            index=others, columns="factors.task", values="metrics.score", sort=False
        ).round(3)
    )
    degenerate = scored[scored.get("metrics.degenerate", pd.Series(0.0, scored.index)) == 1]
    print(f"{len(degenerate)} of {len(scored)} runs are degenerate")

# %% [markdown]
"""
## One claim by hand

*A left-to-right model finds spans less well than a bidirectional one.* Both were pre-trained on the
same contiguous text without next-sentence prediction, so the attention mask and the objective that
it allows are what differs. The paper prints 87.9 and 77.8 (F1) for the two. In a plan without these
arms its first claim that compares two arms is worked out instead.
"""

# %%
judged = {judgement.claim["id"]: judgement for judgement in judge(plan, frame)}
claim = judged.get("ltr_loses_spans")
if claim:
    printed = published_table("bert/table_5").contrast([(1, "no_nsp"), (-1, "ltr")], "squad")
    print(f"published: {printed:+.1f} points of F1")
else:
    pairs = [j for j in judged.values() if j.interval and len(j.claim["contrast"]) == 2]
    claim = pairs[0] if pairs else None
if claim and claim.interval:
    print(claim.claim["sentence"])
    one, other = (
        measure(rows_of(frame, planned(plan, term["cell"])), claim.claim["metric"]).values
        for term in claim.claim["contrast"]
    )
    welch = stats.ttest_ind(one, other, equal_var=False)
    print(f"{claim.claim['contrast'][0]['cell']}: {one}")
    print(f"{claim.claim['contrast'][1]['cell']}: {other}")
    print(f"difference {one.mean() - other.mean():.6f}, p = {welch.pvalue:.2g}")
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
## Figure

A dot is a pre-training seed. Where the LTR rows fall behind on spans and not on the other tasks, it
is the right-side context that they lack; + BiLSTM gives it back at fine-tuning only.
"""

# %%
if len(scored):
    for name in figures_of(plan):
        display(Image(image(name, plan, frame)))
