"""
The compose file, merged with another one by docker-compose.
"""

import subprocess
from pathlib import Path

import pytest
import yaml

from tests.lab.requirements import needs
from tests.remedies.printed import INTERVAL, PROBES, TIME, commands, printed

pytestmark = pytest.mark.system

BASE = {"services": {"app": {"image": "app", "ports": ["8080:80"]}, "other": {"image": "other"}}}


def merged(text: str, directory: Path) -> "subprocess.CompletedProcess[str]":
    """
    Merge the file with another one by docker-compose.
    """
    (directory / "compose.yaml").write_text(yaml.safe_dump(BASE))
    (directory / "tcp-keepalive.yaml").write_text(text)
    (command,) = commands(text, "Apply")
    _, _, *files, _, _ = command.split()  # docker compose -f ... -f ... up -d
    argv = [needs("docker-compose"), *files, "config"]
    return subprocess.run(argv, cwd=directory, capture_output=True, text=True, check=False)


def test_merge(tmp_path: Path) -> None:
    """
    The service gets the sysctls and keeps its other keys. Other services do not change.
    """
    done = merged(printed("compose"), tmp_path)
    assert done.returncode == 0, done.stderr
    services = yaml.safe_load(done.stdout)["services"]
    sysctls = services["app"].pop("sysctls")
    assert {name: int(value) for name, value in sysctls.items()} == {
        "net.ipv4.tcp_keepalive_time": TIME,
        "net.ipv4.tcp_keepalive_intvl": INTERVAL,
        "net.ipv4.tcp_keepalive_probes": PROBES,
    }
    assert services["app"]["image"] == "app"
    assert services["other"]["image"] == "other"
    assert "sysctls" not in services["other"]  # networks are, in Debian 13


def test_unknown_key_is_rejected(tmp_path: Path) -> None:
    """
    docker-compose rejects an unknown key.
    """
    done = merged(printed("compose").replace("sysctls:", "sysctl:"), tmp_path)
    assert done.returncode != 0
    assert "sysctl" in done.stderr
