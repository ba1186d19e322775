"""A hand-built study of variants x tasks with pre-trained parents, and a real browser."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
CLAIMS = """
planning_sd: {exact_match: 0.02}
claims: []
"""


@dataclass
class Study:
    """Runs are added arm by arm; a run whose outcome is None is planned and not finished."""

    root: Path
    sweep: str = "toy"
    runs: list[dict[str, Any]] = field(default_factory=list)
    claims: list[dict[str, Any]] = field(default_factory=list)

    def arm(
        self,
        outcomes: Sequence[float | None],
        *,
        role: str = "cell",
        stage: str = "finetune",
        curve: Sequence[dict[str, Any]] = (),
        metric: str = "exact_match",
        metrics: dict[str, Any] | None = None,
        **factors: Any,
    ) -> list[Path]:
        folders = []
        for outcome in outcomes:
            run = {
                "run_id": f"{self.sweep}{len(self.runs):04d}",
                "study": "toy",
                "variant": str(factors.get("variant", "")),
                "stage": stage,
                "seed": len(self.runs),
                "role": role,
                "factors": factors,
                "parents": [],
                "config": {"trainer": {"max_steps": 100}, "seed": len(self.runs), **factors},
            }
            self.runs.append(run)
            folder = self.root / "toy" / run["run_id"]
            folders.append(folder)
            if outcome is not None:
                self._write(folder, run, {metric: outcome, **(metrics or {})}, curve)
        return folders

    def _write(
        self, folder: Path, run: dict[str, Any], metrics: dict[str, Any], curve: Sequence[Any]
    ) -> None:
        folder.mkdir(parents=True)
        result = {key: value for key, value in run.items() if key != "role"} | {
            "schema": 1,
            "status": "completed",
            "metrics": metrics,
            "cost": {"steps": 100, "seconds": 2.5},
            "provenance": {"git_commit": "abc", "host": "h", "weights_sha256": run["run_id"]},
        }
        (folder / "result.json").write_text(json.dumps(result), encoding="utf-8")
        rows = "".join(json.dumps(row) + "\n" for row in curve)
        (folder / "history.jsonl").write_text(rows, encoding="utf-8")
        (folder / "DONE").touch()

    def claim(self, name: str, plus: dict[str, Any], minus: dict[str, Any], **keys: Any) -> None:
        cells = [{"weight": 1, "cell": plus}, {"weight": -1, "cell": minus}]
        self.claims.append(
            {
                "id": name,
                "sentence": f"It holds that {name}.",
                "source": "a paper",
                "metric": "exact_match",
                "claimed": "difference",
                "direction": "positive",
                "delta": 0.05,
                "planning_sd": 0.02,
                "contrast": cells,
                **keys,
            }
        )

    def write_plan(self, **keys: Any) -> Path:
        plan = {
            "schema": 1,
            "sweep": self.sweep,
            "profile": "quick",
            "study": "toy",
            "title": "A toy study",
            "runs": self.runs,
            "claims": self.claims,
            "tables": ["symmetry_claims"],
        }
        path = self.root / "plans" / f"{self.sweep}-quick.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(plan | keys), encoding="utf-8")
        return path


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """A study without runs, whose claims file declares no claims of its own."""
    (tmp_path / "claims").mkdir()
    (tmp_path / "claims" / "toy.yaml").write_text(CLAIMS, encoding="utf-8")
    monkeypatch.setattr("analysis.claims.CLAIMS", tmp_path / "claims")
    return Study(tmp_path / "runs")


@pytest.fixture
def full_toy(toy: Study) -> Study:
    """Two variants on two tasks from pre-trained parents; the base is compared with itself."""
    curve = [
        {"step": s, "validation/exact_match": s / 100, "train/loss": 2.0} for s in (0, 50, 100)
    ]
    toy.arm([1.0, 1.1], role="parent", stage="pretrain", metric="token_loss", variant="base",
            curve=[{"step": s, "train/token_loss": 9.0 - s} for s in (1, 2, 3)])  # fmt: skip
    for task, values in {"spans": [0.80, 0.82, 0.81], "tags": [0.70, 0.72, 0.71]}.items():
        toy.arm(values, variant="base", task=task, curve=curve)
        toy.arm([v - 0.2 for v in values], variant="ltr", task=task, curve=curve)
    toy.arm([0.79, 0.83, 0.80], role="aa", variant="base", task="spans", curve=curve)
    toy.claim("both ways is better", {"variant": "base"}, {"variant": "ltr"})
    return toy


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine; install the distribution's package 'chromium'")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # As root, in a container, Chromium cannot make its sandbox; it opens our own file only.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    """visit(path, media="print", ...) -> the open page; at the end nothing may have gone wrong:
    no error in the console, no request but for the file itself."""
    contexts, wrong = [], []

    def open_page(path: Path, *, media: str = "screen", **options: Any) -> Any:
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(5000)
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        url = path.resolve().as_uri()
        page.on("request", lambda r: wrong.append(r.url) if r.url not in (url, "data:,") else None)
        page.emulate_media(media=media)
        page.goto(url)
        if options.get("java_script_enabled", True):
            page.wait_for_selector("html[data-ready]")  # the script unpacks its data meanwhile
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []
