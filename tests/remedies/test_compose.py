"""
The compose file, merged into another one by docker-compose.
"""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.lab.requirements import is_root
from tests.remedies.printed import INTERVAL, PROBES, TIME, commands, printed

BASE = {"services": {"app": {"image": "app", "ports": ["8080:80"]}, "other": {"image": "other"}}}


def merged(text: str, directory: Path) -> "subprocess.CompletedProcess[str]":
    """
    What docker-compose says to the file beside another one.
    """
    docker_compose = shutil.which("docker-compose")
    if docker_compose is None and not is_root():
        pytest.skip("docker-compose is not installed (Debian's package of that name)")
    assert docker_compose is not None, "install Debian's package docker-compose"
    (directory / "compose.yaml").write_text(yaml.safe_dump(BASE))
    (directory / "tcp-keepalive.yaml").write_text(text)
    (command,) = commands(text, "Apply")
    _, _, *files, _, _ = command.split()  # docker compose -f ... -f ... up -d
    argv = [docker_compose, *files, "config"]
    return subprocess.run(argv, cwd=directory, capture_output=True, text=True, check=False)


def test_merge(tmp_path: Path) -> None:
    """
    The service gets the sysctls and keeps what it has; another one is left alone.
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
    assert services["other"] == {"image": "other"}


def test_compose_would_tell(tmp_path: Path) -> None:
    """
    A key that compose does not know does not pass.
    """
    done = merged(printed("compose").replace("sysctls:", "sysctl:"), tmp_path)
    assert done.returncode != 0
    assert "sysctl" in done.stderr
