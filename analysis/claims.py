"""Loads and checks the published claims of a study: `analysis/claims/<study>.yaml`.

A claim compares cells (arms named by their factor levels) by a weighted sum of their means of one
metric: any of result.json's, or `log_steps`, the log of steps_to_convergence. Its delta and
contrast are frozen in a sweep's first plan; `changed` says which moved since, by a plan's own mark
or by comparison with the file.

A `gate` is what a mean must reach before a claim is judged: arms that did not learn the task are
not compared on what comes after it. It is asked of every arm of the claim; with `of: any`, of one;
with `cell`, of the arm that it names, which the claim's own arms start from.

    metrics:                    # optional: what tables call a metric, and its unit
      score: {label: task score, unit: "0 to 1"}
    planning_sd: {score: 0.02}  # s.d. over seeds that `make plan` assumes
    claims:
      - {id: ..., sentence: ..., metric: score, paired: true, ...}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from experiments.errors import UserError, did_you_mean

CLAIMS = Path(__file__).parent / "claims"

CHOICES = {
    "claimed": ("difference", "absence"),
    "direction": ("positive", "negative", "none"),
}
BOUNDS = ("at_least", "at_most")
REQUIRED = ("id", "sentence", "source", "metric", "claimed", "direction", "delta", "contrast")
OPTIONAL = (
    *("interaction", "not_comparable", "paired", "planning_sd", "label", "unit"),
    # {table: bert/table_5, column: squad, by: variant}: where the claim's magnitude is printed, and
    # the factor whose levels the table's rows are (default: variant)
    "published",
    # {metric: exact_match_x1, at_least: 0.9} (or at_most), and optionally of: any, or
    # cell: {position: rope}
    "gate",
)
# What the file says of a claim's metric; it is no part of what is claimed.
OF_METRIC = ("planning_sd", "label", "unit")
# A plan's mark on a claim that moved after the sweep's first plan; plans of old say only `true`.
MARK = "changed_after_plan"
ADDED, CHANGED = "added", "changed"


def load_claims(study: str) -> list[dict[str, Any]]:
    """The claims of a study, each with its metric's `planning_sd` and, where given, label, unit."""
    path = CLAIMS / f"{study}.yaml"
    if not path.is_file():
        known = sorted(p.stem for p in CLAIMS.glob("*.yaml"))
        raise UserError(
            f"study '{study}' has no claims ({path.name} is missing); expected one of: "
            f"{', '.join(known)}.{did_you_mean(study, known)}"
        )
    return read_claims(path)


def read_claims(path: Path) -> list[dict[str, Any]]:
    import yaml

    with path.open(encoding="utf-8") as file:
        declared = yaml.safe_load(file)
    if not isinstance(declared, dict):
        raise UserError(f"{path.name}: expected a mapping with 'planning_sd' and 'claims'.")
    _keys(declared, ("planning_sd", "claims"), ("metrics",), f"{path.name}")
    metrics = declared.get("metrics") or {}
    for name, told in metrics.items():
        _keys(told, ("label",), ("unit",), f"{path.name}, metric '{name}'")
    claims = []
    for claim in declared["claims"]:
        check(claim, path.name)
        metric = claim["metric"]
        if metric not in declared["planning_sd"]:
            known = declared["planning_sd"]
            raise UserError(
                f"{path.name}: planning_sd lacks the metric '{metric}' of claim '{claim['id']}'; "
                f"it has {', '.join(known) or 'none'}.{did_you_mean(metric, known)}"
            )
        sd = declared["planning_sd"][metric]
        claims.append({"planning_sd": sd, **metrics.get(metric, {}), **claim})
    ids = [claim["id"] for claim in claims]
    if twice := sorted({i for i in ids if ids.count(i) > 1}):
        raise UserError(f"{path.name}: two claims are called '{twice[0]}'; ids must differ.")
    return claims


def check(claim: Mapping[str, Any], where: str) -> None:
    """Raises a UserError for the first thing wrong with one claim."""
    where = f"{where}, claim '{claim.get('id', '?')}'"
    _keys(claim, REQUIRED, OPTIONAL, where)
    for key, choices in CHOICES.items():
        if claim[key] not in choices:
            raise UserError(
                f"{where}: {key} is '{claim[key]}'; expected one of: {', '.join(choices)}."
            )
    if (claim["claimed"] == "absence") != (claim["direction"] == "none"):
        raise UserError(
            f"{where}: an absence has direction 'none', a difference 'positive' or 'negative'; "
            f"found claimed '{claim['claimed']}' with direction '{claim['direction']}'."
        )
    if not isinstance(claim["metric"], str) or not claim["metric"]:
        raise UserError(f"{where}: metric is {claim['metric']!r}; expected a metric's name.")
    if not isinstance(claim.get("paired", False), bool):
        raise UserError(f"{where}: paired is {claim['paired']!r}; expected true or false.")
    if not isinstance(claim["delta"], int | float) or not claim["delta"] > 0:
        raise UserError(f"{where}: delta is {claim['delta']!r}; expected a number above 0.")
    if "published" in claim:
        _keys(claim["published"], ("table", "column"), ("by",), f"{where}, published")
    if "gate" in claim:
        _check_gate(claim["gate"], f"{where}, gate")
    for term in claim["contrast"]:
        _keys(term, ("weight", "cell"), (), f"{where}, contrast")
    if abs(sum(term["weight"] for term in claim["contrast"])) > 1e-9:
        raise UserError(f"{where}: the weights of a contrast must sum to 0.")


def _check_gate(gate: Mapping[str, Any], where: str) -> None:
    _keys(gate, ("metric",), (*BOUNDS, "of", "cell"), where)
    if gate.get("of", "every") not in ("every", "any"):
        raise UserError(f"{where}: of is {gate['of']!r}; expected every or any (of the arms).")
    if "cell" in gate:
        if "of" in gate:
            raise UserError(
                f"{where}: 'of' is about the claim's own arms, 'cell' names another; expected one "
                "of the two."
            )
        if not isinstance(gate["cell"], Mapping) or not gate["cell"]:
            raise UserError(
                f"{where}: cell is {gate['cell']!r}; expected an arm's levels by factor, as in "
                "{position: rope}."
            )
    bounds = [gate[bound] for bound in BOUNDS if bound in gate]
    if len(bounds) != 1 or not isinstance(bounds[0], int | float):
        raise UserError(f"{where}: expected one number, {' or '.join(BOUNDS)}.")


def changed(frozen: Iterable[Mapping[str, Any]], current: Iterable[Mapping[str, Any]]) -> list[str]:
    """Sentences naming the claims that moved after the plan; `frozen`, the plan's, are judged."""
    old = {claim["id"]: claim for claim in frozen}
    new = {claim["id"]: claim for claim in current}
    added = [name for name, claim in old.items() if moved_after_plan(claim) == ADDED]
    sentences = [
        *told(new.keys() - old, "added after the plan; not judged"),
        *told(old.keys() - new, "withdrawn after the plan"),
        *told(added, "added after the first plan"),
    ]
    for name, claim in old.items():
        now, then = judged(new.get(name, claim)), judged(claim)
        keys = sorted(key for key in now | then if now.get(key) != then.get(key))
        if keys:
            sentences.append(
                f"claim {name} was changed after the data ({', '.join(keys)}); "
                "judged as the plan froze it"
            )
        # A mark of a change that the file still shows says nothing more.
        if moved_after_plan(claim) == CHANGED and not keys:
            sentences.append(f"claim {name} was changed after the first plan")
    return sorted(sentences)


def told(names: Iterable[str], what: str) -> list[str]:
    """One sentence of claims that something was done to; none where there are no claims."""
    if len(ids := sorted(names)) < 2:
        return [f"claim {name} was {what}" for name in ids]
    return [f"claims {', '.join(ids)} were {what}"]


def moved_after_plan(claim: Mapping[str, Any]) -> str:
    """How a plan marks its claim: "added" or "changed" after the first plan, or ''."""
    mark = claim.get(MARK)
    return CHANGED if mark is True else mark or ""


def metric_label(claim: Mapping[str, Any]) -> str:
    """What tables call the claim's metric: 'exact match' for exact_match, unless it is given."""
    return claim.get("label") or claim["metric"].replace("_", " ")


def published_terms(claim: Mapping[str, Any]) -> list[tuple[float, str]]:
    """The contrast as weights of the published table's rows."""
    by = claim["published"].get("by", "variant")
    return [(term["weight"], term["cell"][by]) for term in claim["contrast"]]


def judged(claim: Mapping[str, Any]) -> dict[str, Any]:
    """What a claim says and how it is judged, without what planning assumed, what tables call its
    metric and how a plan marked it."""
    return {key: value for key, value in claim.items() if key not in (*OF_METRIC, MARK)}


def _keys(
    given: Mapping[str, Any], required: tuple[str, ...], optional: tuple[str, ...], where: str
) -> None:
    for key in given:
        if key not in required + optional:
            raise UserError(
                f"{where}: unknown key '{key}'; expected {', '.join(required + optional)}."
                f"{did_you_mean(key, required + optional)}"
            )
    for key in required:
        if key not in given:
            raise UserError(f"{where}: the key '{key}' is missing.")
