"""
What settings do for a connection that has keepalive and no options of its own.
"""

import math

import pytest

from exporter.judge.settings import dead_peer_detection, probes_before_timeout, protects
from exporter.model import Settings


def settings(time: float | None, interval: float | None, probes: int | None) -> Settings:
    """
    Settings of which only the three of keepalive matter.
    """
    return Settings(time, interval, probes, data_retransmissions=15, configured=frozenset())


@pytest.mark.parametrize(
    ("time", "interval", "probes", "expected"),
    [
        pytest.param(120, 30, 8, 4, id="recommended"),
        pytest.param(120, 30, 3, 3, id="fewer probes than fit"),
        pytest.param(7200, 75, 9, 0, id="Linux defaults"),
        pytest.param(239, 75, 9, 1, id="just in time"),
        pytest.param(240, 75, 9, 0, id="at the timeout is too late"),
        pytest.param(120, 120, 9, 1, id="the second one comes at the timeout"),
        pytest.param(120, 119, 9, 2, id="the second one just comes"),
        pytest.param(0, 30, 8, 8, id="time 0 probes at once"),
        pytest.param(0, 0, 8, 8, id="all at once"),
        pytest.param(-1, 30, 8, 0, id="negative time never probes"),
        pytest.param(8589934, 30, 8, 0, id="huge time"),
        pytest.param(120, 0, 8, 8, id="interval 0 probes on without pause"),
        pytest.param(120, -1, 8, 1, id="negative interval: the first probe is the only one"),
        pytest.param(120, 8589934, 8, 1, id="huge interval"),
        pytest.param(120, 30, 0, 0, id="0 probes end the connection unprobed"),
        pytest.param(120, -1, 0, 0, id="0 probes whatever the interval"),
        pytest.param(120, 0, 255, 255, id="most probes there can be"),
    ],
)
def test_probes(time: int, interval: int, probes: int, expected: int) -> None:
    """Probes are counted that go out before 240 s of idling; one makes the settings protect."""
    given = settings(time, interval, probes)
    assert probes_before_timeout(given, 240) == expected
    assert protects(given, 240) is (expected > 0)


@pytest.mark.parametrize(
    ("time", "interval", "probes", "expected"),
    [
        pytest.param(120, 30, 8, 360, id="recommended"),
        pytest.param(7200, 75, 9, 7875, id="Linux defaults"),
        pytest.param(0, 0, 8, 0, id="at once"),
        pytest.param(120, 30, 0, 120, id="0 probes end it at the first check"),
        pytest.param(120, -1, 0, 120, id="0 probes whatever the interval"),
        pytest.param(-1, 30, 8, math.inf, id="negative time never probes"),
        pytest.param(120, -1, 8, math.inf, id="negative interval never gives up"),
        pytest.param(8589934, 1, 1, 8589935, id="huge time"),
    ],
)
def test_dead_peer_detection(time: int, interval: int, probes: int, expected: float) -> None:
    """A peer that vanished is noticed after the time and all intervals, if ever."""
    assert dead_peer_detection(settings(time, interval, probes)) == expected


@pytest.mark.parametrize(
    "unreadable", [(None, 30, 8), (120, None, 8), (120, 30, None), (None, None, None)]
)
def test_unreadable(unreadable: tuple[int | None, int | None, int | None]) -> None:
    """Where a setting could not be read, nothing is claimed."""
    given = settings(*unreadable)
    assert probes_before_timeout(given, 240) is None
    assert protects(given, 240) is None
    assert dead_peer_detection(given) is None
