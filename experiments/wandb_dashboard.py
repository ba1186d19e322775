"""A dashboard's specification as a W&B workspace and report; made anew, or brought up to date.

with logged_in():
    check_entity("us")
    urls = save(spec, entity="us", project="lab", urls={})

Raises NotLoggedIn without a key, UserError for what the user can mend, and Unreachable where W&B
does not answer, or not now.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator, Mapping
from typing import Any

from experiments import wandb_client
from experiments.errors import UserError
from experiments.wandb_client import NotLoggedIn
from experiments.wandb_online import Unreachable, refusal
from experiments.wandb_reading import PASSING

WIDTH, HEIGHT = 8, 6  # of a panel, in W&B's grid of 24 columns
WORKSPACES, REPORTS = "project-view", "runs"  # W&B's types of views
# The package finds a view by its address alone, of which it does not read the host.
ADDRESS = {
    WORKSPACES: "https://wandb.ai/{entity}/{project}?nw={key}",
    REPORTS: "https://wandb.ai/{entity}/{project}/reports/x--{key}",
}
VIEWS = """
query Views($project: String, $entity: String, $type: String, $cursor: String) {
    project(name: $project, entityName: $entity) {
        allViews(viewType: $type, first: 50, after: $cursor) {
            edges { node { id name displayName } }
            pageInfo { endCursor hasNextPage }
        }
    }
}
"""


@contextlib.contextmanager
def logged_in() -> Iterator[None]:
    """W&B with the user's key; NotLoggedIn where there is none."""
    with wandb_client.online() as wandb:
        try:
            wandb.Api(timeout=15)
        except Exception as error:
            if not wandb_client.is_wandbs(error):
                raise
            refused = refusal(error, instead="make report, which needs no account")
            if wandb_client.is_without_key(error):
                raise NotLoggedIn(wandb_client.words(error).rstrip(".")) from error
            raise refused from error
        yield


def check_entity(entity: str) -> None:
    """UserError unless W&B shows the entity to this key."""
    api = wandb_client.package().Api()
    with _one_sentence(f"the projects of '{entity}'"):
        try:
            next(iter(api.projects(entity)), None)
        except ValueError as error:  # the client could make nothing of an answer without projects
            raise UserError(
                f"W&B knows no entity '{entity}', or does not show it to this key; expected a user "
                f"or a team: type make dashboard ENTITY={api.default_entity}"
            ) from error


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
    """Create both, or bring those that are there up to date; their URLs.

    Those at `urls` are meant, and where W&B does not hold them those of the specification's name.
    """
    ws = importlib.import_module("wandb_workspaces.workspaces")
    wr = importlib.import_module("wandb_workspaces.reports.v2")
    where = {"entity": entity, "project": project}
    view, page = workspace(spec, **where), report(spec, **where)
    with _one_sentence(f"the dashboard '{spec['name']}' in {entity}/{project}"):
        if address := _address(WORKSPACES, spec["name"], urls.get("workspace"), **where):
            there = ws.Workspace.from_url(address)
            there.name, there.sections = view.name, view.sections
            there.runset_settings = view.runset_settings
            view = there
        if address := _address(REPORTS, spec["name"], urls.get("report"), **where):
            old = wr.Report.from_url(address)
            old.title, old.blocks = page.title, page.blocks
            page = old
        # The report first: it makes a project that is not there yet.
        page.save()
        view.save()
        return {"workspace": view.url, "report": page.url}


def _address(kind: str, name: str, known: str | None, *, entity: str, project: str) -> str | None:
    """The address of the view that the project holds at `known`, or else by that name."""
    by_key = {}
    for node in _views(kind, entity=entity, project=project):
        # As it stands in an address.
        key = node["name"].removeprefix("nw-").removesuffix("-v")
        by_key[key if kind == WORKSPACES else node["id"].rstrip("=")] = node["displayName"]
    keys = [key for key in by_key if known and known.rstrip("=").endswith(key)]
    keys += [key for key, shown in by_key.items() if shown == name]
    return ADDRESS[kind].format(entity=entity, project=project, key=keys[0]) if keys else None


def _views(kind: str, *, entity: str, project: str) -> Iterator[dict[str, str]]:
    """id, name and displayName of a project's views; none where there is no such project."""
    execute = importlib.import_module("wandb_workspaces._graphql").execute_graphql
    api = wandb_client.package().Api()
    variables = {"entity": entity, "project": project, "type": kind, "cursor": None}
    while True:
        found = execute(api, VIEWS, variables)["project"]
        if found is None:
            return
        yield from (edge["node"] for edge in found["allViews"]["edges"])
        page = found["allViews"]["pageInfo"]
        if not page["hasNextPage"]:
            return
        variables["cursor"] = page["endCursor"]


@contextlib.contextmanager
def _one_sentence(what: str) -> Iterator[None]:
    """Whatever the client makes of the server's answers, pydantic's errors included, as Unreachable
    where it may pass and else as UserError."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        said = wandb_client.words(error)
        status = wandb_client.status_of(error)
        of_the_connection = wandb_client.is_wandbs(error) or isinstance(error, OSError)
        if of_the_connection and (status is None or status in PASSING or status >= 500):
            raise Unreachable(said) from error
        raise UserError(
            f"W&B did not take {what} ({type(error).__name__}: {said}); expected a project that "
            "this key may write to: type make dashboard ENTITY=<user or team> PROJECT=<name>"
        ) from error


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
