"""The report in a real browser, made from the committed results: seen, used, printed.

Whatever a test does, `visit` fails it for an error in the console or a request to anywhere.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from analysis.frame import plan_frame
from analysis.judgement import judge
from analysis.report import Report, write_report

ROOT = Path(__file__).resolve().parents[2]
PLAN = json.loads((ROOT / "results/plans/symmetry-quick.json").read_text(encoding="utf-8"))
STUDY = "#symmetry-quick"
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """From a fresh clone: nothing was ever trained here."""
    folder = tmp_path_factory.mktemp("report")
    return write_report(folder / "runs", ROOT / "results", folder / "reports")


def of_run(run_id: str, name: str) -> str:
    path = ROOT / "results" / PLAN["study"] / run_id / name
    return path.read_text(encoding="utf-8")


RESULTS = {run["run_id"]: json.loads(of_run(run["run_id"], "result.json")) for run in PLAN["runs"]}


def listed(page):
    """The runs that the list shows, in its order."""
    rows = page.locator(f"{STUDY}-runs tbody tr[data-run]:not([hidden])")
    return rows.evaluate_all("rows => rows.map(row => row.dataset.run)")


def luminance(page) -> float:
    return page.evaluate(
        "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3)"
        ".reduce((sum, x) => sum + Number(x), 0) / 3"
    )


# ---- the file -----------------------------------------------------------------------------------


def test_the_report_is_one_small_file(report):
    assert report.exit_code == 0
    assert list(report.path.parent.iterdir()) == [report.path]
    assert report.path.stat().st_size < 1_500_000


def test_claims_tables_and_plots_are_there_to_see(report, visit):
    page = visit(report.path)
    cards = page.locator(f"{STUDY}-claims .card")
    exact = [j for j in judge(PLAN, plan_frame(PLAN, ROOT / "results")) if j.p_exact is not None]
    # The plan lacks a cell of one of the study's claims.
    assert cards.count() == len(PLAN["claims"]) - 1
    for card in cards.all():
        assert card.locator(".badge").inner_text() in ("agrees", "not resolved")
        assert card.locator("svg.bar").bounding_box()["width"] > 200
    told = page.locator(f"{STUDY}-claims").get_by_text("p, exact", exact=True)
    assert told.count() == len(exact) > 0
    assert "too_many_residuals" in page.locator(f"{STUDY}-claims").inner_text()
    tables = page.locator(f"{STUDY}-tables table")
    assert tables.count() == len(PLAN["tables"])
    assert all(table.bounding_box()["height"] > 100 for table in tables.all())
    assert page.locator(f"{STUDY}-effects .forest").count() == 4
    box = page.locator(f"{STUDY}-curves .chart svg").bounding_box()
    assert box["width"] > 400
    assert box["height"] > 200


def test_without_scripts_all_but_the_curves_is_there(report, visit):
    page = visit(report.path, java_script_enabled=False)
    assert page.locator(f"{STUDY}-claims .card svg.bar").first.is_visible()
    assert page.locator(f"{STUDY}-tables table").first.is_visible()
    assert page.locator(f"{STUDY}-runs tbody tr").count() == len(PLAN["runs"])
    assert "drawn by a script" in page.locator("noscript").first.inner_text()
    assert not page.locator(".controls").first.is_visible()


# ---- the run list -------------------------------------------------------------------------------


def test_the_list_sorts_by_a_column_and_says_so(report, visit):
    page = visit(report.path)
    for header, value in {
        "Exact match": lambda result: result["metrics"]["exact_match"],
        "Seed": lambda result: result["seed"],
    }.items():
        head = page.locator(f"{STUDY}-runs th").filter(has_text=header)
        for direction in ("ascending", "descending"):
            head.get_by_role("button").click()
            assert head.get_attribute("aria-sort") == direction
            values = [value(RESULTS[run]) for run in listed(page)]
            assert values == sorted(values, reverse=direction == "descending")


def test_what_a_run_lacks_is_sorted_last_in_both_directions(report, visit):
    page = visit(report.path)
    head = page.locator(f"{STUDY}-runs th").filter(has_text="Steps to convergence")
    for reverse in (False, True):
        head.get_by_role("button").click()
        steps = [RESULTS[run]["metrics"]["steps_to_convergence"] for run in listed(page)]
        known = [s for s in steps if s is not None]
        assert steps[: len(known)] == sorted(known, reverse=reverse)


def test_the_list_is_filtered_by_text_arm_and_status(report, visit):
    page = visit(report.path)
    runs = page.locator(f"{STUDY}-runs")
    count = runs.locator("output")
    runs.get_by_label("Search").fill("model.num_layers=1")
    shallow = [r["run_id"] for r in PLAN["runs"] if r["config"]["model"]["num_layers"] == 1]
    assert listed(page) == shallow
    assert count.inner_text() == f"{len(shallow)} of 40 runs"
    runs.get_by_label("Search").fill("no such run")
    runs.get_by_role("button", name="Clear the filters").click()
    assert count.inner_text() == "40 runs"
    runs.get_by_label("Status").select_option("not_converged")
    expected = {run for run, result in RESULTS.items() if result["status"] == "not_converged"}
    assert set(listed(page)) == expected
    runs.get_by_label("Arm").select_option(label="residual none")
    assert {RESULTS[run]["variant"] for run in listed(page)} == {"residual=none"}


def test_a_run_opens_to_its_whole_config_metrics_and_cost(report, visit):
    page = visit(report.path)
    run = PLAN["runs"][0]
    button = page.locator(f"{STUDY}-runs [data-run='{run['run_id']}'] button")
    button.focus()
    page.keyboard.press("Enter")
    assert button.get_attribute("aria-expanded") == "true"
    detail = page.locator(f"{STUDY}-runs tr.detail")
    told = detail.locator("dl > div").evaluate_all(
        "rows => Object.fromEntries(rows.map(r => [...r.children].map(c => c.textContent)))"
    )
    assert told["run id"] == run["run_id"]
    assert told["optimizer.lr"] == str(run["config"]["optimizer"]["lr"])
    assert told["model.num_layers"] == str(run["config"]["model"]["num_layers"])
    result = RESULTS[run["run_id"]]
    assert told["exact_match"] == f"{result['metrics']['exact_match']:.3f}"
    assert told["parameters"] == f"{result['cost']['parameters']:,}"
    button.click()
    assert detail.count() == 0


# ---- learning curves ----------------------------------------------------------------------------


def baseline_at(step: int) -> list[float]:
    """The baseline's seeds' validation scores at a step that all of them reached."""
    ids = [r["run_id"] for r in PLAN["runs"] if r["variant"] == "baseline" and r["role"] == "cell"]
    curves = [[json.loads(line) for line in of_run(i, "history.jsonl").splitlines()] for i in ids]
    return [row["validation/exact_match"] for rows in curves for row in rows if row["step"] == step]


def test_pointing_at_the_plot_reads_the_values_there(report, visit):
    page = visit(report.path, viewport={"width": 1300, "height": 900})
    figure = page.locator(f"{STUDY}-curves")
    svg = figure.locator(".chart svg")
    svg.scroll_into_view_if_needed()
    label = svg.locator("text").filter(has_text="1,000").bounding_box()
    box = svg.bounding_box()
    page.mouse.move(label["x"] + label["width"] / 2, box["y"] + box["height"] / 2)
    assert figure.locator(".at").inner_text() == "At step 1,000"
    values = baseline_at(1000)
    read = figure.locator(".legend button").first.locator(".read").inner_text().split("\n")
    assert read[0] == f"{sum(values) / 5:.3f}"
    assert read[1] == f"{min(values):.3f} to {max(values):.3f}"


def test_arrow_keys_move_the_step(report, visit):
    page = visit(report.path)
    figure = page.locator(f"{STUDY}-curves")
    figure.locator(".chart").focus()
    for _ in range(2):
        page.keyboard.press("ArrowLeft")
    assert figure.locator(".at").inner_text() == "At step 2,300"


def test_arms_are_toggled_and_lines_are_means_or_seeds(report, visit):
    page = visit(report.path)
    figure = page.locator(f"{STUDY}-curves")
    lines = figure.locator(".chart path.line")
    assert lines.count() == 7  # a mean an arm; the baseline's further seeds are hidden at first
    figure.get_by_label("seeds", exact=True).check()
    assert lines.count() == 35
    arm = figure.locator(".legend .arms button").first
    arm.click()
    assert arm.get_attribute("aria-pressed") == "false"
    assert lines.count() == 30
    figure.get_by_role("button", name="all", exact=True).click()
    assert lines.count() == 40
    figure.get_by_role("button", name="none", exact=True).click()
    assert lines.count() == 0


def test_another_metric_and_a_linear_axis_redraw_the_plot(report, visit):
    page = visit(report.path)
    figure = page.locator(f"{STUDY}-curves")
    line = figure.locator(".chart path.line").first
    seen = {line.get_attribute("d")}
    figure.get_by_label("linear").check()
    seen.add(line.get_attribute("d"))
    figure.get_by_label("Metric").select_option("validation/loss")
    seen.add(line.get_attribute("d"))
    assert len(seen) == 3
    assert "validation/loss" in figure.locator(".chart svg").get_attribute("aria-label")


# ---- where it is read ---------------------------------------------------------------------------


def test_it_follows_the_reader_s_light_or_dark(report, visit):
    page = visit(report.path, color_scheme="light")
    assert luminance(page) > 240
    page.emulate_media(color_scheme="dark")
    assert luminance(page) < 40


def test_the_page_never_scrolls_sideways(report, visit):
    page = visit(report.path)
    for width in (320, 375, 768, 1360):
        page.set_viewport_size({"width": width, "height": 800})
        assert (width, page.evaluate(OVERFLOW)) == (width, 0)


def test_print_is_light_whole_and_without_controls(report, visit):
    page = visit(
        report.path, media="print", color_scheme="dark", viewport={"width": 700, "height": 900}
    )
    assert luminance(page) > 240
    assert not page.locator("nav").is_visible()
    assert not page.locator(".controls").first.is_visible()
    assert page.locator(f"{STUDY}-curves .chart svg").is_visible()
    assert page.evaluate(OVERFLOW) == 0
    assert page.pdf()[:5] == b"%PDF-"


def test_headings_tables_and_plots_have_names_for_those_who_do_not_see(report, visit):
    page = visit(report.path)
    levels = page.locator("h1, h2, h3, h4").evaluate_all("hs => hs.map(h => Number(h.tagName[1]))")
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
    assert page.locator("table").count() == page.locator("table > caption").count()
    unnamed = (
        "els => els.filter(e => !e.getAttribute('aria-label') && !e.textContent.trim()).length"
    )
    assert page.locator("svg[role=img], button, [role=region]").evaluate_all(unnamed) == 0
    ids = page.locator("[id]").evaluate_all("els => els.map(e => e.id)")
    assert len(ids) == len(set(ids))
    targets = page.locator("a[href^='#']").evaluate_all("els => els.map(e => e.hash.slice(1))")
    assert set(targets) <= set(ids)


def test_every_state_of_a_study_has_its_place(full_toy, visit, tmp_path):
    full_toy.arm([None], variant="lstm", task="spans")
    full_toy.claim("size helps", {"variant": "base"}, {"variant": "ltr"}, not_comparable="small")
    full_toy.arm([0.5], metrics={"invariance": 0.3}, variant="leaky", task="spans",
                 attention_mask="bidirectional", position="none")  # fmt: skip
    full_toy.write_plan()
    (full_toy.root / "plans" / "broken-quick.json").write_text("{", encoding="utf-8")
    page = visit(write_report(full_toy.root, tmp_path / "none", tmp_path).path)
    banners = page.get_by_role("alert")
    assert [text.split(".")[0].split(":")[0] for text in banners.all_inner_texts()] == [
        "This plan cannot be reported",
        "1 exact fact violated",
    ]
    assert page.get_by_text("1 of 19 planned runs are not in this report").is_visible()
    assert page.locator(".card .badge").all_inner_texts() == ["agrees", "not comparable"]
    page.get_by_label("Show").select_option("pretrain")
    assert page.locator(".chart path.line").count() == 1
    page.get_by_label("Status").select_option("unfinished")
    assert page.locator("tbody tr[data-run]:not([hidden])").count() == 1
