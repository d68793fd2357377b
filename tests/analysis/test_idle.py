"""
Idle: seconds since the last segment in either direction, at most.
"""

from typing import Any

import numpy as np
import pytest

from exporter.analysis.observation import idle
from exporter.model import ConnectionTable
from tests.analysis.rows import connection, watch


def idle_after(*samples: ConnectionTable) -> float:
    """
    How long the connection has been idle at the last of the samples.
    """
    return float(idle(watch(*samples))[0])


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
    """A connection never seen before is as idle as the youngest of its ages."""
    assert idle_after(connection(at=1000, **ages)) == pytest.approx(seconds)


def test_nothing_happens() -> None:
    """Without a segment the idle time grows with the clock."""
    assert idle_after(connection(at=1000, age=30), connection(at=1015, age=45)) == 45


def test_our_probe_is_answered() -> None:
    """The answer to our own probe ends an idle spell."""
    before = connection(at=1000, age=110, expires=10)
    after = connection(at=1015, age=125, acked=5, expires=70, segments_in=11, segments_out=11)
    assert idle_after(before, after) == pytest.approx(5)


def test_our_probe_is_not_answered() -> None:
    """Our own probe crosses the wire, answered or not."""
    before = connection(at=1000, age=110, expires=10)
    after = connection(at=1015, age=125, expires=70, segments_out=11, unanswered=1)
    assert idle_after(before, after) == pytest.approx(15)


def test_peer_probes() -> None:
    """A peer's probe, which changes no age, came after the sample before it was noticed."""
    before = connection(at=1000, age=110)
    after = connection(at=1015, age=125, segments_in=11, segments_out=11)
    later = connection(at=1030, age=140, segments_in=11, segments_out=11)
    assert idle_after(before, after) == pytest.approx(15)
    assert idle_after(before, after, later) == pytest.approx(30)


def test_a_segment_in_the_sample_before_is_no_news() -> None:
    """Counters that have not changed do not make an old segment young."""
    samples = [connection(at=1000 + 15 * n, age=30 + 15 * n) for n in range(5)]
    assert idle_after(*samples) == 90


def test_segment_counters_wrap() -> None:
    """The kernel counts segments in 32 bits; passing zero is a change like any other."""
    before = connection(at=1000, age=110, segments_in=(1 << 32) - 1, segments_out=10)
    after = connection(at=1015, age=125, segments_in=0, segments_out=11)
    assert idle_after(before, after) == pytest.approx(15)


def test_no_counters() -> None:
    """Where the kernel counts no segments, the ages alone tell."""
    samples = [
        connection(at=1000 + 15 * n, age=30 + 15 * n, segments_in=-1, segments_out=-1)
        for n in range(3)
    ]
    assert idle_after(*samples) == 60


def test_no_ages() -> None:
    """Where the kernel tells no ages, the idle time is not known."""
    samples = [connection(at=1000 + 15 * n, age=np.nan, segments_in=n) for n in range(3)]
    assert np.isnan(idle_after(*samples))


def test_ages_are_rounded() -> None:
    """An idle time does not shrink because ages are told in jiffies."""
    before = connection(at=1000.0, age=30.0)
    after = connection(at=1015.0, age=45.004)
    assert idle_after(before, after) == pytest.approx(45.0)
