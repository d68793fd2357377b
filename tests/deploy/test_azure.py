"""
What is there for Azure is made of the same parts as the rest.
"""

import re
from typing import Any

import yaml

from tests.deploy import cloud_init
from tests.exporter_process import ROOT

AZURE = ROOT / "deploy/azure"


def rules(name: str) -> list[dict[str, Any]]:
    """
    The rules of a file that the Bicep file reads.
    """
    groups = yaml.safe_load((AZURE / name).read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_cloud_init_is_fresh() -> None:
    """
    It holds the unit and the sysctls as they are: `make docs` writes it.
    """
    assert cloud_init.FILE.read_text("utf-8") == cloud_init.user_data()


def test_bicep_reads_the_rules() -> None:
    """
    Every file it reads is there, and every rule has what it takes from it.
    """
    text = (AZURE / "rules.bicep").read_text("utf-8")
    recording, alerts = map(rules, re.findall(r"loadYamlContent\('([^']+)'\)", text))
    severities = set(re.findall(r"(\w+): \d", text.partition("var severities")[2]))
    assert recording
    assert alerts
    assert all({"record", "expr"} <= rule.keys() for rule in recording)
    for alert in alerts:
        assert {"alert", "expr", "labels", "annotations"} <= alert.keys()
        assert alert["labels"]["severity"] in severities
        # PT15M is what Azure calls 15m; it knows no PT15m.
        assert re.fullmatch(r"\d+m", alert.get("for", "0m"))


def test_scrapes_of_managed_prometheus() -> None:
    """
    The agent's config map holds a scrape configuration for the exporter's port.
    """
    manifest = yaml.safe_load((AZURE / "ama-metrics-prometheus-config-node.yml").read_text("utf-8"))
    (scrape,) = yaml.safe_load(manifest["data"]["prometheus-config"])["scrape_configs"]
    assert scrape["job_name"] == "tcp-keepalive"
    assert scrape["static_configs"] == [{"targets": ["$NODE_IP:10240"]}]
