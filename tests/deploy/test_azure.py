"""
The files for Azure match the sources they are generated from.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy import bicep, cloud_init
from tests.exporter_process import ROOT

AZURE = ROOT / "deploy/azure"
RULES = ROOT / "deploy/prometheus/rules"
RULE_GROUPS = "Microsoft.AlertsManagement/prometheusRuleGroups@2023-03-01"
SEVERITIES = {"critical": 0, "warning": 2, "info": 3}
PARAMETERS = {"workspace": "/of/metrics", "actionGroups": ["/on/call", "/by/mail"]}


@pytest.mark.system
def test_cloud_init_is_fresh() -> None:
    """
    It contains the present unit and sysctls: `make docs` writes it.
    """
    assert cloud_init.FILE.read_text("utf-8") == cloud_init.user_data()


def as_azure_has_it(rule: dict[str, Any]) -> dict[str, Any]:
    """
    A rule of Prometheus in the format of Azure's rule groups.

    https://learn.microsoft.com/azure/templates/microsoft.alertsmanagement/prometheusrulegroups
    """
    azures: dict[str, Any] = {"expression": rule["expr"], "labels": rule.get("labels", {})}
    azures |= {key: rule[key] for key in ("record", "alert") if key in rule}
    if "alert" not in rule:
        return azures
    annotations = {key: text for key, text in rule["annotations"].items() if "query" not in text}
    return azures | {
        "annotations": annotations,
        "for": f"PT{rule.get('for', '0m').removesuffix('m')}M",  # ISO 8601 duration
        "resolveConfiguration": {
            "autoResolved": True,
            "timeToResolve": f"PT{rule.get('keep_firing_for', '1m').removesuffix('m')}M",
        },
        "severity": SEVERITIES[rule["labels"]["severity"]],
        "actions": [{"actionGroupId": group} for group in PARAMETERS["actionGroups"]],
    }


@pytest.mark.parametrize(
    ("resource", "file"),
    [
        ("recordingRules", "tcp-keepalive-recording.yml"),
        ("alertingRules", "tcp-keepalive-alerts.yml"),
    ],
)
def test_rules_of_managed_prometheus(resource: str, file: str) -> None:
    """
    The Bicep file evaluates to the groups of deploy/prometheus, each with all its rules.
    """
    kind, groups = bicep.resources(AZURE / "rules.bicep", PARAMETERS)[resource]
    assert kind == RULE_GROUPS
    assert groups == [
        {
            "name": group["name"],
            "location": "westeurope",
            "properties": {
                "scopes": [PARAMETERS["workspace"]],
                "interval": "PT1M",
                "rules": [as_azure_has_it(rule) for rule in group["rules"]],
            },
        }
        for group in yaml.safe_load((RULES / file).read_text("utf-8"))["groups"]
    ]


def test_bicep_errors(tmp_path: Path) -> None:
    """
    Invalid Bicep, and references to missing names, raise errors.
    """
    file = tmp_path / "wrong.bicep"
    for text, error in (
        ("var a = {", ValueError),
        ("var a = b", KeyError),
        ("var a = {}.b", KeyError),
        ("param a string", KeyError),
    ):
        file.write_text(text)
        with pytest.raises(error):
            bicep.resources(file, {})


def test_scrapes_of_managed_prometheus() -> None:
    """
    The agent's ConfigMap has a scrape configuration for the exporter's port.
    """
    manifest = yaml.safe_load((AZURE / "ama-metrics-prometheus-config-node.yml").read_text("utf-8"))
    (scrape,) = yaml.safe_load(manifest["data"]["prometheus-config"])["scrape_configs"]
    assert scrape["job_name"] == "tcp-keepalive"
    assert scrape["static_configs"] == [{"targets": ["$NODE_IP:10240"]}]
