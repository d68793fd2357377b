"""
The rules of deploy/prometheus, parsed.
"""

import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import promql_parser as promql
import yaml

from tests.exporter_process import ROOT
from tests.lab.requirements import needs

DIRECTORY = ROOT / "deploy/prometheus"
FILES = sorted((DIRECTORY / "rules").glob("*.yml"))
TESTS = sorted((DIRECTORY / "tests").glob("*.yml"))
RUNBOOKS = ROOT / "docs/runbooks"


@dataclass(frozen=True)
class Rule:
    """
    A rule, as in its file.
    """

    text: dict[str, Any]

    @property
    def name(self) -> str:
        """
        The name of the alert or of the recorded series.
        """
        return str(self.text.get("alert") or self.text["record"])

    @property
    def is_alert(self) -> bool:
        """
        Whether this is an alert; otherwise it is a recording rule.
        """
        return "alert" in self.text

    @property
    def annotations(self) -> dict[str, str]:
        """
        An alert's annotations.
        """
        return dict(self.text["annotations"])

    @property
    def severity(self) -> str:
        """
        An alert's severity.
        """
        return str(self.text["labels"]["severity"])

    @cached_property
    def expression(self) -> promql.Expr:
        """
        Its PromQL, parsed.
        """
        return promql.parse(self.text["expr"])


def rules() -> list[Rule]:
    """
    Every rule, in the order of the files.
    """
    return [
        Rule(text)
        for file in FILES
        for group in yaml.safe_load(file.read_text())["groups"]
        for text in group["rules"]
    ]


ALERTS = [rule for rule in rules() if rule.is_alert]
RECORDINGS = [rule for rule in rules() if not rule.is_alert]


def nodes(expression: promql.Expr) -> Iterator[Any]:
    """
    All nodes of an expression, the root first.
    """
    found: list[promql.Expr] = []
    promql.walk(expression, found.append)
    return iter(found)


def selectors(expression: promql.Expr) -> Iterator[promql.VectorSelector]:
    """
    All series selectors in an expression, including those of ranges.
    """
    return (node for node in nodes(expression) if isinstance(node, promql.VectorSelector))


def runbook_base() -> str:
    """
    The URL of the published runbooks, from pyproject.toml. The alerts repeat it.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return str(project["urls"]["Runbooks"])


def promtool(*arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """
    Run promtool, capturing stdout and stderr.
    """
    argv = [needs("promtool"), *map(str, arguments)]
    return subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False)
