"""
The peer's probes, which change only the segment counters.
"""

import numpy as np
import pytest

from exporter.model import ConnectionTable
from tests.analysis.rows import connection, watch


def peer_gap(*samples: ConnectionTable) -> float:
    """
    The upper bound of the time between the peer's probes after the samples; NaN if unknown.
    """
    return float(watch(*samples)["peer_gap"][0])


def quiet(since: int, until: int, probes: tuple[float, ...] = ()) -> list[ConnectionTable]:
    """
    Samples every 15 s of a connection with its last data at time 0 and these probes of the peer.
    """
    return [
        connection(
            at=at,
            age=at,
            segments_in=10 + sum(probe <= at for probe in probes),
            segments_out=10 + sum(probe <= at for probe in probes),
        )
        for at in range(since, until + 1, 15)
    ]


def test_never_seen() -> None:
    """Segments before the first sample give no bound."""
    assert np.isnan(peer_gap(*quiet(15, 150)))


def test_first_probe() -> None:
    """The first gap is at most the time from the last data to the sample after the probe."""
    assert peer_gap(*quiet(15, 60, probes=(50,))) == pytest.approx(60)


def test_the_smallest_gap_is_kept() -> None:
    """Each gap is at most one sample too long; the smallest is kept."""
    gaps = peer_gap(*quiet(15, 240, probes=(59, 119, 179, 239)))
    assert 60 <= gaps <= 75


def test_two_probes_in_one_sample() -> None:
    """The gap is divided by the number of probes between two samples."""
    assert peer_gap(*quiet(15, 15), *quiet(30, 30, probes=(16, 24))) == pytest.approx(15)


def test_segment_counters_wrap() -> None:
    """A probe is counted across the wrap of the kernel's 32-bit counter."""
    before = connection(at=50, age=50, segments_in=(1 << 32) - 1)
    after = connection(at=65, age=65, segments_in=0)
    assert peer_gap(before, after) == pytest.approx(65)


def test_data_is_no_probe() -> None:
    """Data segments do not count as the peer's probes."""
    samples = [connection(at=15 * n, age=1, segments_in=10 * n) for n in range(1, 9)]
    assert np.isnan(peer_gap(*samples))


def test_our_answered_probes_are_not_the_peers() -> None:
    """The answer to a local probe does not count as the peer's probe."""
    before = connection(at=1000, age=110, expires=10)
    after = connection(at=1015, age=125, acked=5, expires=70, segments_in=11, segments_out=11)
    assert np.isnan(peer_gap(before, after))


def test_our_unanswered_probes_are_not_the_peers() -> None:
    """Sent segments do not count as the peer's probes."""
    before = connection(at=1000, age=110, expires=10)
    after = connection(at=1015, age=125, expires=70, segments_out=11, unanswered=1)
    assert np.isnan(peer_gap(before, after))


def test_in_the_same_sample_as_our_own_probe() -> None:
    """Of two received segments without data, one answers the local probe, one is the peer's."""
    before = connection(at=1000, age=110, expires=10)
    both = connection(at=1015, age=125, acked=5, expires=290, segments_in=12, segments_out=12)
    assert peer_gap(before, both) == pytest.approx(125)


def test_probes_more_often_than_samples() -> None:
    """Answers to several local probes per sample do not count as the peer's probes."""
    before = connection(at=1000, age=100, acked=1, expires=4)
    after = connection(at=1015, age=115, acked=1, expires=4, segments_in=13, segments_out=13)
    assert np.isnan(peer_gap(before, after))


def test_the_peer_stops() -> None:
    """The gap is unknown if the peer's next probe is two samples overdue."""
    seen = (59, 119)
    assert peer_gap(*quiet(15, 165, probes=seen)) <= 75
    assert np.isnan(peer_gap(*quiet(15, 240, probes=seen)))


def test_the_peer_begins_again() -> None:
    """After a pause, the gap is known again after the next two probes."""
    seen = (59, 119, 419, 479)
    assert np.isnan(peer_gap(*quiet(15, 405, probes=seen)))
    assert peer_gap(*quiet(15, 480, probes=seen)) <= 75


def test_the_timer_wheel_makes_probes_late() -> None:
    """The gap stays known if the peer's timer fires an eighth late."""
    seen, late = 220, 220 + 246
    assert peer_gap(*quiet(10, 460, probes=(seen, late))) == pytest.approx(220)


def test_data_ends_the_wait() -> None:
    """Each data segment restarts the peer's timer."""
    probing = quiet(15, 60, probes=(59,))
    busy = [connection(at=60 + 15 * n, age=0, segments_in=11 + n) for n in range(1, 20)]
    assert peer_gap(*probing, *busy) == pytest.approx(60)
