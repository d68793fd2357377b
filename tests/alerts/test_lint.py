"""
The rules pass the linter, and the linter finds problems.
"""

from typing import Any

import pytest

from tests.alerts.lint import problems
from tests.alerts.rules import ALERTS, RECORDINGS, Rule, runbook_base, selectors

GOOD: dict[str, Any] = {
    "alert": "TCPKeepaliveExample",
    "expr": "tcp_keepalive_at_risk_connections > 0",
    "for": "15m",
    "labels": {"severity": "warning"},
    "annotations": {
        "summary": "Something is wrong.",
        "description": "On {{ $labels.instance }} it is {{ $value | humanize }}.",
        "runbook_url": f"{runbook_base()}/TCPKeepaliveExample.md",
    },
}
BAD_EXPRESSIONS = {
    "tcp_keepalive_no_such_metric > 0": "tcp_keepalive_no_such_metric",
    'tcp_keepalive_at_risk_connections{path="nat"} > 0': "label path",
    'tcp_keepalive_connections{protection="own|both"} > 0': "never both",
    'tcp_keepalive_finding{id="KA999"} > 0': "never KA999",
    "rate(tcp_keepalive_at_risk_connections[5m]) > 0": "rate() of",
    "tcp_keepalive_idle_drops_total > 0": "without rate()",
    "sum(tcp_keepalive_at_risk_connections) > 0": "drops every label",
    "sum without (instance) (tcp_keepalive_at_risk_connections) > 0": "drops instance",
    "sum by (netns) (tcp_keepalive_at_risk_connections) > 0": "drops job",
    'tcp_keepalive_at_risk_connections{netns=~"host"} > 0': "regular expression",
    'tcp_keepalive_at_risk_connections{netns=~"^h.*"} > 0': "anchored",
    "tcp_keepalive_at_risk_connections": "never empty",
    "tcp_keepalive_at_risk_connections > bool 0": "never empty",
}
BAD_PARTS: list[tuple[dict[str, Any], str]] = [
    ({"alert": "KeepaliveExample"}, "its name"),
    ({"labels": {"severity": "page"}}, "its one label"),
    ({"labels": {"severity": "info", "team": "net"}}, "its one label"),
    ({"for": "0m"}, "no `for`"),
    ({"keep_firing_for": "1h"}, "its `keep_firing_for`"),
    ({"annotations": {"summary": "Wrong."}}, "its annotations"),
]
BAD_ANNOTATIONS = [
    ({"summary": "{{ $value }} are wrong."}, "its summary"),
    ({"summary": "It is wrong. Do something."}, "its summary"),
    ({"summary": "It is wrong"}, "its summary"),
    ({"description": "It is {{ $value | humanize }}."}, "instance or job"),
    ({"description": "On {{ $labels.instance }}"}, "not sentences"),
    ({"description": "{{ $labels.instance }} has {{ $value }}."}, "humanized"),
    ({"runbook_url": f"{runbook_base()}/Other.md"}, "its runbook_url"),
]
BAD_RECORDINGS = {
    "tcp_keepalive_connections:sum": "level:metric:operation",
    "path:tcp_keepalive_connections:sum": "level:metric:operation",
    "job:tcp_keepalive_connections:sum": "level job",
    "instance_path:tcp_keepalive_connections:sum": "level instance_path",
}


@pytest.mark.parametrize("rule", [*ALERTS, *RECORDINGS], ids=lambda rule: rule.name)
def test_a_rule_has_no_problem(rule: Rule) -> None:
    """
    No check of the linter finds a problem.
    """
    assert problems(rule) == []


def test_the_linter_accepts_a_correct_rule() -> None:
    """
    The example that the tests below modify is correct.
    """
    assert problems(Rule(GOOD)) == []


@pytest.mark.parametrize(("expression", "problem"), BAD_EXPRESSIONS.items())
def test_the_linter_finds_a_bad_expression(expression: str, problem: str) -> None:
    """
    The expected problem is reported, and no other.
    """
    (found,) = problems(Rule(GOOD | {"expr": expression}))
    assert problem in found


@pytest.mark.parametrize(("part", "problem"), BAD_PARTS)
def test_the_linter_finds_a_bad_part(part: dict[str, Any], problem: str) -> None:
    """
    The expected problem is reported, and no other.
    """
    (found,) = problems(Rule(GOOD | part))
    assert problem in found


@pytest.mark.parametrize(("annotation", "problem"), BAD_ANNOTATIONS)
def test_the_linter_finds_a_bad_annotation(annotation: dict[str, str], problem: str) -> None:
    """
    The expected problem is reported, and no other.
    """
    (found,) = problems(Rule(GOOD | {"annotations": GOOD["annotations"] | annotation}))
    assert problem in found


@pytest.mark.parametrize(("name", "problem"), BAD_RECORDINGS.items())
def test_the_linter_finds_a_bad_recording(name: str, problem: str) -> None:
    """
    The name does not fit an expression that keeps only the labels job and path.
    """
    expression = "sum by (job, path) (tcp_keepalive_connections)"
    (found,) = problems(Rule({"record": name, "expr": expression}))
    assert problem in found


@pytest.mark.parametrize(
    ("level", "expression"),
    [
        ("job_path", "tcp_keepalive_path_snat_ports / 2"),
        ("instance", "tcp_keepalive_path_snat_ports / 2"),
        ("instance_path", "tcp_keepalive_connections / 2"),
    ],
)
def test_the_linter_finds_a_bad_level_without_aggregation(level: str, expression: str) -> None:
    """
    The name does not fit the labels of the metric, all of which the expression keeps.
    """
    rule = {"record": f"{level}:tcp_keepalive_example:half", "expr": expression}
    (found,) = problems(Rule(rule))
    assert "without aggregation" in found


def test_names_are_used_once_for_each_severity() -> None:
    """
    Two alerts may share a name and its runbook, but then have different severities.
    """
    names = [(rule.name, rule.severity) for rule in ALERTS]
    assert len(set(names)) == len(names)


def test_recordings_of_instances_are_used() -> None:
    """
    Each is used by another rule. Recordings of fleets may be for ad-hoc queries only.
    """
    used = {
        selector.name for rule in [*ALERTS, *RECORDINGS] for selector in selectors(rule.expression)
    }
    of_instances = {rule.name for rule in RECORDINGS if rule.name.startswith("instance")}
    assert of_instances <= used
