"""
The systemd units: valid and hardened.
"""

import re
import sys
from pathlib import Path

import pytest

from tests.deploy.unit import NAMESPACES, SERVICE, UNITS, analyze
from tests.lab.requirements import is_root

pytestmark = pytest.mark.system

MOST_EXPOSED = 2.0
"""On systemd's scale from 0 to 10; node_exporter's own unit has 9.2."""


@pytest.fixture(autouse=True)
def _systemd() -> None:
    """
    Without root, systemd-analyze cannot make the /run/systemd that it wants.
    """
    if not (is_root() or Path("/run/systemd").exists()):
        pytest.skip("needs root or a running systemd: sudo make test")


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """
    The units in a folder, with a command that exists here.
    """
    for unit in UNITS.glob("tcp-keepalive-exporter.*"):
        text = unit.read_text("utf-8").replace("/usr/bin/tcp-keepalive-exporter", sys.executable)
        (tmp_path / unit.name).write_text(text)
    return tmp_path


@pytest.mark.parametrize("unit", [SERVICE.name, "tcp-keepalive-exporter.socket"])
def test_verify(installed: Path, unit: str) -> None:
    """
    Systemd reports no problem with a unit.
    """
    analyze("verify", "--man=no", str(installed / unit))


def exposure(unit: Path) -> float:
    """
    Systemd's score of a unit's exposure.
    """
    text = analyze("security", "--offline=yes", "--no-pager", "--threshold=100", str(unit))
    match = re.search(r"exposure level for .*: ([0-9.]+) ", text)
    assert match
    return float(match[1])


def test_little_exposed() -> None:
    """
    The service has a low exposure score.
    """
    assert exposure(SERVICE) <= MOST_EXPOSED


def test_drop_in_is_more_exposed(installed: Path) -> None:
    """
    The drop-in raises the score, but keeps it below common scores.
    """
    drop_in = installed / f"{SERVICE.name}.d" / NAMESPACES.name
    drop_in.parent.mkdir()
    drop_in.write_text(NAMESPACES.read_text("utf-8"))
    assert MOST_EXPOSED < exposure(installed / SERVICE.name) < 4
