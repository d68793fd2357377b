"""
Idle time: upper bound of the seconds since the last segment in either direction.
"""

from typing import Any

import numpy as np
import pytest

from exporter.analysis.observation import since_last_segment
from exporter.model import ConnectionTable
from tests.analysis.rows import connection, watch


def idle_after(*samples: ConnectionTable) -> float:
    """
    The idle time of the connection at the last of the samples.
    """
    return float(since_last_segment(watch(*samples))[0])


@pytest.mark.parametrize(
    ("ages", "seconds"),
    [
        ({"age": 30}, 30),
        ({"age": 30, "sent": 4}, 4),
        ({"age": 30, "acked": 5}, 5),
        ({"age": 3, "acked": 5, "sent": 4}, 3),
        ({"age": 0}, 0),
        ({"age": 1e6}, 1e6),
    ],
)
def test_first_sight(ages: dict[str, Any], seconds: float) -> None:
    """The idle time of a new connection is the smallest of its ages."""
    assert idle_after(connection(at=1000, **ages)) == pytest.approx(seconds)


def test_nothing_happens() -> None:
    """Without segments, the idle time increases with the clock."""
    assert idle_after(connection(at=1000, age=30), connection(at=1015, age=45)) == 45


def test_our_probe_is_answered() -> None:
    """The answer to a local probe ends an idle spell."""
    before = connection(at=1000, age=110, expires=10)
    after = connection(at=1015, age=125, acked=5, expires=70, segments_in=11, segments_out=11)
    assert idle_after(before, after) == pytest.approx(5)


def test_our_probe_is_not_answered() -> None:
    """A local probe ends an idle spell, answered or not."""
    before = connection(at=1000, age=110, expires=10)
    after = connection(at=1015, age=125, expires=70, segments_out=11, unanswered=1)
    assert idle_after(before, after) == pytest.approx(15)


def test_peer_probes() -> None:
    """A peer's probe, which changes no age, ends the idle spell at the sample before it."""
    before = connection(at=1000, age=110)
    after = connection(at=1015, age=125, segments_in=11, segments_out=11)
    later = connection(at=1030, age=140, segments_in=11, segments_out=11)
    assert idle_after(before, after) == pytest.approx(15)
    assert idle_after(before, after, later) == pytest.approx(30)


def test_a_segment_in_the_sample_before_is_no_news() -> None:
    """Unchanged counters do not shorten the idle time."""
    samples = [connection(at=1000 + 15 * n, age=30 + 15 * n) for n in range(5)]
    assert idle_after(*samples) == 90


def test_segment_counters_wrap() -> None:
    """A wrap of the kernel's 32-bit segment counters counts as a change."""
    before = connection(at=1000, age=110, segments_in=(1 << 32) - 1, segments_out=10)
    after = connection(at=1015, age=125, segments_in=0, segments_out=11)
    assert idle_after(before, after) == pytest.approx(15)


@pytest.mark.parametrize("keepalive", [{}, {"expires": 7200.0}])
def test_ages_wrap(keepalive: dict[str, Any]) -> None:
    """The kernel's ages wrap after 49.7 days; an idle connection stays idle."""
    wrap = 2**32 / 1000
    before = connection(at=5e6, age=wrap - 5, **keepalive)
    after = connection(at=5e6 + 15, age=10.0, **keepalive)
    later = connection(at=5e6 + 30, age=25.0, **keepalive)
    assert idle_after(before, after) == pytest.approx(wrap + 10, abs=1)
    assert idle_after(before, after, later) == pytest.approx(wrap + 25, abs=1)
    known = watch(before, after, later)
    assert known["read_at"][0] - known["received_at"][0] == pytest.approx(wrap + 25, abs=2)
    used = connection(at=5e6 + 45, age=3.0, segments_in=11, segments_out=11, **keepalive)
    assert idle_after(before, after, later, used) == pytest.approx(3)


def test_no_counters() -> None:
    """Without segment counters, the idle time follows from the ages."""
    samples = [
        connection(at=1000 + 15 * n, age=30 + 15 * n, segments_in=-1, segments_out=-1)
        for n in range(3)
    ]
    assert idle_after(*samples) == 60


def test_no_ages() -> None:
    """Without ages, the idle time is unknown."""
    samples = [connection(at=1000 + 15 * n, age=np.nan, segments_in=n) for n in range(3)]
    assert np.isnan(idle_after(*samples))


def test_ages_are_rounded() -> None:
    """Rounding of ages to jiffies does not shorten the idle time."""
    before = connection(at=1000.0, age=30.0)
    after = connection(at=1015.0, age=45.004)
    assert idle_after(before, after) == pytest.approx(45.0)
