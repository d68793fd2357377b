"""
Reports on namespaces.
"""

import pytest

from exporter.analysis.report import missing
from exporter.model import Snapshot
from tests.analysis.findings import linux


@pytest.mark.parametrize(
    ("readable", "unreadable", "expected"), [(2, 0, 0), (2, 3, 3), (3, 1, 2), (1, 0, 0)]
)
def test_missing(readable: int, unreadable: int, expected: int) -> None:
    """
    Namespaces without settings have no report, unless they were removed after they were read.
    """
    settings = {"host": linux(), "web": linux()}
    assert missing(Snapshot(settings, None, readable, unreadable, {}, 0.0)) == expected
