"""A dashboard's specification as a W&B workspace and report; made anew, or updated by their URLs.

with logged_in():
    urls = save(spec, entity="us", project="lab", urls={})
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator, Mapping
from typing import Any

from experiments import wandb_client
from experiments.wandb_client import NotLoggedIn

WIDTH, HEIGHT = 8, 6  # of a panel, in W&B's grid of 24 columns


@contextlib.contextmanager
def logged_in() -> Iterator[None]:
    """W&B with the user's key; NotLoggedIn where there is none or the server does not take it."""
    with wandb_client.online() as wandb:
        try:
            wandb.Api(timeout=15)
        except Exception as error:
            if not wandb_client.is_wandbs(error):
                raise
            raise NotLoggedIn(wandb_client.words(error).rstrip(".")) from error
        yield


def workspace(spec: Mapping[str, Any], *, entity: str, project: str) -> Any:
    """The specification as a wandb_workspaces Workspace, not saved."""
    ws = importlib.import_module("wandb_workspaces.workspaces")
    expr = importlib.import_module("wandb_workspaces.expr")
    return ws.Workspace(
        entity=entity,
        project=project,
        name=spec["name"],
        sections=[
            ws.Section(name=title, panels=_panels(panels), is_open=True)
            for title, panels in spec["sections"].items()
        ],
        runset_settings=ws.RunsetSettings(
            filters=expr.And(ws.Tags().isin([spec["tag"]])),
            groupby=[ws.Metric("Group")],
            pinned_columns=[f"summary:{name}" for name in spec["table"]["columns"]],
        ),
    )


def report(spec: Mapping[str, Any], *, entity: str, project: str) -> Any:
    """The specification as a wandb_workspaces Report, not saved."""
    wr = importlib.import_module("wandb_workspaces.reports.v2")
    expr = importlib.import_module("wandb_workspaces.expr")

    def runset(columns: list[str]) -> Any:
        return wr.Runset(  # of the report's own project, which may not be there yet
            name=spec["study"],
            filters=expr.And(expr.Tags().isin([spec["tag"]])),
            groupby=["Group"],
            visible_columns=[f"summary:{name}" for name in columns],
        )

    blocks: list[Any] = [wr.TableOfContents()]
    for title, panels in spec["sections"].items():
        blocks += [wr.H1(title), wr.PanelGrid(runsets=[runset([])], panels=_panels(panels))]
    table = spec["table"]
    blocks += [wr.H1(table["title"]), wr.PanelGrid(runsets=[runset(table["columns"])], panels=[])]
    claims = [f"- {c['sentence']} ({c['metric']}; {c['source']})" for c in spec["claims"]]
    blocks += [wr.H1("Claims"), wr.MarkdownBlock("\n".join(claims) or "None.")]
    return wr.Report(entity=entity, project=project, title=spec["name"], blocks=blocks)


def save(
    spec: Mapping[str, Any], *, entity: str, project: str, urls: Mapping[str, str]
) -> dict[str, str]:
    """Create both, or bring those at `urls` up to date; their URLs."""
    ws = importlib.import_module("wandb_workspaces.workspaces")
    wr = importlib.import_module("wandb_workspaces.reports.v2")
    view = workspace(spec, entity=entity, project=project)
    page = report(spec, entity=entity, project=project)
    if urls:
        there = ws.Workspace.from_url(urls["workspace"])
        there.name, there.sections = view.name, view.sections
        there.runset_settings = view.runset_settings
        view = there
        old = wr.Report.from_url(urls["report"])
        old.title, old.blocks = page.title, page.blocks
        page = old
    # The report first: it makes a project that is not there yet.
    page.save()
    view.save()
    return {"workspace": view.url, "report": page.url}


def _panels(panels: list[Mapping[str, Any]]) -> list[Any]:
    wr = importlib.import_module("wandb_workspaces.reports.v2")
    made = []
    for number, panel in enumerate(panels):
        column, row = number % 3 * WIDTH, number // 3 * HEIGHT
        common = {
            "title": panel["title"],
            "groupby": "group",
            "groupby_aggfunc": "mean",
            "groupby_rangefunc": "stddev",
            "layout": wr.Layout(x=column, y=row, w=WIDTH, h=HEIGHT),
        }
        if panel["kind"] == "curve":
            made.append(wr.LinePlot(x="Step", y=[panel["metric"]], aggregate=True, **common))
        else:
            metric = wr.SummaryMetric(panel["metric"])
            made.append(wr.BarPlot(metrics=[metric], aggregate=True, **common))
    return made
