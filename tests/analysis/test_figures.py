"""The figures that a study declares, drawn from its plan's runs."""

from __future__ import annotations

import pytest

from analysis.figures import figures_of, image, write_figures
from analysis.figures.bert import scores
from analysis.frame import plan_frame


def test_a_study_declares_its_figures_a_sweep_may_have_its_own_and_one_without_any_has_none():
    def names(study: str, sweep: str) -> set[str]:
        return set(figures_of({"study": study, "sweep": sweep}))

    assert names("symmetry", "symmetry") == {"learning_curves", "heat_map"}
    assert names("bert", "bert_text") == {"scores"}
    assert names("bert", "bert_steps") == {"steps"}
    assert names("no_such_study", "nor_sweep") == set()


def test_the_scores_figure_has_a_panel_a_task_and_a_row_a_variant(bert):
    bert.cell("bag_of_words", "spans", [0.1, 0.2])
    figure = scores(bert.plan, plan_frame(bert.plan, bert.root))
    assert [panel.get_title(loc="left") for panel in figure.axes] == [
        *("coherence", "entailment", "paraphrase", "sentiment", "spans")
    ]
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == ["bert", "no_nsp", "ltr", "ltr_bilstm", "no_nsp_bilstm", "bag_of_words"]
    spans = figure.axes[-1]
    means = [line.get_xdata()[0] for line in spans.lines if line.get_marker() == "D"]
    assert means == pytest.approx([0.8, 0.79, 0.5, 0.7, 0.79, 0.15])
    dots = [line for line in spans.lines if line.get_marker() == "o"]
    assert len(dots) == 5 * 5 + 2
    assert "synthetic" in figure.get_suptitle()


def test_a_seed_with_a_degenerate_run_is_hollow(bert):
    bert.cell("rtl", "spans", [0.1, 0.5], degenerate=[1.0, 0.0])
    figure = scores(bert.plan, plan_frame(bert.plan, bert.root))
    dots = [line for line in figure.axes[-1].lines if line.get_marker() == "o"]
    assert [dot.get_markerfacecolor() == "white" for dot in dots[-2:]] == [True, False]


def test_a_plan_without_finished_runs_has_no_figures(bert, tmp_path):
    frame = plan_frame(bert.plan, tmp_path / "empty")
    assert write_figures(bert.plan, frame, tmp_path / "figures") == []


def test_equal_runs_give_equal_images(bert):
    frame = plan_frame(bert.plan, bert.root)
    once, twice = (image("scores", bert.plan, frame, suffix="svg") for _ in range(2))
    assert once == twice
    assert once.startswith(b"<?xml")
