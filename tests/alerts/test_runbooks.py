"""
Every alert has a runbook, and every runbook is complete.

tests/demo runs the commands in the runbooks.
"""

from pathlib import Path

import pytest

from tests.alerts.lint import knows_what_it_selects, takes_rates_of_counters_only
from tests.alerts.rules import ALERTS, Rule
from tests.alerts.runbooks import COMMANDS, FILES, QUERIES, headings

_SECTIONS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]
RUNBOOKS = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    """
    The names match.
    """
    assert {file.stem for file in FILES} == {rule.name for rule in ALERTS}


@RUNBOOKS
def test_a_runbook_has_its_sections(file: Path) -> None:
    """
    The heading is the alert's name, and the sections are in order.
    """
    assert file.read_text().startswith(f"# {file.stem}\n")
    assert headings(file) == _SECTIONS


@RUNBOOKS
def test_a_runbook_has_a_query_or_command(file: Path) -> None:
    """
    There is at least one query or command for the diagnosis.
    """
    names = {name for name, _ in QUERIES} | {command.runbook for command in COMMANDS}
    assert file.stem in names


@pytest.mark.parametrize(("runbook", "query"), QUERIES)
def test_a_query_is_valid(runbook: str, query: str) -> None:
    """
    It parses, and its metrics, labels and values exist.
    """
    rule = Rule({"record": runbook, "expr": query})
    assert [*knows_what_it_selects(rule), *takes_rates_of_counters_only(rule)] == []
