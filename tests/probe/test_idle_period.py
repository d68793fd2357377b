"""
Idle time of a connection by its counters.
"""

from typing import Any

import pytest

from exporter.linux.own_sockets import TcpInfo
from exporter.probe.idle_period import IdlePeriod

CLOSE_WAIT, CLOSE = 8, 7


def reading(at: float, **changes: Any) -> TcpInfo:
    """
    A reading of a connection that was opened at time 0.
    """
    values = {"state": 1, "unanswered": 0, "segments_in": 1, "segments_out": 2}
    return TcpInfo(**({"at": at, "received_at": 0.0, "round_trip": 0.001} | values | changes))


def test_idle() -> None:
    """
    While the counters do not change, the idle period continues.
    """
    period = IdlePeriod(reading(0.1))
    assert period.note(reading(5.0)) is None
    assert period.note(reading(9.0)) is None
    assert (period.after, period.before) == (0.0, 0.1)


def test_greeting() -> None:
    """
    Data from the server starts a new idle period.
    """
    period = IdlePeriod(reading(0.1))
    greeting = reading(1.0, segments_in=2, received_at=0.9)
    assert period.note(greeting) == pytest.approx((0.8, 1.0))
    assert (period.after, period.before) == (0.9, 1.0)


def test_several_segments() -> None:
    """
    With several segments, the arrival time of the first one is only bounded by the readings.
    """
    period = IdlePeriod(reading(0.1))
    period.note(reading(5.0))
    lasted = period.note(reading(6.0, segments_in=3, received_at=5.9))
    assert lasted == pytest.approx((4.9, 6.0))
    assert period.after == 5.0


def test_probe_of_the_server() -> None:
    """
    The arrival time of a probe is only bounded too, because it does not update received_at.
    """
    period = IdlePeriod(reading(0.1))
    period.note(reading(5.0))
    assert period.note(reading(6.0, segments_in=2, segments_out=3)) == pytest.approx((4.9, 6.0))


def test_delayed_acknowledgement() -> None:
    """
    A sent segment starts a new idle period too, but proves nothing about the path.
    """
    period = IdlePeriod(reading(0.1))
    assert period.note(reading(1.0, segments_out=3)) is None
    assert (period.after, period.before) == (0.1, 1.0)


def test_ends() -> None:
    """
    The state distinguishes a FIN from a reset. Both end the idle period.
    """
    closed = reading(10.0, state=CLOSE_WAIT, segments_in=2, received_at=9.9)
    assert IdlePeriod(reading(0.1)).note(closed) == pytest.approx((9.8, 10.0))
    assert not closed.is_open
    assert not closed.is_dead
    reset = reading(10.0, state=CLOSE)
    assert IdlePeriod(reading(0.1)).note(reset) == pytest.approx((0.0, 10.0))
    assert reset.is_dead
