"""
The profile in force, where people look for it.
"""

import json
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.exporter_process import AS_NOBODY, exporter_process, run_exporter
from tests.lab import requires_lab

pytestmark = pytest.mark.system

AZURE_TAG = "7783-7084-3265-9085-8269-3286-77"
INFO = "tcp_keepalive_profile_info"


def cloud(folder: Path, **files: str) -> Path:
    """
    A sysfs in this folder, with these files in class/dmi/id.
    """
    dmi = folder / "class/dmi/id"
    dmi.mkdir(parents=True)
    for name, content in files.items():
        (dmi / name).write_text(f"{content}\n")
    return folder


def aws(folder: Path) -> Path:
    """
    The sysfs of an AWS instance with Nitro v6.
    """
    return cloud(folder, sys_vendor="Amazon EC2", product_name="m8i.large")


def test_log_line_and_metric(tmp_path: Path) -> None:
    """
    One log line has the profile, the file that identifies the cloud, and the timeouts that follow.
    """
    with exporter_process(f"--path.sysfs={aws(tmp_path)}") as exporter:
        metrics = exporter.metrics()
        (line,) = [line for line in exporter.log if "profile in force" in line]
    assert line.partition(" level=info ")[2] == (
        f'msg="profile in force" profile=aws source=detected cloud=aws'
        f" file={tmp_path}/class/dmi/id/sys_vendor instance_type=m8i.large"
        ' timeouts="aws-eni 350 s, aws-nat-gateway 350 s, aws-nlb 350 s"'
    )
    assert metrics[f'{INFO}{{cloud="aws",profile="aws",source="detected"}}'] == 1
    assert metrics['tcp_keepalive_path_idle_timeout_seconds{direction="any",path="aws-eni"}'] == 350


def test_nothing_detected() -> None:
    """
    Without a known cloud, the profile is Azure's, by default, and the log line says why.
    """
    with exporter_process() as exporter:
        metrics = exporter.metrics()
        (line,) = [line for line in exporter.log if "profile in force" in line]
    assert "profile=azure source=default cloud=unknown timeouts=" in line
    assert "No cloud was detected" in line
    assert metrics[f'{INFO}{{cloud="unknown",profile="azure",source="default"}}'] == 1


def test_reload_to_another_profile(tmp_path: Path) -> None:
    """
    A reload that changes the profile logs it; one that does not change it logs nothing about it.
    """
    sysfs, file = aws(tmp_path / "sys"), tmp_path / "config.yml"
    file.write_text("profile: [azure, ipvs]")
    with exporter_process(f"--path.sysfs={sysfs}", f"--config.file={file}") as exporter:
        exporter.wait_for({f'{INFO}{{cloud="aws",profile="azure,ipvs",source="config"}}': 1})
        exporter.process.send_signal(signal.SIGHUP)
        file.write_text("profile: auto")
        exporter.process.send_signal(signal.SIGHUP)
        exporter.wait_for({f'{INFO}{{cloud="aws",profile="aws",source="detected"}}': 1})
        lines = [line for line in exporter.log if "profile in force" in line]
    assert len(lines) == 2


@pytest.mark.parametrize("flags", [("--config.check",), ("check",)])
def test_commands_explain(tmp_path: Path, flags: Sequence[str]) -> None:
    """
    `check` and --config.check state the profile and the file that it was detected from.
    """
    ended = run_exporter(*flags, f"--path.sysfs={aws(tmp_path)}")
    text = "".join(ended.stdout.split())  # `check` wraps lines
    assert text.startswith("Profileaws,detectedfrom")
    assert "class/dmi/id/sys_vendor(m8i.large)." in text


def test_contradiction(tmp_path: Path) -> None:
    """
    A configured profile of another cloud is finding KA018, with the cloud and the file.
    """
    sysfs, file = cloud(tmp_path / "sys", chassis_asset_tag=AZURE_TAG), tmp_path / "config.yml"
    file.write_text("profile: aws")
    flags = (f"--path.sysfs={sysfs}", f"--config.file={file}", "--format=json")
    (host,) = json.loads(run_exporter("check", *flags).stdout)["namespaces"]
    (finding,) = [each for each in host["findings"] if each["id"] == "KA018"]
    assert finding["severity"] == "warning"
    assert "runs on azure" in finding["problem"]
    assert "chassis_asset_tag" in finding["problem"]
    assert "`profile: azure`" in finding["remedy"]


def test_landing_page(tmp_path: Path) -> None:
    """
    The landing page explains the profile, and lists only paths that can decide.
    """
    with exporter_process(f"--path.sysfs={aws(tmp_path)}") as exporter:
        _, page = exporter.get("/")
    assert "Profile aws, detected from " in page
    assert '<th scope="row">aws-eni</th>' in page
    assert '<th scope="row">aws-nlb</th>' not in page


@requires_lab
def test_in_a_container(tmp_path: Path) -> None:
    """
    Detection works with the default flags as an unprivileged user in a container: in mount and PID
    namespaces of its own, with a read-only /sys.
    """
    sysfs = aws(tmp_path / "sys")
    inside = (
        *("unshare", "--mount", "--pid", "--fork", "--", "sh", "-ec"),
        'mount --rbind "$0" /sys && mount -o remount,bind,ro /sys && exec "$@"',
        str(sysfs),
    )
    with exporter_process("--path.sysfs=/sys", command=(*inside, *AS_NOBODY)) as exporter:
        metrics = exporter.metrics()
    assert metrics[f'{INFO}{{cloud="aws",profile="aws",source="detected"}}'] == 1


def test_aks_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    In a pod, the name of the node is in NODE_NAME.
    """
    monkeypatch.setenv("NODE_NAME", "aks-pool1-12345678-vmss000000")
    sysfs = cloud(tmp_path, chassis_asset_tag=AZURE_TAG)
    ended = run_exporter("--config.check", f"--path.sysfs={sysfs}")
    assert ended.stdout.startswith("Profile azure-nat-gateway, detected from ")
    assert "set `profile: aks`" in ended.stdout


@pytest.mark.parametrize("name", ["absent", "n" * 300], ids=["absent", "name too long"])
def test_bad_folder(tmp_path: Path, name: str) -> None:
    """
    A --path.sysfs that is not a directory, or cannot be read, is an error with exit code 2.
    """
    ended = run_exporter("--config.check", f"--path.sysfs={tmp_path / name}")
    assert ended.returncode == 2
    assert f"{name}' is not a readable directory; example: /host/sys" in ended.stderr
