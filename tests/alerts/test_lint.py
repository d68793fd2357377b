"""
The rules keep the linter's rules, and the linter sees what breaks them.
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
    "tcp_keepalive_no_such_metric > 0": "there is no metric",
    'tcp_keepalive_at_risk_connections{path="nat"} > 0': "has no label path",
    'tcp_keepalive_connections{protection="own|both"} > 0': "protection is never both",
    'tcp_keepalive_finding{id="KA999"} > 0': "id is never KA999",
    "rate(tcp_keepalive_at_risk_connections[5m]) > 0": "which is no counter",
    "tcp_keepalive_idle_drops_total > 0": "without rate() or increase()",
    "sum(tcp_keepalive_at_risk_connections) > 0": "drops every label",
    "sum without (instance) (tcp_keepalive_at_risk_connections) > 0": "drops instance",
    "sum by (netns) (tcp_keepalive_at_risk_connections) > 0": "drops job",
    'tcp_keepalive_at_risk_connections{netns=~"host"} > 0': "needs no regular expression",
    'tcp_keepalive_at_risk_connections{netns=~"^h.*"} > 0': "is anchored already",
    "tcp_keepalive_at_risk_connections": "always there",
    "tcp_keepalive_at_risk_connections > bool 0": "always there",
}
BAD_PARTS: list[tuple[dict[str, Any], str]] = [
    ({"alert": "KeepaliveExample"}, "its name"),
    ({"labels": {"severity": "page"}}, "its one label"),
    ({"labels": {"severity": "info", "team": "net"}}, "its one label"),
    ({"for": "0m"}, "no `for`"),
    ({"annotations": {"summary": "Wrong."}}, "its annotations"),
]
BAD_ANNOTATIONS = [
    ({"summary": "{{ $value }} are wrong."}, "its summary"),
    ({"summary": "It is wrong. Do something."}, "its summary"),
    ({"summary": "It is wrong"}, "its summary"),
    ({"description": "It is {{ $value | humanize }}."}, "does not say where"),
    ({"description": "On {{ $labels.instance }}"}, "not sentences"),
    ({"description": "{{ $labels.instance }} has {{ $value }}."}, "not for people"),
    ({"runbook_url": f"{runbook_base()}/Other.md"}, "its runbook_url"),
]
BAD_RECORDINGS = {
    "tcp_keepalive_connections:sum": "level:metric:operation",
    "path:tcp_keepalive_connections:sum": "level:metric:operation",
    "job:tcp_keepalive_connections:sum": "not those of level job",
    "instance_path:tcp_keepalive_connections:sum": "not those of level instance_path",
}


@pytest.mark.parametrize("rule", [*ALERTS, *RECORDINGS], ids=lambda rule: rule.name)
def test_a_rule_has_no_problem(rule: Rule) -> None:
    """
    No check of the linter finds anything.
    """
    assert problems(rule) == []


def test_the_linter_passes_what_is_right() -> None:
    """
    The example that the tests below spoil is a good one.
    """
    assert problems(Rule(GOOD)) == []


@pytest.mark.parametrize(("expression", "problem"), BAD_EXPRESSIONS.items())
def test_the_linter_sees_a_bad_expression(expression: str, problem: str) -> None:
    """
    One problem is told, and it is the one there is.
    """
    (told,) = problems(Rule(GOOD | {"expr": expression}))
    assert problem in told


@pytest.mark.parametrize(("part", "problem"), BAD_PARTS)
def test_the_linter_sees_a_bad_part(part: dict[str, Any], problem: str) -> None:
    """
    One problem is told, and it is the one there is.
    """
    (told,) = problems(Rule(GOOD | part))
    assert problem in told


@pytest.mark.parametrize(("annotation", "problem"), BAD_ANNOTATIONS)
def test_the_linter_sees_a_bad_annotation(annotation: dict[str, str], problem: str) -> None:
    """
    One problem is told, and it is the one there is.
    """
    (told,) = problems(Rule(GOOD | {"annotations": GOOD["annotations"] | annotation}))
    assert problem in told


@pytest.mark.parametrize(("name", "problem"), BAD_RECORDINGS.items())
def test_the_linter_sees_a_bad_recording(name: str, problem: str) -> None:
    """
    What is recorded keeps the labels job and path only.
    """
    expression = "sum by (job, path) (tcp_keepalive_connections)"
    (told,) = problems(Rule({"record": name, "expr": expression}))
    assert problem in told


def test_names_are_used_once_for_each_severity() -> None:
    """
    Two alerts may share a name, and then the runbook, but not the severity too.
    """
    names = [(rule.name, rule.severity) for rule in ALERTS]
    assert len(set(names)) == len(names)


def test_an_instances_recordings_are_for_the_alerts() -> None:
    """
    Each is used by some other rule. A fleet's are for people to look at, too.
    """
    used = {
        selector.name for rule in [*ALERTS, *RECORDINGS] for selector in selectors(rule.expression)
    }
    of_instances = {rule.name for rule in RECORDINGS if rule.name.startswith("instance")}
    assert of_instances <= used
