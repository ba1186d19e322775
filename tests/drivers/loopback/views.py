"""Projects, workspaces and reports on the loopback server, as wandb_workspaces asks for them."""

from __future__ import annotations

import base64
from typing import Any

PAGE = 2  # views a page, so that few make several


class Views:
    """`projects` by entity; workspaces ("project-view") and reports ("runs") by their id."""

    def __init__(self, entity: str) -> None:
        self.projects: dict[str, list[str]] = {entity: []}
        self.held: dict[str, dict[str, Any]] = {}

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [view for view in self.held.values() if view["type"] == kind]

    def answer(self, operation: str, variables: dict[str, Any]) -> dict[str, Any] | None:
        match operation:
            case "GetProjects":
                return {"models": self._projects(variables["entity"])}
            case "CreateProject":
                sent = variables["input"]
                made = _project(sent["entityName"], sent["name"])
                self.projects[sent["entityName"]].append(sent["name"])
                return {"result": {"project": made, "model": made, "inserted": True}}
            case "View" | "Views":
                return {"project": self._listed(variables)}
            case "SpecificReport":
                return {"view": self.held.get(variables["reportId"])}
            case "upsertView" | "UpsertView2":
                return {"upsertView": self._upserted(variables)}
        return None

    def _projects(self, entity: str) -> dict[str, Any] | None:
        if entity not in self.projects:
            return None
        edges = [{"node": _project(entity, name)} for name in self.projects[entity]]
        return {"edges": edges, "pageInfo": _page_info(None)}

    def _listed(self, variables: dict[str, Any]) -> dict[str, Any] | None:
        """All of a type, page by page, or the one of a name."""
        entity = variables.get("entity") or variables.get("entityName")
        project = variables.get("project") or variables.get("name")
        if project not in self.projects.get(entity, []):
            return None
        wanted, name = variables.get("type") or variables["viewType"], variables.get("viewName")
        views = [
            view
            for view in self.of(wanted)
            if view["project"]["name"] == project and name in (None, view["name"])
        ]
        begin = int(variables.get("cursor") or 0)
        edges = [{"node": view} for view in views[begin : begin + PAGE]]
        more = str(begin + PAGE) if begin + PAGE < len(views) else None
        return {"allViews": {"edges": edges, "pageInfo": _page_info(more)}}

    def _upserted(self, variables: dict[str, Any]) -> dict[str, Any] | None:
        """Null for an id that the server does not hold, and for a project that is not there."""
        entity, project = variables["entityName"], variables["projectName"]
        identity = variables.get("id")
        if project not in self.projects.get(entity, []) or (identity and identity not in self.held):
            return None
        new = identity is None
        if identity is None:
            identity = base64.b64encode(f"View:{len(self.held) + 1}".encode()).decode()
        keys = ("type", "name", "displayName", "description", "spec")
        view = {
            "id": identity,
            **{key: variables.get(key) or "" for key in keys},
            "project": _project(entity, project),
            "createdAt": None,
            "updatedAt": None,
        }
        self.held[identity] = view
        return {"view": view, "inserted": new}


def _project(entity: str, name: str) -> dict[str, Any]:
    return {
        "__typename": "Project",
        "id": f"{entity}-{name}",
        "name": name,
        "entityName": entity,
        "createdAt": "2024-01-01T00:00:00Z",
        "isBenchmark": False,
        "user": None,
    }


def _page_info(more: str | None) -> dict[str, Any]:
    return {"__typename": "PageInfo", "endCursor": more, "hasNextPage": more is not None}
