"""
The rules of deploy/prometheus, read.
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

DIRECTORY = ROOT / "deploy/prometheus"
FILES = sorted((DIRECTORY / "rules").glob("*.yml"))
TESTS = sorted((DIRECTORY / "tests").glob("*.yml"))
RUNBOOKS = ROOT / "docs/runbooks"


@dataclass(frozen=True)
class Rule:
    """
    One rule, as its file has it.
    """

    text: dict[str, Any]

    @property
    def name(self) -> str:
        """
        The alert's name, or that of the series that is recorded.
        """
        return str(self.text.get("alert") or self.text["record"])

    @property
    def is_alert(self) -> bool:
        """
        Whether it alerts; else it records.
        """
        return "alert" in self.text

    @property
    def annotations(self) -> dict[str, str]:
        """
        What an alert says.
        """
        return dict(self.text["annotations"])

    @property
    def severity(self) -> str:
        """
        How bad an alert is.
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
    Each part of an expression, the whole first.
    """
    found: list[promql.Expr] = []
    promql.walk(expression, found.append)
    return iter(found)


def selectors(expression: promql.Expr) -> Iterator[promql.VectorSelector]:
    """
    Every selector of series in an expression, those of ranges included.
    """
    return (node for node in nodes(expression) if isinstance(node, promql.VectorSelector))


def runbook_base() -> str:
    """
    Where the runbooks are published; this stands in pyproject.toml alone, and in the alerts.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return str(project["urls"]["Runbooks"])


def promtool(*arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """
    Run promtool; what it says is on stdout and stderr.
    """
    argv = ["promtool", *map(str, arguments)]
    return subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False)
