"""
The systemd units: right, and tight.
"""

import re
import sys
from pathlib import Path

import pytest

from tests.deploy.unit import NAMESPACES, SERVICE, UNITS, analyze

MOST_EXPOSED = 2.0
"""On systemd's scale from 0 to 10; node_exporter's own unit has 9.2."""


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
    Systemd has nothing to say about a unit.
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
    The service is among the least exposed that there are.
    """
    assert exposure(SERVICE) <= MOST_EXPOSED


def test_drop_in_is_more_exposed(installed: Path) -> None:
    """
    What other namespaces take shows in the score, but leaves it below what is common.
    """
    drop_in = installed / f"{SERVICE.name}.d" / NAMESPACES.name
    drop_in.parent.mkdir()
    drop_in.write_text(NAMESPACES.read_text("utf-8"))
    assert MOST_EXPOSED < exposure(installed / SERVICE.name) < 4
