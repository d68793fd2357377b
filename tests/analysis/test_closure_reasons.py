"""
Close reasons of connections, from the values in the kernel's events.
"""

from dataclasses import dataclass, replace

import pytest

from exporter.model import Reason
from tests.analysis.endings import (
    ABORTED,
    CLOSED,
    FIN_UNANSWERED,
    HANGING,
    IDLE,
    NAN,
    NEVER,
    PROBED,
    PROBING,
    REFUSED_WRITE,
    RESET,
    RETRANSMITTED,
    SINCE_ZERO,
    Event,
    Row,
    classified,
    earlier,
    later,
)

TOLERANCE = 0.05
UNREAD = replace(RESET, receive_queue=10, segments_in=4)


@dataclass(frozen=True)
class Case:
    """
    One closure: the event, the history row, and the expected verdict.
    """

    name: str
    event: Event
    row: Row | None
    reason: Reason
    spell: float
    counts: bool = True

    def __str__(self) -> str:
        """
        Name the test.
        """
        return self.name


REMEMBERED = [
    Case("closed locally", CLOSED, IDLE, Reason.NORMAL, 200),
    Case(
        "closed by peer", replace(CLOSED, segments_out=7, segments_in=7), IDLE, Reason.NORMAL, 200
    ),
    Case(
        "closed, inbound",
        replace(CLOSED, bytes_acked=3, inbound=True),
        IDLE,
        Reason.NORMAL,
        200,
    ),
    Case(
        "closed after losses",
        replace(CLOSED, bytes_sent=9, bytes_retransmitted=7),
        IDLE,
        Reason.NORMAL,
        200,
    ),
    Case("closed after a write", replace(CLOSED, sent=1.0), IDLE, Reason.NORMAL, 1),
    Case("reset while idle", RESET, IDLE, Reason.RESET, 200),
    Case(
        "reset while idle, inbound",
        replace(RESET, bytes_acked=2, inbound=True),
        IDLE,
        Reason.RESET,
        200,
    ),
    Case("reset after data", replace(RESET, received=5.0), IDLE, Reason.RESET, 5),
    Case("reset answers a write", REFUSED_WRITE, IDLE, Reason.RESET, 199.9),
    Case(
        "reset answers a probe",
        replace(RESET, probes=1, segments_out=7),
        replace(IDLE, check=0.1, armed=1),
        Reason.RESET,
        199.9,
    ),
    Case(
        "reset answers a retransmission",
        replace(REFUSED_WRITE, retransmits=2, bytes_sent=5, bytes_retransmitted=2),
        Row(active=10.0, unanswered=10.0, spell=190.0),
        Reason.RESET,
        190,
    ),
    Case("reset answers a FIN", replace(RESET, send_queue=1), IDLE, Reason.RESET, 200),
    Case("keepalive timed out", PROBED, PROBING, Reason.KEEPALIVE_TIMEOUT, 200),
    Case(
        "keepalive timed out between samples",
        replace(PROBED, probes=1, sent=200.0, received=200.0, acked=200.0),
        replace(IDLE, check=2.0, armed=1),
        Reason.KEEPALIVE_TIMEOUT,
        198,
    ),
    Case(
        "keepalive timed out between rare samples",
        replace(PROBED, probes=2, sent=59.5, received=59.5, acked=59.5),
        Row(read=59.0, active=59.5, received=59.5, check=29.5, armed=1),
        Reason.KEEPALIVE_TIMEOUT,
        30,
    ),
    Case("retransmission timed out", RETRANSMITTED, HANGING, Reason.RETRANSMIT_TIMEOUT, 198),
    Case(
        "retransmission timed out after an unknown spell",
        RETRANSMITTED,
        replace(HANGING, spell=NAN, lasting=False),
        Reason.RETRANSMIT_TIMEOUT,
        NAN,
    ),
    Case(
        "retransmission timed out between samples",
        replace(RETRANSMITTED, retransmits=3, sent=1.0, received=200.0, acked=200.0),
        IDLE,
        Reason.RETRANSMIT_TIMEOUT,
        190,
    ),
    Case(
        "zero window probes timed out",
        replace(RETRANSMITTED, retransmits=0, probes=15),
        HANGING,
        Reason.RETRANSMIT_TIMEOUT,
        198,
    ),
    Case(
        "FIN never acknowledged",
        FIN_UNANSWERED,
        Row(read=110.0, active=300.0, received=300.0),
        Reason.RETRANSMIT_TIMEOUT,
        190,
    ),
    Case("aborted with SO_LINGER 0", ABORTED, IDLE, Reason.ABORT, 200),
    Case("aborted with unread data", UNREAD, IDLE, Reason.ABORT, 200),
    Case("aborted by SOCK_DESTROY", replace(UNREAD, receive_queue=0), IDLE, Reason.ABORT, 200),
    Case(
        "reset with unread data",
        replace(RESET, receive_queue=10),
        IDLE,
        Reason.RESET,
        200,
    ),
    Case(
        "aborted with unread data that came last",
        replace(UNREAD, received=5.0, acked=5.0, segments_in=5),
        IDLE,
        Reason.ABORT,
        5,
    ),
    Case(
        "aborted while data is unanswered",
        replace(ABORTED, retransmits=3, sent=1.0),
        Row(active=10.0, unanswered=10.0, spell=190.0, lasting=True),
        Reason.RETRANSMIT_TIMEOUT,
        190,
    ),
    Case(
        "aborted after a lost segment",
        replace(ABORTED, retransmits=1, sent=0.3),
        IDLE,
        Reason.ABORT,
        199.7,
    ),
    Case(
        "aborted while probes are unanswered",
        replace(ABORTED, sent=440.0, acked=440.0),
        PROBING,
        Reason.KEEPALIVE_TIMEOUT,
        200,
    ),
    Case(
        "closed by the peer earlier, FIN never acknowledged",
        replace(FIN_UNANSWERED, missed=105.0),
        Row(read=110.0, active=300.0, received=300.0, peer_closed=True),
        Reason.NORMAL,
        195,
    ),
    Case(
        "closed by the peer, FIN reset",
        replace(RESET, send_queue=1, receive_queue=1, acked=190.0, segments_in=6),
        Row(read=195.0),
        Reason.NORMAL,
        200,
    ),
    Case(
        "closed by the peer, aborted locally",
        replace(ABORTED, acked=190.0),
        Row(active=190.0, received=190.0, peer_closed=True),
        Reason.NORMAL,
        190,
    ),
    Case(
        "half-closed, keepalive timed out",
        replace(CLOSED, probes=8, acked=440.0, received=450.0, missed=435.0),
        Row(read=445.0, active=450.0, received=450.0, armed=1, keepalive_time=200.0),
        Reason.KEEPALIVE_TIMEOUT,
        200,
    ),
    Case(
        "half-closed, reset answers a probe",
        replace(CLOSED, probes=1, acked=200.0, received=210.0, missed=195.0),
        Row(read=205.0, active=210.0, received=210.0, armed=1, keepalive_time=200.0),
        Reason.RESET,
        200,
    ),
]
LATE = [
    Case("reset", later(RESET, 3000), earlier(IDLE, 3000), Reason.RESET, 205),
    Case("write reset", later(REFUSED_WRITE, 3000), earlier(IDLE, 3000), Reason.RESET, 199.9),
    Case(
        "keepalive timed out",
        later(PROBED, 3000),
        earlier(PROBING, 3000),
        Reason.KEEPALIVE_TIMEOUT,
        200,
    ),
    Case(
        "retransmission timed out",
        later(RETRANSMITTED, 3000),
        earlier(HANGING, 3000),
        Reason.RETRANSMIT_TIMEOUT,
        198,
    ),
    Case(
        "closed by the peer, FIN never acknowledged",
        replace(FIN_UNANSWERED, receive_queue=1, segments_in=5, acked=250.0, missed=200.0),
        Row(read=310.0, active=400.0, received=400.0),
        Reason.NORMAL,
        100,
    ),
]
UNSEEN = [
    Case("closed", CLOSED, None, Reason.NORMAL, 200),
    Case("reset", RESET, None, Reason.RESET, 200),
    Case("write reset", REFUSED_WRITE, None, Reason.RESET, 199.9),
    Case("aborted with SO_LINGER 0", ABORTED, None, Reason.ABORT, 200),
    Case("aborted with unread data", UNREAD, None, Reason.ABORT, 200),
    Case("closed by the peer", replace(FIN_UNANSWERED, receive_queue=1), None, Reason.NORMAL, 300),
    Case("keepalive timed out", PROBED, None, Reason.KEEPALIVE_TIMEOUT, NAN),
    Case("retransmission timed out", RETRANSMITTED, None, Reason.RETRANSMIT_TIMEOUT, NAN),
    Case(
        "accepted, and reset immediately",
        replace(
            RESET,
            inbound=True,
            sent=0.01,
            received=0.01,
            acked=0.01,
            segments_out=0,
            segments_in=2,
            bytes_acked=0,
            bytes_sent=0,
        ),
        None,
        Reason.RESET,
        0.01,
    ),
    Case(
        "only its SYN was answered",
        replace(RETRANSMITTED, segments_in=1, bytes_acked=1),
        None,
        Reason.RETRANSMIT_TIMEOUT,
        NAN,
    ),
]
REFUSED = replace(NEVER, segments_out=1, segments_in=1)
NO_CONNECTIONS = [
    ("never connected", NEVER),
    ("refused", replace(NEVER, send_queue=3)),
    ("refused, non-blocking", REFUSED),
    ("refused at the second SYN", replace(REFUSED, retransmits=1, segments_out=2)),
    ("never answered", replace(NEVER, retransmits=6, send_queue=3)),
    ("never answered, timed out", replace(NEVER, retransmits=2, segments_out=3)),
]


@pytest.mark.parametrize("case", REMEMBERED, ids=str)
class TestRemembered:
    """
    Connections that the last sample had.
    """

    def test_verdict(self, case: Case) -> None:
        """
        Reason and idle spell follow from the event and the history.
        """
        check(case)

    def test_event_read_late(self, case: Case) -> None:
        """
        A busy event loop changes neither, because ages refer to when the event was sent, not read.
        """
        check(replace(case, event=replace(case.event, late=2.0)))


@pytest.mark.parametrize("case", LATE, ids=str)
def test_application_closes_late(case: Case) -> None:
    """
    A socket that the application closes long after its end does not have a longer spell.
    """
    check(case)


class TestPeersProbes:
    """
    Connections kept alive only by the peer, which shows in the history but in no age.
    """

    ROW = Row(active=20.0, received=3000.0)
    AGES = Event(sent=3000.0, received=3000.0, acked=3000.0)

    @pytest.mark.parametrize("late", [0.02, 2.0])
    def test_reset(self, late: float) -> None:
        """
        The spell before a reset is 20 s since the last probe, not 3000 s since the last data.
        """
        check(Case("", replace(self.AGES, late=late), self.ROW, Reason.RESET, 20))

    def test_closed(self) -> None:
        """
        The spell before a close is measured since the last probe too.
        """
        closed = replace(self.AGES, acked=0.0, segments_in=6, bytes_acked=4)
        check(Case("", closed, self.ROW, Reason.NORMAL, 20))

    def test_probe_and_timeout_between_two_samples(self) -> None:
        """
        The reason cannot be determined: one more segment without a changed age looks like a reset.
        """
        timed_out = replace(self.AGES, retransmits=3, send_queue=1, sent=1.0, segments_in=5)
        assert classified(timed_out, self.ROW).reason == Reason.RESET


class TestUnseen:
    """
    Connections opened and closed between two samples, or before the first one.
    """

    @pytest.mark.parametrize("case", UNSEEN, ids=str)
    def test_verdict(self, case: Case) -> None:
        """
        Reason and spell follow from the event alone; the spell before a timeout is unknown.
        """
        check(case)

    @pytest.mark.parametrize(
        "event", [event for _, event in NO_CONNECTIONS], ids=[name for name, _ in NO_CONNECTIONS]
    )
    @pytest.mark.parametrize(
        "age",
        [
            pytest.param(SINCE_ZERO, id="ticks match the clock"),
            pytest.param(SINCE_ZERO - 3, id="ticks started late"),
            pytest.param(1234.5, id="ages wrapped after 50 days"),
        ],
    )
    def test_no_connection(self, event: Event, age: float) -> None:
        """
        A socket that was never established is not counted, for any age.
        """
        event = replace(event, sent=age, received=age, acked=age)
        assert not classified(event).counts

    def test_duplicate_child(self) -> None:
        """
        Two CPUs may each create a socket for the end of a handshake; the duplicate is not counted.
        """
        child = Event(
            sent=0.0,
            received=0.0,
            acked=SINCE_ZERO,
            segments_out=0,
            segments_in=1,
            bytes_acked=0,
            bytes_sent=0,
            inbound=True,
        )
        assert not classified(child).counts

    def test_aborted_after_ages_wrapped(self) -> None:
        """
        An aborted connection is also counted after 50 days of uptime.
        """
        assert classified(replace(ABORTED, received=1234.5)).counts


class TestOldKernels:
    """
    Values that old kernels do not report are not misinterpreted.
    """

    @pytest.mark.parametrize(
        "case",
        [case for case in REMEMBERED + LATE if case.event.segments_out and "half" not in case.name],
        ids=str,
    )
    def test_without_bytes_sent(self, case: Case) -> None:
        """
        Before Linux 4.19, the age of the last acknowledgement shows whether the FIN was
        acknowledged.
        """
        event = replace(case.event, bytes_sent=-1, bytes_retransmitted=-1)
        check(replace(case, event=event))

    @pytest.mark.parametrize("event_and_row", [(PROBED, PROBING), (RETRANSMITTED, HANGING)])
    def test_without_segments(self, event_and_row: tuple[Event, Row]) -> None:
        """
        Before Linux 4.2, segments are not counted; this does not indicate a reset.
        """
        event, row = event_and_row
        old = replace(event, segments_in=-1, segments_out=-1, bytes_sent=-1)
        reason = classified(old, replace(row, segments_in=-1)).reason
        assert reason == classified(event, row).reason


def check(case: Case) -> None:
    """
    Assert that a closure has the expected verdict.
    """
    closures = classified(case.event, case.row)
    assert Reason(closures.reason[0]).name == case.reason.name
    assert closures.spell[0] == pytest.approx(case.spell, abs=TOLERANCE, nan_ok=True)
    assert closures.counts[0] == case.counts
