"""
What is known of unanswered segments: the idle spell before them, since when, and whether it lasts.
"""

from typing import Any

import numpy as np
import pytest

from exporter.analysis.history import History
from exporter.analysis.history_table import HistoryTable
from exporter.model import ConnectionTable, Timer
from tests.analysis.rows import connection, observed, remembered, table, watch

START = connection(1000.0)
IDLE = connection(1010.0, 10.0)


def facts(known: HistoryTable) -> tuple[float, float, float, bool]:
    """
    Minimum and maximum spell, the time since which segments are unanswered, and whether it lasts.
    """
    columns = ("spell", "spell_at_most", "unanswered_at", "lasting")
    spell, at_most, at, lasting = (known[column].tolist()[0] for column in columns)
    return spell, at_most, at, lasting


def hanging(at: float, **changes: Any) -> ConnectionTable:
    """
    The connection with unacknowledged data; nothing was received since 1000.
    """
    given: dict[str, Any] = {"unacked": 1, "timer": Timer.RETRANSMIT, "sent": 3.0}
    return connection(at, at - 1000.0, **given | changes)


def test_data() -> None:
    """
    Data was sent after the previous sample, and the spell is remembered until an answer arrives.
    """
    assert facts(watch(START, IDLE, hanging(1020.0))) == (10.0, 20.0, 1020.0, False)
    still = watch(START, IDLE, hanging(1020.0), hanging(1030.0), hanging(1040.0))
    assert facts(still) == (10.0, 20.0, 1020.0, True)
    answered = connection(1040.0, 5.0)
    assert facts(watch(START, IDLE, hanging(1020.0), answered)) == pytest.approx(
        (np.nan, np.nan, np.nan, False), nan_ok=True
    )


def test_answered_and_sent_again() -> None:
    """
    Unanswered data after an answer is another spell, of which at least nothing is known.
    """
    again = connection(1040.0, 5.0, unacked=1, timer=Timer.RETRANSMIT, sent=1.0)
    assert facts(watch(START, IDLE, hanging(1020.0), hanging(1030.0), again)) == (
        *(0.0, 40.0, 1040.0, False),
    )


@pytest.mark.parametrize(
    ("changes", "outstanding"),
    [
        ({}, False),
        ({"unanswered": 1}, True),
        ({"unacked": 1}, True),
        ({"send_queue": 1}, True),
        ({"unacked": -1}, False),
    ],
)
def test_outstanding(changes: dict[str, Any], *, outstanding: bool) -> None:
    """
    One unanswered probe, one segment or one byte is enough; unacked is -1 on old kernels.
    """
    known = watch(START, IDLE, connection(1020.0, 20.0, **changes))
    assert bool(np.isfinite(known["spell"])[0]) == outstanding


@pytest.mark.parametrize(
    ("expires", "spell"),
    [
        pytest.param(5.0, 15.0, id="between the samples"),
        pytest.param(0.0, 10.0, id="overdue at the previous sample"),
        pytest.param(30.0, 20.0, id="not due yet"),
    ],
)
def test_probe(expires: float, spell: float) -> None:
    """
    A probe was sent when its timer was due, but between the two samples.
    """
    armed = connection(1010.0, 10.0, expires=expires)
    probing = connection(1020.0, 20.0, expires=7.0, unanswered=1)
    assert facts(watch(START, armed, probing))[:2] == (spell, 20.0)


def test_another_timer() -> None:
    """
    Data is sent at any time, whenever the keepalive timer was due.
    """
    armed = connection(1010.0, 10.0, expires=5.0)
    assert facts(watch(START, armed, hanging(1020.0)))[:2] == (10.0, 20.0)


@pytest.mark.parametrize(("unanswered", "since"), [(1, 1020.0), (2, 1013.0), (3, 1006.0)])
def test_since_when_probes_are_unanswered(unanswered: int, since: float) -> None:
    """
    The time between probes is at least the time to the next one.
    """
    armed = connection(1001.0, 1.0, expires=5.0)
    probing = connection(1020.0, 20.0, expires=7.0, unanswered=unanswered)
    assert facts(watch(START, armed, probing))[2] == since


def row(cookie: int, at: float, age: float, **changes: float) -> dict[str, Any]:
    """
    A row of a connection with unanswered data.
    """
    ages = ("last_data_sent", "last_data_received", "last_ack_received")
    given = {"read_at": at, "cookie": cookie, "unacked": 1, "busy": 6.0, "timer": Timer.RETRANSMIT}
    return given | {"segments_in": 10, "segments_out": 10} | dict.fromkeys(ages, age) | changes


def test_first_sight_of_some() -> None:
    """
    Rows of connections never seen are completed on their own, beside others.
    """
    before = observed(table([row(1, 1010.0, 10.0, unacked=0)]), History())
    sample = table([row(1, 1020.0, 20.0), row(2, 1020.0, 50.0)])
    known = observed(sample, remembered(before))
    # Idle for 50 s, of which data was in flight for at most 6 s.
    assert known["spell"].tolist() == [10.0, 44.0]


@pytest.mark.parametrize(
    ("changes", "spell"),
    [
        ({"unacked": 1, "send_queue": 0}, 44.0),
        ({"unacked": 0, "send_queue": 1}, 44.0),
        ({"unacked": 0, "send_queue": 0, "unanswered": 1}, np.nan),
    ],
)
def test_time_with_data_in_flight(changes: dict[str, float], spell: float) -> None:
    """
    The time counted as busy bounds the spell only while there is data in flight.
    """
    known = observed(table([row(1, 1020.0, 50.0, **changes)]), History())
    assert known["spell"].tolist() == pytest.approx([spell], nan_ok=True)


@pytest.mark.parametrize(
    ("timer", "unanswered", "backoff", "sent", "expires", "since"),
    [
        pytest.param(Timer.RETRANSMIT, 0, 0, 3.0, 5.0, 0.0, id="nothing retransmitted"),
        pytest.param(Timer.RETRANSMIT, 1, 1, 3.0, 5.0, 7.0, id="half of 8 s before"),
        pytest.param(Timer.RETRANSMIT, 2, 2, 3.0, 5.0, 9.0, id="and a quarter"),
        pytest.param(Timer.RETRANSMIT, 9, 9, 60.0, 58.0, 177.76953125, id="below the maximum"),
        pytest.param(Timer.RETRANSMIT, 9, 9, 60.0, 59.0, 119.5, id="at the maximum"),
        pytest.param(Timer.RETRANSMIT, 2, 1, 3.0, 5.0, 0.0, id="timeout not doubled"),
        pytest.param(Timer.KEEPALIVE, 0, 0, 3.0, 5.0, 0.0, id="probe not sent"),
        pytest.param(Timer.KEEPALIVE, 2, 0, 3.0, 5.0, 5.0, id="two probes"),
        pytest.param(Timer.ZERO_WINDOW, 2, 2, 3.0, 5.0, 0.0, id="window probes"),
    ],
)
def test_minimum_time_unanswered(
    *, timer: Timer, unanswered: int, backoff: int, sent: float, expires: float, since: float
) -> None:
    """
    From a single dump, the timeouts show for how long segments have been unanswered at least.
    """
    changes = {"unanswered": unanswered, "backoff": backoff, "expires": expires}
    shown = row(1, 1020.0, 500.0, timer=timer, last_data_sent=sent, **changes)
    known = observed(table([shown]), History())
    assert known["unanswered_at"].tolist() == [1020.0 - since]
