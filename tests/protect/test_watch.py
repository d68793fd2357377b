"""
The time between the runs of --watch.
"""

import pytest

from exporter.model import Direction, OnTimeout, Path
from exporter.protect.watch import pause


@pytest.mark.parametrize(
    ("timeouts", "took", "expected"),
    [
        ([240], 0.1, 60),
        ([240, 8], 0.01, 2),  # the shortest one decides
        ([100], 0.1, 25),
        ([3600], 0.5, 60),
        ([240], 1.5, 90),  # at most a sixtieth of a processor
        ([240], 100, 120),  # but always twice within the timeout
        ([1], 0.1, 1),
        ([], 0.1, 60),
    ],
)
def test_pause(timeouts: list[float], took: float, expected: float) -> None:
    """
    Four runs within the shortest timeout; fewer, but at least two, if they take long.
    """
    paths = [
        Path(str(timeout), Direction.ANY, ("any",), timeout, OnTimeout.DROP) for timeout in timeouts
    ]
    assert pause(paths, took) == pytest.approx(expected)
