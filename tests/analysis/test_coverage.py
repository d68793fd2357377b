"""
How settings protect a connection with keepalive and without its own options.
"""

import math

import pytest

from exporter.analysis.coverage import (
    Coverage,
    coverage,
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
    Settings with these three keepalive values.
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
        pytest.param(120, 120, 9, 1, id="second probe at the timeout"),
        pytest.param(120, 119, 9, 2, id="second probe just before the timeout"),
        pytest.param(0, 30, 8, 8, id="time 0 probes immediately"),
        pytest.param(0, 0, 8, 8, id="all immediately"),
        pytest.param(240, 0, 8, 0, id="all at the timeout"),
        pytest.param(240, -1, 8, 0, id="the only one at the timeout"),
        pytest.param(-1, 30, 8, 0, id="negative time never probes"),
        pytest.param(8589934, 30, 8, 0, id="huge time"),
        pytest.param(120, 0, 8, 8, id="interval 0 probes continuously"),
        pytest.param(120, -1, 8, 1, id="negative interval: only one probe"),
        pytest.param(120, 8589934, 8, 1, id="huge interval"),
        pytest.param(120, 30, 0, 0, id="0 probes: closed without a probe"),
        pytest.param(120, -1, 0, 0, id="0 probes with any interval"),
        pytest.param(120, 0, 255, 255, id="maximum number of probes"),
    ],
)
def test_probes(time: int, interval: int, probes: int, expected: int) -> None:
    """Counted are the probes sent before 240 s of idle time, without answers."""
    assert probes_before_timeout(settings(time, interval, probes), 240) == expected


@pytest.mark.parametrize(
    ("time", "interval", "probes", "expected"),
    [
        pytest.param(120, 30, 8, Coverage.PROTECTED, id="recommended"),
        pytest.param(7200, 75, 9, Coverage.UNPROTECTED, id="Linux defaults"),
        pytest.param(240, 30, 8, Coverage.UNPROTECTED, id="at the timeout is too late"),
        pytest.param(-1, 30, 8, Coverage.UNPROTECTED, id="negative time never probes"),
        pytest.param(120, 30, 0, Coverage.UNPROTECTED, id="no probe"),
        pytest.param(239, 1, 8, Coverage.TOO_CLOSE, id="just below the timeout"),
        pytest.param(213, 1, 8, Coverage.TOO_CLOSE, id="the timer may fire after 240.05 s"),
        pytest.param(212, 1, 8, Coverage.PROTECTED, id="the timer fires within 238.9 s"),
        pytest.param(120, 213, 8, Coverage.TOO_CLOSE, id="second probe may be late"),
        pytest.param(120, 212, 8, Coverage.SINGLE_PROBE, id="second probe in time if answered"),
        pytest.param(120, 240, 8, Coverage.LAPSES, id="interval equals the timeout"),
        pytest.param(120, -1, 8, Coverage.LAPSES, id="negative interval: only one probe"),
        pytest.param(230, 240, 8, Coverage.LAPSES, id="lapses is worse than too close"),
        pytest.param(120, 120, 8, Coverage.SINGLE_PROBE, id="second probe at the timeout"),
        pytest.param(120, 119, 8, Coverage.PROTECTED, id="second probe just before the timeout"),
        pytest.param(120, 30, 1, Coverage.SINGLE_PROBE, id="no second probe"),
        pytest.param(0, 0, 8, Coverage.PROTECTED, id="all immediately"),
    ],
)
def test_cover(time: int, interval: int, probes: int, expected: Coverage) -> None:
    """
    A timeout of 240 s is covered if probes are in time with the maximum timer delay, whether the
    previous probe was answered or lost.
    """
    given = settings(time, interval, probes)
    assert coverage(given, 240) is expected
    assert protects(given, 240) is (expected not in (Coverage.UNPROTECTED, Coverage.LAPSES))


def test_exactly_at_the_timeout() -> None:
    """
    A timer of 189 s fires within 213 s, which is not before a timeout of 213 s.
    """
    assert coverage(settings(189, 1, 8), 213) is Coverage.TOO_CLOSE


@pytest.mark.parametrize("platform", [Platform.WINDOWS, Platform.MACOS])
@pytest.mark.parametrize(
    ("time", "interval", "expected"),
    [
        (120, 30, Coverage.PROTECTED),
        (239, 0.5, Coverage.PROTECTED),
        (120, 240, Coverage.SINGLE_PROBE),
        (240, 1, Coverage.UNPROTECTED),
    ],
)
def test_cover_elsewhere(
    platform: Platform, time: float, interval: float, expected: Coverage
) -> None:
    """
    Other systems wait for the time after an answered probe, and no delay of their timers is known.
    """
    given = settings(time, interval, 10, platform)
    assert coverage(given, 240) is expected
    assert probing_period(given) == time


@pytest.mark.parametrize(
    ("time", "interval", "expected"),
    [(120, 30, 120), (30, 120, 120), (0, 0, 0), (-1, 30, math.inf), (120, -1, math.inf)],
)
def test_probing_period(time: int, interval: int, expected: float) -> None:
    """
    If the peer answers, Linux probes once per time or interval, whichever is longer.
    """
    assert probing_period(settings(time, interval, 8)) == expected


@pytest.mark.parametrize(
    ("time", "interval", "probes", "expected"),
    [
        pytest.param(120, 30, 8, 360, id="recommended"),
        pytest.param(7200, 75, 9, 7875, id="Linux defaults"),
        pytest.param(0, 0, 8, 0, id="immediately"),
        pytest.param(120, 30, 0, 120, id="0 probes: closed at the first check"),
        pytest.param(120, -1, 0, 120, id="0 probes with any interval"),
        pytest.param(-1, 30, 8, math.inf, id="negative time never probes"),
        pytest.param(120, -1, 8, math.inf, id="negative interval never times out"),
        pytest.param(8589934, 1, 1, 8589935, id="huge time"),
    ],
)
def test_dead_peer_detection(time: int, interval: int, probes: int, expected: float) -> None:
    """A vanished peer is detected after the time and all intervals, or never."""
    assert dead_peer_detection(settings(time, interval, probes)) == expected


@pytest.mark.parametrize(
    "unreadable", [(None, 30, 8), (120, None, 8), (120, 30, None), (None, None, None)]
)
def test_unreadable(unreadable: tuple[int | None, int | None, int | None]) -> None:
    """With an unknown setting, all derived values are unknown."""
    given = settings(*unreadable)
    assert probes_before_timeout(given, 240) is None
    assert coverage(given, 240) is Coverage.UNKNOWN
    assert protects(given, 240) is None
    assert dead_peer_detection(given) is None
