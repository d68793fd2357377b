"""
The Ansible role, run by ansible-core against a folder, except for the systemd tasks.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.exporter_process import ROOT

pytestmark = pytest.mark.system

PLAYBOOK = """
- hosts: localhost
  connection: local
  gather_facts: false
  roles: [tcp_keepalive_exporter]
"""
CONFIG = {"profile": "aws"}


def play(folder: Path, variables: dict[str, object]) -> str:
    """
    The output of ansible-playbook for the role with these variables.
    """
    (folder / "playbook.yml").write_text(PLAYBOOK)
    (folder / "variables.yml").write_text(yaml.safe_dump(variables))
    environment = {
        "ANSIBLE_ROLES_PATH": str(ROOT / "deploy/ansible/roles"),
        "ANSIBLE_LOCAL_TEMP": str(folder / "local"),
        "ANSIBLE_REMOTE_TEMP": str(folder / "remote"),
        "ANSIBLE_HOME": str(folder / "home"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
    }
    ended = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("ansible-playbook")), "--inventory=localhost,"),
            *("--skip-tags=package", "--extra-vars=@variables.yml", "playbook.yml"),
        ],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """
    The target folder, and the output of two runs.
    """
    folder = tmp_path_factory.mktemp("ansible")
    etc = folder / "etc"
    for place in ("default", "systemd/system", "sysctl.d"):
        (etc / place).mkdir(parents=True)
    # A new virtual environment would need half a minute of downloads; use the tests' own.
    (folder / "venv").symlink_to(Path(sys.executable).parents[1])
    variables = {
        "tcp_keepalive_exporter_venv": str(folder / "venv"),
        "tcp_keepalive_exporter_command": str(folder / "tcp-keepalive-exporter"),
        "tcp_keepalive_exporter_etc": str(etc),
        "tcp_keepalive_exporter_config": CONFIG,
        "tcp_keepalive_exporter_all_namespaces": True,
        "tcp_keepalive_exporter_set_sysctls": True,
        "tcp_keepalive_exporter_args": "--log.format=json",
        "tcp_keepalive_exporter_start": False,
    }
    return folder, [play(folder, variables), play(folder, variables)]


def test_idempotent(played: tuple[Path, list[str]]) -> None:
    """
    A second run changes nothing.
    """
    first, second = (re.search(r"changed=(\d+)", output) for output in played[1])
    assert first
    assert second
    assert int(first[1]) > 0
    assert int(second[1]) == 0


def test_service_files(played: tuple[Path, list[str]]) -> None:
    """
    The unit, its drop-in and its flags are in systemd's directories.
    """
    etc = played[0] / "etc"
    unit = "systemd/system/tcp-keepalive-exporter.service"
    units = ROOT / "deploy/systemd"
    assert (etc / unit).read_bytes() == (units / "tcp-keepalive-exporter.service").read_bytes()
    assert (etc / f"{unit}.d/namespaces.conf").read_bytes() == (
        units / "namespaces.conf"
    ).read_bytes()
    name, _, value = (etc / "default/tcp-keepalive-exporter").read_text().partition("=")
    assert name == "ARGS"
    assert shlex.split(shlex.split(value)[0]) == [
        f"--config.file={etc}/tcp-keepalive-exporter.yml",
        "--namespaces=all",
        "--log.format=json",
    ]


def test_config_and_sysctls(played: tuple[Path, list[str]]) -> None:
    """
    The config file equals the variable, and the sysctls are the recommended ones.
    """
    etc = played[0] / "etc"
    assert yaml.safe_load((etc / "tcp-keepalive-exporter.yml").read_text()) == CONFIG
    assert (etc / "sysctl.d/99-tcp-keepalive.conf").read_text().split("\n")[:3] == [
        "net.ipv4.tcp_keepalive_time = 120",
        "net.ipv4.tcp_keepalive_intvl = 30",
        "net.ipv4.tcp_keepalive_probes = 8",
    ]
