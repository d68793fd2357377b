"""
The patch, applied by kubectl and validated with Kubernetes' schemas.
"""

import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.remedies.printed import INTERVAL, PROBES, TIME, commands, printed
from tests.remedies.unpacked import unpacked

pytestmark = pytest.mark.system

POD = {
    "securityContext": {
        "runAsNonRoot": True,
        "sysctls": [{"name": "net.core.somaxconn", "value": "512"}],
    },
    "containers": [{"name": "app", "image": "app"}],
}
SYSCTLS = [
    {"name": "net.ipv4.tcp_keepalive_time", "value": str(TIME)},
    {"name": "net.ipv4.tcp_keepalive_intvl", "value": str(INTERVAL)},
    {"name": "net.ipv4.tcp_keepalive_probes", "value": str(PROBES)},
]
"""Safe sysctls from 1.29 on (kubernetes/kubernetes, pkg/kubelet/sysctl/safe_sysctls.go)."""
VERSIONS = ("1.29", "1.37")


def workload(kind: str) -> dict[str, Any]:
    """
    A Deployment or similar, whose pods already have a security context and a sysctl.
    """
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": "NAME"},
        "spec": {
            "selector": {"matchLabels": {"app": "app"}},
            "template": {"metadata": {"labels": {"app": "app"}}, "spec": POD},
            **({"serviceName": "app"} if kind == "StatefulSet" else {}),
        },
    }


def patched(kind: str, text: str, directory: Path) -> dict[str, Any]:
    """
    A workload after the patch by kubectl.
    """
    (directory / "workload.yaml").write_text(yaml.safe_dump(workload(kind)))
    (directory / "tcp-keepalive.yaml").write_text(text)
    (command,) = commands(text, "Apply")
    _, patch, _, _, flag, file = command.split()  # kubectl patch deployment NAME --patch-file ...
    local = ("--local", "-f", "workload.yaml", "-o", "yaml")
    done = subprocess.run(
        [unpacked("usr/bin/kubectl"), patch, flag, file, *local],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = yaml.safe_load(done.stdout)
    return result


@pytest.mark.parametrize("kind", ["Deployment", "DaemonSet", "StatefulSet"])
def test_patch(kind: str, tmp_path: Path) -> None:
    """
    The patch replaces the sysctls of the pods and keeps everything else.
    """
    result = patched(kind, printed("kubernetes"), tmp_path)
    for version in VERSIONS:
        kubernetes_validate.validate(result, version, strict=True)
    pod = result["spec"]["template"]["spec"]
    assert pod["securityContext"] == {"runAsNonRoot": True, "sysctls": SYSCTLS}
    assert pod["containers"] == POD["containers"]


@pytest.mark.parametrize(("right", "wrong"), [(f'"{TIME}"', str(TIME)), ("value:", "is:")])
def test_invalid_patch_is_rejected(right: str, wrong: str, tmp_path: Path) -> None:
    """
    The schemas reject an invalid patch.
    """
    result = patched("Deployment", printed("kubernetes").replace(right, wrong), tmp_path)
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(result, VERSIONS[-1], strict=True)
