"""
promtool's checks of the rules, and the rules against a healthy host.
"""

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import Metric

from exporter.analysis.findings import find_all
from exporter.config.schema import Config
from exporter.metrics import families
from exporter.model import HOST_NETNS, Recommended
from tests.alerts.rules import ALERTS, DIRECTORY, FILES, TESTS, promtool
from tests.lab.requirements import needs
from tests.snapshots import WITH_PORTS, full_snapshot, no_closures

TARGET = {"job": "tcp-keepalive", "instance": "web-1"}


@pytest.mark.system
def test_promtool_accepts_the_rules() -> None:
    """
    `promtool check rules` succeeds with all lint checks fatal.
    """
    checked = promtool("check", "rules", "--lint=all", "--lint-fatal", *FILES)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.system
def test_the_example_configurations_are_valid() -> None:
    """
    Promtool and amtool accept them, and Prometheus' one loads the rules.
    """
    checked = promtool("check", "config", DIRECTORY / "prometheus.yml")
    assert checked.returncode == 0, checked.stderr
    assert f"{len(FILES)} rule files found" in checked.stdout
    alertmanager = [needs("amtool"), "check-config", str(DIRECTORY / "alertmanager.yml")]
    assert subprocess.run(alertmanager, capture_output=True, check=False).returncode == 0


@pytest.mark.system
@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.stem)
def test_the_rules_pass_their_unit_tests(file: Path) -> None:
    """
    Promtool's unit tests: silent, firing with all labels and annotations, resolved.
    """
    tested = promtool("test", "rules", file)
    assert tested.returncode == 0, tested.stdout + tested.stderr


def alert_cases() -> Iterator[list[tuple[str, list[Any]]]]:
    """
    The alert names and expected alerts of each unit test, in order of time.
    """
    for file in TESTS:
        for test in yaml.safe_load(file.read_text())["tests"]:
            cases = test.get("alert_rule_test", [])
            yield [(case["alertname"], case["exp_alerts"]) for case in cases]


@pytest.mark.parametrize("alert", ALERTS, ids=lambda rule: f"{rule.name}-{rule.severity}")
def test_an_alert_has_a_unit_test(alert: Any) -> None:
    """
    In one test it is silent, then fires with its severity, then is silent again.
    """
    for cases in alert_cases():
        severities = [
            [each["exp_labels"]["severity"] for each in expected]
            for name, expected in cases
            if name == alert.name
        ]
        if severities == [[], [alert.severity], []]:
            return
    pytest.fail("no unit test with the alert silent, firing and resolved")


def healthy() -> Iterator[Metric]:
    """
    The metrics of a host with the recommended settings.
    """
    snapshot = full_snapshot()
    settings = {HOST_NETNS: replace(snapshot.settings[HOST_NETNS], time=120, interval=30, probes=8)}
    findings = find_all(settings, {}, Recommended(), Config().paths)
    assert findings, "a healthy host has findings of severity info, too"
    snapshot = replace(snapshot, settings=settings, findings=findings)
    return families(snapshot, no_closures(), WITH_PORTS, now=snapshot.due)


def growth(name: str, labels: dict[str, str]) -> int:
    """
    The increase of a busy host's series in a minute.
    """
    is_closure = name.startswith("tcp_keepalive_closure_idle_seconds")
    if is_closure and labels["reason"] == "normal":
        return 60_000
    if is_closure and labels["reason"] == "reset":
        return 500  # none of them after an idle spell
    return 1_000 if name == "tcp_keepalive_probes_sent_total" else 0


def level(name: str, labels: dict[str, str], value: float) -> float:
    """
    The start value of a busy host's series.
    """
    if name == "tcp_keepalive_path_busiest_destination_connections":
        return 799.0  # of 1,000 SNAT ports
    if name != "tcp_keepalive_connections":
        return float(value)
    protected = labels["protection"] in ("own", "peer")
    match labels["idle_state"]:
        case "stalled" | "unanswered":
            return 0.0
        case "peer_closed":
            return 20.0  # a pool closes them when it uses them next
        case "active":
            return 5_000.0
    return 5_000.0 if protected else 0.0


@pytest.mark.system
def test_a_healthy_busy_host_does_not_alert(tmp_path: Path) -> None:
    """
    For two hours, with tens of thousands of connections that open and close, some of them idle.
    """
    series = [
        {
            "series": f"{sample.name}{render(sample.labels | TARGET)}",
            "values": f"{level(*sample[:2], sample.value)}+{growth(*sample[:2])}x120",
        }
        for family in healthy()
        for sample in family.samples
    ]
    series.append({"series": f"up{render(TARGET)}", "values": "1x120"})
    names = {alert.name for alert in ALERTS}
    test = {
        "rule_files": [str(file) for file in FILES],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": series,
                "alert_rule_test": [
                    {"eval_time": time, "alertname": name, "exp_alerts": []}
                    for name in sorted(names)
                    for time in ("20m", "120m")
                ],
                # Proves that the series reach the rules: without series no alert fires either.
                "promql_expr_test": [
                    {
                        "expr": "sum by (job) (tcp_keepalive_connections)",
                        "eval_time": "120m",
                        "exp_samples": [{"labels": '{job="tcp-keepalive"}', "value": 135_060}],
                    }
                ],
            }
        ],
    }
    file = tmp_path / "healthy.yml"
    file.write_text(yaml.safe_dump(test))
    tested = promtool("test", "rules", file)
    assert tested.returncode == 0, tested.stdout + tested.stderr


def render(labels: dict[str, str]) -> str:
    """
    Labels in PromQL syntax.
    """
    return "{" + ", ".join(f'{name}="{value}"' for name, value in labels.items()) + "}"
