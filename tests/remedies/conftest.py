"""
Fixtures of the tests of remedies.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import Host
from tests.remedies.machine import Machine


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """
    A host with the defaults of Linux.
    """
    sysctl_d = tmp_path / "sysctl.d"
    sysctl_d.mkdir()
    with Host() as host:
        yield Machine(host, sysctl_d)
