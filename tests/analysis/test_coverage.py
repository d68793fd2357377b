"""
What settings do for a connection that has keepalive and no options of its own.
"""

import math

import pytest

from exporter.analysis.coverage import (
    Cover,
    cover,
    dead_peer_detection,
    probes_before_timeout,
    probing_period,
    protects,
)
from exporter.model import Platform, Settings


def settings(
    time: float | None,
    interval: float | None,
    probes: int | None,
    platform: Platform = Platform.LINUX,
) -> Settings:
    """
    Settings of which only the three of keepalive matter.
    """
    return Settings(
        time, interval, probes, data_retransmissions=15, configured=frozenset(), platform=platform
    )


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
    """Probes are counted that go out before 240 s of idling, while nothing answers."""
    assert probes_before_timeout(settings(time, interval, probes), 240) == expected


@pytest.mark.parametrize(
    ("time", "interval", "probes", "expected"),
    [
        pytest.param(120, 30, 8, Cover.PROTECTED, id="recommended"),
        pytest.param(7200, 75, 9, Cover.UNPROTECTED, id="Linux defaults"),
        pytest.param(240, 30, 8, Cover.UNPROTECTED, id="at the timeout is too late"),
        pytest.param(-1, 30, 8, Cover.UNPROTECTED, id="never a probe"),
        pytest.param(120, 30, 0, Cover.UNPROTECTED, id="no probe"),
        pytest.param(239, 1, 8, Cover.TOO_CLOSE, id="just below the timeout"),
        pytest.param(213, 1, 8, Cover.TOO_CLOSE, id="the timer may fire after 240.05 s"),
        pytest.param(212, 1, 8, Cover.PROTECTED, id="the timer fires after 238.9 s at the latest"),
        pytest.param(120, 213, 8, Cover.TOO_CLOSE, id="the second probe may be late"),
        pytest.param(120, 212, 8, Cover.SINGLE_PROBE, id="the second one is in time if answered"),
        pytest.param(120, 240, 8, Cover.LAPSES, id="the interval is the timeout"),
        pytest.param(120, -1, 8, Cover.LAPSES, id="negative interval: the first one is the only"),
        pytest.param(230, 240, 8, Cover.LAPSES, id="lapsing is worse than being close"),
        pytest.param(120, 120, 8, Cover.SINGLE_PROBE, id="the second one comes at the timeout"),
        pytest.param(120, 119, 8, Cover.PROTECTED, id="the second one just comes"),
        pytest.param(120, 30, 1, Cover.SINGLE_PROBE, id="there is no second one"),
        pytest.param(0, 0, 8, Cover.PROTECTED, id="all at once"),
    ],
)
def test_cover(time: int, interval: int, probes: int, expected: Cover) -> None:
    """
    A path that forgets after 240 s is covered by probes that come in time, however late a timer
    fires and whether the one before was answered or lost.
    """
    given = settings(time, interval, probes)
    assert cover(given, 240) is expected
    assert protects(given, 240) is (expected not in (Cover.UNPROTECTED, Cover.LAPSES))


@pytest.mark.parametrize("platform", [Platform.WINDOWS, Platform.MACOS])
@pytest.mark.parametrize(
    ("time", "interval", "expected"),
    [
        (120, 30, Cover.PROTECTED),
        (239, 0.5, Cover.PROTECTED),
        (120, 240, Cover.SINGLE_PROBE),
        (240, 1, Cover.UNPROTECTED),
    ],
)
def test_cover_elsewhere(platform: Platform, time: float, interval: float, expected: Cover) -> None:
    """
    Other systems wait for the time after a probe that was answered, and their timers are punctual
    as far as is known.
    """
    given = settings(time, interval, 10, platform)
    assert cover(given, 240) is expected
    assert probing_period(given) == time


@pytest.mark.parametrize(
    ("time", "interval", "expected"),
    [(120, 30, 120), (30, 120, 120), (0, 0, 0), (-1, 30, math.inf), (120, -1, math.inf)],
)
def test_probing_period(time: int, interval: int, expected: float) -> None:
    """
    Where the peer answers, Linux probes every time or every interval, whichever is longer.
    """
    assert probing_period(settings(time, interval, 8)) == expected


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
    assert cover(given, 240) is Cover.UNKNOWN
    assert protects(given, 240) is None
    assert dead_peer_detection(given) is None
