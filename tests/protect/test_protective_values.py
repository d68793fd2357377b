"""
Keepalive values that protect a path.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.analysis.coverage import TIMER_LATENESS
from exporter.config.schema import RecommendedSection
from exporter.model import KeepaliveValues, SocketOptions
from exporter.protect.protective_values import is_protected, protective_values

RECOMMENDED = RecommendedSection()


def options(time: float, interval: float, probes: int, *, keepalive: bool) -> SocketOptions:
    """
    A socket's options.
    """
    return SocketOptions(keepalive, time, interval, probes, user_timeout=0)


OFF = options(7200, 75, 9, keepalive=False)


@pytest.mark.parametrize(
    ("timeout", "expected"),
    [
        (240, (120, 30, 8)),
        (3600, (120, 30, 8)),
        (136, (120, 30, 8)),
        (135, (67, 30, 8)),  # 120 s may become 135.2 s
        (130, (65, 30, 8)),
        (30, (15, 15, 8)),
        (3, (1, 1, 8)),
        (1.5, (1, 1, 8)),
    ],
)
def test_keepalive_off(timeout: float, expected: tuple[int, int, int]) -> None:
    """
    The recommended values, or half the timeout where they are too late, whatever the options are
    that keepalive would have if it were on.
    """
    for before in (OFF, options(1, 1, 1, keepalive=False)):
        assert protective_values(before, timeout, RECOMMENDED) == KeepaliveValues(*expected)


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ((7200, 75, 9), (120, 30, 8)),
        ((300, 100, 3), (120, 30, 8)),
        ((300, 1, 10), (120, 1, 10)),  # Node.js: its ten probes are kept
        ((15, 300, 2), (15, 30, 8)),
        ((300, 40, 2), (120, 30, 2)),  # a dead peer is found after 80 s, not 240 s
        ((300, 31, 1), (120, 30, 1)),
    ],
)
def test_never_later_than_the_application(
    before: tuple[int, int, int], expected: tuple[int, int, int]
) -> None:
    """
    If keepalive is on, neither probes nor the detection of a dead peer become later.
    """
    found = protective_values(options(*before, keepalive=True), 240, RECOMMENDED)
    assert found == KeepaliveValues(*expected)


@pytest.mark.parametrize("timeout", [0.001, 0.5, 1, 1.1])
def test_too_short(timeout: float) -> None:
    """
    No whole number of seconds is in time for a timeout of about a second.
    """
    assert protective_values(OFF, timeout, RECOMMENDED) is None


@given(
    timeout=st.floats(1.3, 500_000),
    time=st.integers(1, 8_589_934),
    interval=st.integers(1, 8_589_934),
    probes=st.integers(1, 255),
    keepalive=st.booleans(),
)
def test_always_protects(
    timeout: float, time: int, interval: int, probes: int, keepalive: bool
) -> None:
    """
    Whatever the options, the values are in the kernel's limits and in time with its slowest timer.
    """
    before = options(time, interval, probes, keepalive=keepalive)
    values = protective_values(before, timeout, RECOMMENDED)
    assert values is not None
    assert is_protected(values, timeout)
    assert 1 <= values.time <= 32767
    assert 1 <= values.interval <= 32767
    assert 1 <= values.probes <= 127
    assert max(values.time, values.interval) * (1 + TIMER_LATENESS) < timeout
    if keepalive:
        assert values.time <= time
        assert values.interval <= interval
        if probes <= 127:
            dead = interval * probes
            assert values.interval * values.probes <= max(dead, values.interval)
