"""
The Helm chart: what it renders is what Kubernetes takes, and asks for no more than it needs.
"""

import kubernetes_validate
import pytest
import yaml

from tests.deploy.chart import (
    CHART,
    MANIFESTS,
    helm,
    manifests,
    of_kind,
    plain_manifests,
    pod,
)
from tests.exporter_process import ROOT

EVERYTHING = {
    "allNamespaces": "true",
    "hostNetwork": "false",
    "podMonitor.enabled": "true",
    "prometheusRule.enabled": "true",
    "dashboards.enabled": "true",
    "networkPolicy.enabled": "true",
    "priorityClassName": "system-node-critical",
    "args": "{--log.format=json}",
}
OPERATORS = "monitoring.coreos.com/v1"
"""Of Prometheus Operator's kinds, which are not among Kubernetes' own schemas."""


def test_lint() -> None:
    """
    Helm finds nothing to blame.
    """
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART))


@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["defaults", "everything"])
def test_kubernetes_takes_it(values: dict[str, str]) -> None:
    """
    Each manifest of Kubernetes' own kinds fits its schema.
    """
    for manifest in manifests(values):
        if manifest["apiVersion"] != OPERATORS:
            kubernetes_validate.validate(manifest, "1.31", strict=True)


def test_plain_manifests_are_fresh() -> None:
    """
    manifests.yaml is what the chart renders: `make docs` writes it.
    """
    assert MANIFESTS.read_text(encoding="utf-8") == plain_manifests()


def test_default_has_no_privilege() -> None:
    """
    The pod fits the restricted pod security standard, but for the node's network and folders.
    """
    spec = pod()
    (container,) = spec["containers"]
    assert container["securityContext"] == {
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert (spec["hostNetwork"], spec["hostPID"]) == (True, False)
    assert not spec["automountServiceAccountToken"]
    assert all(mount["readOnly"] for mount in container["volumeMounts"])


def test_all_namespaces() -> None:
    """
    Two capabilities and the node's processes come with all namespaces, and no more.
    """
    spec = pod({"allNamespaces": "true"})
    (container,) = spec["containers"]
    assert container["securityContext"]["capabilities"] == {
        "drop": ["ALL"],
        "add": ["SYS_ADMIN", "SYS_PTRACE"],
    }
    assert "--namespaces=all" in container["args"]
    assert spec["hostPID"]


def test_rules() -> None:
    """
    The Prometheus Operator gets the rules of deploy/prometheus.
    """
    rules = {
        rule["metadata"]["name"]: rule["spec"]
        for rule in of_kind("PrometheusRule", {"prometheusRule.enabled": "true"})
    }
    files = sorted((ROOT / "deploy/prometheus/rules").glob("*.yml"))
    assert files
    assert rules == {file.stem: yaml.safe_load(file.read_text("utf-8")) for file in files}


def test_dashboards() -> None:
    """
    Grafana's sidecar gets the dashboards.
    """
    found = {
        name: content
        for config_map in of_kind("ConfigMap", {"dashboards.enabled": "true"})
        if "grafana_dashboard" in config_map["metadata"]["labels"]
        for name, content in config_map["data"].items()
    }
    files = sorted((ROOT / "dashboards").glob("*.json"))
    assert files
    assert found == {f"tcp-keepalive-{file.name}": file.read_text("utf-8") for file in files}
