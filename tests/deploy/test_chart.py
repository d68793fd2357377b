"""
The Helm chart renders valid manifests that request no more privilege than needed.
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

pytestmark = pytest.mark.system

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
"""API version of the Prometheus Operator's kinds, which have no Kubernetes schema."""


def test_lint() -> None:
    """
    Helm's linter finds no problem.
    """
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART))


@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["defaults", "everything"])
def test_kubernetes_schemas(values: dict[str, str]) -> None:
    """
    Each manifest of Kubernetes' own kinds is valid.
    """
    for manifest in manifests(values):
        if manifest["apiVersion"] != OPERATORS:
            kubernetes_validate.validate(manifest, "1.31", strict=True)


def test_plain_manifests_are_fresh() -> None:
    """
    manifests.yaml equals the rendered chart: `make docs` writes it.
    """
    assert MANIFESTS.read_text(encoding="utf-8") == plain_manifests()


def test_default_has_no_privilege() -> None:
    """
    The pod meets the restricted pod security standard, except for the node's network and folders.
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


def test_detects_the_cloud() -> None:
    """
    By default the profile is that of the detected cloud, and the pod knows the name of its node.
    """
    (config,) = of_kind("ConfigMap")
    assert yaml.safe_load(config["data"]["config.yml"]) == {"profile": "auto"}
    (container,) = pod()["containers"]
    assert {each["name"]: each["valueFrom"] for each in container["env"]} == {
        "NODE_NAME": {"fieldRef": {"fieldPath": "spec.nodeName"}}
    }


def test_all_namespaces() -> None:
    """
    All namespaces add two capabilities and the node's PID namespace, and no more.
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
