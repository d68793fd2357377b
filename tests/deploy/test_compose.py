"""
The compose file: its mounts exist, and Prometheus accepts its configuration.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.alerts.rules import promtool
from tests.exporter_process import ROOT

COMPOSE = ROOT / "deploy/compose"


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    """
    The services by name.
    """
    content: dict[str, Any] = yaml.safe_load((COMPOSE / "compose.yml").read_text("utf-8"))
    return content["services"]  # type: ignore[no-any-return]


def mounted(service: dict[str, Any]) -> dict[str, Path]:
    """
    Mounted files and folders of the checkout, by mount point.
    """
    mounts = (volume.split(":") for volume in service["volumes"])
    return {
        target: (COMPOSE / source).resolve()
        for source, target, *_ in mounts
        if source.startswith(".")
    }


def test_mounts_exist(services: dict[str, dict[str, Any]]) -> None:
    """
    Every mount source exists; Docker would create an empty folder otherwise.
    """
    for service in services.values():
        for place in mounted(service).values():
            assert place.exists(), place


@pytest.mark.system
def test_prometheus_accepts_it(services: dict[str, dict[str, Any]]) -> None:
    """
    Prometheus accepts the configuration, which is the example of deploy/prometheus, and its rules.
    """
    folder = mounted(services["prometheus"])["/etc/prometheus"]
    ended = promtool("check", "config", folder / "prometheus.yml")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "2 rule files found" in ended.stdout


def test_grafana_finds_the_dashboards(services: dict[str, dict[str, Any]]) -> None:
    """
    The provisioned folder contains the dashboards.
    """
    mounts = mounted(services["grafana"])
    provider = mounts["/etc/grafana/provisioning/dashboards/tcp-keepalive.yml"]
    (entry,) = yaml.safe_load(provider.read_text("utf-8"))["providers"]
    found = mounts[entry["options"]["path"]].glob("*.json")
    assert {json.loads(file.read_text("utf-8"))["uid"] for file in found} == {
        "tcp-keepalive-drops",
        "tcp-keepalive-fleet",
        "tcp-keepalive-host",
    }


def test_exporter_has_no_privilege(services: dict[str, dict[str, Any]]) -> None:
    """
    Read-only file system, no capabilities, no new privileges.
    """
    exporter = services["exporter"]
    assert exporter["read_only"]
    assert exporter["cap_drop"] == ["ALL"]
    assert exporter["security_opt"] == ["no-new-privileges:true"]
