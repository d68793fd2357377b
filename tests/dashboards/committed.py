"""
The committed dashboards, parsed.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "dashboards"
FILES = sorted(FOLDER.glob("*.json"))


@dataclass(frozen=True, slots=True)
class Panel:
    """
    A panel other than a row: the name of its dashboard, and its JSON.
    """

    dashboard: str
    json: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.dashboard}: {self.json['title']}"

    @property
    def queries(self) -> list["Query"]:
        """
        The panel's queries.
        """
        return [Query(self, target) for target in self.json["targets"]]


@dataclass(frozen=True, slots=True)
class Query:
    """
    A query of a panel.
    """

    panel: Panel
    json: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.panel}, {self.json['refId']}"

    @property
    def expression(self) -> str:
        """
        The PromQL, with the dashboard's variables.
        """
        return str(self.json["expr"])

    def filled_in(self, **builtin: str) -> str:
        """
        The PromQL with its variables replaced as by fill_in().
        """
        return fill_in(self.expression, **builtin)


def fill_in(expression: str, host: str = ".+", **builtin: str) -> str:
    """
    PromQL with the host and all jobs and paths selected, and these values for Grafana's variables.
    """
    values = {"job": ".+", "instance": host, "path": ".+"}
    values |= {f"__{name}": value for name, value in builtin.items()}
    return re.sub(r"\$(__\w+|[a-z]\w*)", lambda match: values[match[1]], expression)


def dashboards() -> dict[str, dict[str, Any]]:
    """
    Every dashboard by its file's name.
    """
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in FILES}


def panels() -> list[Panel]:
    """
    All panels of all dashboards, including those in collapsed rows.
    """
    return [
        Panel(name, panel)
        for name, dashboard in dashboards().items()
        for panel in flat(dashboard)
        if panel["type"] != "row"
    ]


def queries() -> list[Query]:
    """
    All queries of all panels.
    """
    return [query for panel in panels() for query in panel.queries]


def flat(dashboard: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """
    The panels of a dashboard, including rows and the panels in them.
    """
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", [])
