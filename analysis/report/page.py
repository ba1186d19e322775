"""Renders the report's data as one HTML file: styles, script and data stand in it, nothing outside.

Claims, plots of effects, tables and the run list are markup, and need no script; the script draws
the learning curves, sorts and filters the list, and opens a run's config from the embedded data.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ..columns import BLANK, number
from ..render import TEMPLATES
from ..verdict import VERDICTS


def render(data: Mapping[str, Any]) -> str:
    """No date is in it: the same runs give the same bytes."""
    from jinja2 import Environment, FileSystemLoader
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["compact"] = compact
    studies = data["studies"]
    inlined = {
        name: Markup((TEMPLATES / f"report.{suffix}").read_text(encoding="utf-8"))
        for name, suffix in (("style", "css"), ("script", "js"))
    }
    html = environment.get_template("report.html").render(
        studies=studies,
        verdicts=_verdicts(studies),
        data=Markup(embedded({"studies": [_client(study) for study in studies]})),
        **inlined,
    )
    # The template's indentation is for who reads the template; on the page it is many kilobytes.
    return re.sub(r"\n\s+", "\n", html)


def embedded(data: Any) -> str:
    """JSON, compressed, in letters that cannot end the script element they stand in."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def compact(value: float | None) -> str:
    """A number as a list shows it: '0.996', '30.1', '1,500', '2.20e−15'."""
    if value is None:
        return BLANK
    size = abs(value)
    if size >= 1e7 or 0 < size < 1e-3:
        return number(value, digits=2, style="e")
    if size >= 1000 or (size >= 10 and value == round(value)):
        return number(value, style=",")
    return number(value, digits=1 if size >= 10 else 3)


def _verdicts(studies: list[dict[str, Any]]) -> list[tuple[str, int]]:
    counts = Counter(card["verdict"] for study in studies for card in study.get("claims", []))
    return [(verdict, counts[verdict]) for verdict in VERDICTS if counts[verdict]]


def _plain_first(name: str) -> tuple[bool, str]:
    """Scores of the whole model before those of a layer or of a step, 'probe_r2/layer1@100'."""
    return "/" in name or "@" in name, name


def _client(study: Mapping[str, Any]) -> dict[str, Any]:
    """What the script needs of a study; names of metrics and costs, and settings that several runs
    share, stand once."""
    if "error" in study:
        return {}
    names = {
        key: sorted({name for run in study["runs"] for name in run[key]}, key=_plain_first)
        for key in ("metrics", "cost")
    }
    settings: dict[tuple[str, str], int] = {}
    for config in study["configs"].values():
        for setting in config.items():
            settings.setdefault(setting, len(settings))
    return {
        "arms": [{k: v for k, v in asdict(arm).items() if k != "factors"} for arm in study["arms"]],
        "curves": study["curves"],
        "config": study["config"],
        "names": names,
        "settings": list(settings),
        "runs": {
            run["id"]: {
                "config": [settings[setting] for setting in study["configs"][run["id"]].items()],
                "origin": {
                    **{f"parent {i}": parent for i, parent in enumerate(run["parents"])},
                    **run["origin"],
                },
                "reason": run["reason"],
                **{key: [run[key].get(name) for name in names[key]] for key in names},
            }
            for run in study["runs"]
        },
    }
