"""A W&B workspace and report a sweep, from the declarations that make its tables.

    python -m analysis dashboard [--sweep symmetry] [--entity us] [--project lab]

`specification` is a pure function from declarations (sweeps/, tables/, claims/) to plain data:
curves by training step and bars of final metrics, each grouped by arm (W&B's group) with seeds
averaged, then the ablation table and the claims. experiments/wandb_dashboard.py makes it real.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from experiments.errors import UserError, did_you_mean
from experiments.store import write_atomic

from .claims import load_claims

ROOT = Path(__file__).parents[1]
LOSSES = ("train/loss", "validation/loss")  # what every study logs
AT_A_LENGTH = re.compile(r"_x\d+(_\d+)?$")  # at a multiple of the trained length
# Columns that a table counts from several runs: what of it stands in each run's summary.
COUNTED = {
    "converged": ("cost.steps", "steps trained, all of the budget where not converged"),
    "steps": ("steps_to_convergence", "steps to convergence, seeds that converged"),
}


def declarations(sweep: str) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """(sweeps/<sweep>.yaml, its tables by name), as they stand in the files."""
    import yaml

    path = ROOT / "sweeps" / f"{sweep}.yaml"
    if not path.is_file():
        known = sweeps()
        raise UserError(
            f"sweep '{sweep}' does not exist; expected one of: {', '.join(known)}."
            f"{did_you_mean(sweep, known)}"
        )
    declared = yaml.safe_load(path.read_text(encoding="utf-8"))
    tables = {
        name: yaml.safe_load((ROOT / f"analysis/tables/{name}.yaml").read_text(encoding="utf-8"))
        for name in declared["tables"]
    }
    return declared, tables


def sweeps() -> list[str]:
    return sorted(path.stem for path in (ROOT / "sweeps").glob("*.yaml"))


def specification(
    sweep: str,
    declared: Mapping[str, Any],
    tables: Mapping[str, Mapping[str, Any]],
    claims: Iterable[Mapping[str, Any]],
) -> dict[str, Any]:
    """What the workspace and the report of a sweep show, as plain data.

    A panel has a kind (`curve` or `bar`), a title and a metric by its name in W&B; `sections` maps
    a title to its panels. Runs are those with the sweep's tag, grouped by arm.
    """
    finals = {m: title for table in tables.values() for m, title in _finals(table)}
    claims = list(claims)
    measured = {claim["metric"] for claim in claims} & set(finals)
    # While it trains, a model is scored at the trained length alone.
    validated = sorted({f"validation/{AT_A_LENGTH.sub('', name)}" for name in measured})
    curves = list(dict.fromkeys([*LOSSES, *validated]))
    return {
        "study": declared["study"],
        "name": f"{sweep}: ablations",
        "tag": f"sweep:{sweep}",
        "group_by": "group",
        "sections": {
            "Curves by arm (mean and s.d. over seeds)": [
                {"kind": "curve", "title": metric, "metric": metric} for metric in curves
            ],
            "Final metrics by arm (mean and s.d. over seeds)": [
                {"kind": "bar", "title": title, "metric": metric}
                for metric, title in finals.items()
            ],
        },
        "table": {
            "title": next(iter(tables.values()))["title"] if tables else "Ablations",
            "columns": list(finals),
        },
        "claims": [
            {"sentence": claim["sentence"], "source": claim["source"], "metric": claim["metric"]}
            for claim in claims
        ],
    }


def _finals(table: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(name in W&B's summary, title) of a table's metrics. Names that depend on the arm are not one
    metric; an optional column is of some profiles alone, and its panel would be empty in others."""
    found = []
    for column in table["columns"]:
        if column["kind"] in COUNTED:
            found.append(COUNTED[column["kind"]])
        if column.get("optional"):
            continue
        section, _, name = column.get("metric", "").partition(".")
        if name and "{" not in name:
            shown = name if section == "metrics" else f"{section}.{name}"
            found.append((shown, name.replace("_", " ")))
    return found


def described(spec: Mapping[str, Any]) -> list[str]:
    """The specification in a few lines."""
    lines = [f"{spec['name']}: a workspace and a report on the runs tagged {spec['tag']}"]
    for title, panels in spec["sections"].items():
        lines.append(f"  {title}: {', '.join(panel['metric'] for panel in panels)}")
    lines.append(f"  {spec['table']['title']}: a table of {', '.join(spec['table']['columns'])}")
    return [*lines, f"  {len(spec['claims'])} claims with their sources"]


NOT_LOGGED_IN = (
    "Nothing was made: {why}. Log in with `wandb login` (or set WANDB_API_KEY), then type "
    "make dashboard ENTITY=<user or team> again. Without an account: make report writes "
    "{reports}/index.html, and `wandb leet <run folder>/wandb/offline-run-*` shows an offline run "
    "in the terminal."
)
UNREACHABLE = (
    "W&B does not answer, or not now ({why}): expected a network and W&B's server (WANDB_BASE_URL, "
    "where it is set). Type make dashboard again later: what was made is kept, and brought up to "
    "date."
)


def dashboard(options: argparse.Namespace) -> int:
    """Create or update them; not logged in, say what would be made. The exit code: 1 where W&B does
    not answer."""
    from experiments import wandb_dashboard
    from experiments.wandb_client import NotLoggedIn

    specs = {}
    for sweep in [options.sweep] if options.sweep else sweeps():
        declared, tables = declarations(sweep)
        claims = load_claims(declared["claims"]) if declared.get("claims") else []
        specs[sweep] = specification(sweep, declared, tables, claims)
    made = Path(options.reports) / "dashboards.json"
    known = json.loads(made.read_text(encoding="utf-8")) if made.exists() else {}
    try:
        with wandb_dashboard.logged_in():
            if not options.entity:
                raise UserError(
                    "a W&B workspace needs the entity (user or team) whose project it is in: "
                    "type make dashboard ENTITY=<name>"
                )
            wandb_dashboard.check_entity(options.entity)
            for sweep, spec in specs.items():
                key = f"{options.entity}/{options.project}/{sweep}"
                known[key] = wandb_dashboard.save(
                    spec, entity=options.entity, project=options.project, urls=known.get(key, {})
                )
                print(f"{spec['name']}: {known[key]['workspace']} and {known[key]['report']}")
                write_atomic(made, json.dumps(known, indent=1) + "\n")
    except NotLoggedIn as why:
        print("\n".join(line for spec in specs.values() for line in described(spec)))
        print(NOT_LOGGED_IN.format(why=why, reports=options.reports))
    except wandb_dashboard.Unreachable as why:
        print(UNREACHABLE.format(why=why), file=sys.stderr)
        return 1
    return 0
