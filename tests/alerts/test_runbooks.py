"""
Every alert has its runbook, and the runbooks hold what people need at night.

That their commands run is seen in tests/demo.
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
    They have the same names.
    """
    assert {file.stem for file in FILES} == {rule.name for rule in ALERTS}


@RUNBOOKS
def test_a_runbook_has_its_sections(file: Path) -> None:
    """
    In the order in which they are read, under the alert's name.
    """
    assert file.read_text().startswith(f"# {file.stem}\n")
    assert headings(file) == _SECTIONS


@RUNBOOKS
def test_a_runbook_has_something_to_look_at(file: Path) -> None:
    """
    A query or a command at least.
    """
    names = {name for name, _ in QUERIES} | {command.runbook for command in COMMANDS}
    assert file.stem in names


@pytest.mark.parametrize(("runbook", "query"), QUERIES)
def test_a_query_is_right(runbook: str, query: str) -> None:
    """
    It parses, and selects what there is.
    """
    rule = Rule({"record": runbook, "expr": query})
    assert [*knows_what_it_selects(rule), *takes_rates_of_counters_only(rule)] == []
