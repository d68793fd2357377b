"""
How connections ended, judged by the signatures that the kernel leaves.
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
    NEVER,
    PROBED,
    PROBING,
    REFUSED_WRITE,
    RESET,
    RETRANSMITTED,
    SINCE_ZERO,
    Event,
    Row,
    earlier,
    judged,
    later,
)

TOLERANCE = 0.05


@dataclass(frozen=True)
class Case:
    """
    One ending: what the kernel tells, what was remembered, and what that comes to.
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
    Case("closed here", CLOSED, IDLE, Reason.NORMAL, 200),
    Case("closed there", replace(CLOSED, segments_out=7, segments_in=7), IDLE, Reason.NORMAL, 200),
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
        Row(active=10.0, spell=190.0),
        Reason.RESET,
        190,
    ),
    Case("reset answers a FIN", replace(RESET, send_queue=1), IDLE, Reason.RESET, 200),
    Case("keepalive gave up", PROBED, PROBING, Reason.KEEPALIVE_TIMEOUT, 200),
    Case(
        "keepalive gave up between samples",
        replace(PROBED, probes=1, sent=200.0, received=200.0, acked=200.0),
        replace(IDLE, check=2.0, armed=1),
        Reason.KEEPALIVE_TIMEOUT,
        198,
    ),
    Case(
        "keepalive gave up between rare samples",
        replace(PROBED, probes=2, sent=59.5, received=59.5, acked=59.5),
        Row(read=59.0, active=59.5, received=59.5, check=29.5, armed=1),
        Reason.KEEPALIVE_TIMEOUT,
        30,
    ),
    Case("retransmission gave up", RETRANSMITTED, HANGING, Reason.RETRANSMIT_TIMEOUT, 198),
    Case(
        "retransmission gave up between samples",
        replace(RETRANSMITTED, retransmits=3, sent=1.0, received=200.0, acked=200.0),
        IDLE,
        Reason.RETRANSMIT_TIMEOUT,
        190,
    ),
    Case(
        "zero window's probes gave up",
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
    Case("aborted here", ABORTED, IDLE, Reason.RESET, 200),
    Case(
        "aborted while it hung",
        replace(ABORTED, retransmits=3, sent=1.0),
        Row(active=10.0, spell=190.0, lasting=True),
        Reason.RESET,
        190,
    ),
]
LATE = [
    Case("reset", later(RESET, 3000), earlier(IDLE, 3000), Reason.RESET, 205),
    Case("write reset", later(REFUSED_WRITE, 3000), earlier(IDLE, 3000), Reason.RESET, 199.9),
    Case(
        "keepalive gave up",
        later(PROBED, 3000),
        earlier(PROBING, 3000),
        Reason.KEEPALIVE_TIMEOUT,
        200,
    ),
    Case(
        "retransmission gave up",
        later(RETRANSMITTED, 3000),
        earlier(HANGING, 3000),
        Reason.RETRANSMIT_TIMEOUT,
        198,
    ),
]
UNSEEN = [
    Case("closed", CLOSED, None, Reason.NORMAL, 200),
    Case("reset", RESET, None, Reason.RESET, 200),
    Case("write reset", REFUSED_WRITE, None, Reason.RESET, 199.9),
    Case("aborted", ABORTED, None, Reason.RESET, 200),
    Case("keepalive gave up", PROBED, None, Reason.KEEPALIVE_TIMEOUT, 0),
    Case("retransmission gave up", RETRANSMITTED, None, Reason.RETRANSMIT_TIMEOUT, 0),
    Case(
        "accepted, and reset at once",
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
        "only its SYN was ever answered",
        replace(RETRANSMITTED, segments_in=1, bytes_acked=1),
        None,
        Reason.RETRANSMIT_TIMEOUT,
        0,
    ),
]
REFUSED = replace(NEVER, segments_out=1, segments_in=1)
NO_CONNECTIONS = [
    ("never connected", NEVER),
    ("refused", replace(NEVER, send_queue=3)),
    ("refused while nobody waited", REFUSED),
    ("refused at the second SYN", replace(REFUSED, retransmits=1, segments_out=2)),
    ("never answered", replace(NEVER, retransmits=6, send_queue=3)),
    ("never answered, given up", replace(NEVER, retransmits=2, segments_out=3)),
]


@pytest.mark.parametrize("case", REMEMBERED, ids=str)
class TestRemembered:
    """
    Connections that the last sample had seen.
    """

    def test_judgement(self, case: Case) -> None:
        """
        Reason and idle spell are told by the signature and by what was remembered.
        """
        check(case)

    def test_event_read_late(self, case: Case) -> None:
        """
        A busy event loop changes neither: ages are as old as the telling, not as the reading.
        """
        check(replace(case, event=replace(case.event, late=2.0)))


@pytest.mark.parametrize("case", LATE, ids=str)
def test_application_closes_late(case: Case) -> None:
    """
    A socket that is let go of long after its death does not inflate the spell.
    """
    check(case)


class TestPeersProbes:
    """
    Connections kept alive by the other side alone: no age shows it, the history does.
    """

    ROW = Row(active=20.0, received=3000.0)
    AGES = Event(sent=3000.0, received=3000.0, acked=3000.0)

    @pytest.mark.parametrize("late", [0.02, 2.0])
    def test_reset(self, late: float) -> None:
        """
        A reset comes 20 s after the last probe, not 3000 s after the last data.
        """
        check(Case("", replace(self.AGES, late=late), self.ROW, Reason.RESET, 20))

    def test_closed(self) -> None:
        """
        So does a close.
        """
        closed = replace(self.AGES, acked=0.0, segments_in=6, bytes_acked=4)
        check(Case("", closed, self.ROW, Reason.NORMAL, 20))

    def test_probe_and_timeout_between_two_samples(self) -> None:
        """
        Cannot be known: one more segment without an age looks like the reset it might be.
        """
        timed_out = replace(self.AGES, retransmits=3, send_queue=1, sent=1.0, segments_in=5)
        assert judged(timed_out, self.ROW).reason == Reason.RESET


class TestUnseen:
    """
    Connections that came and went between two samples, or before the first one.
    """

    @pytest.mark.parametrize("case", UNSEEN, ids=str)
    def test_judgement(self, case: Case) -> None:
        """
        The signature alone tells; a spell that it does not tell is 0.
        """
        check(case)

    @pytest.mark.parametrize(
        "event", [event for _, event in NO_CONNECTIONS], ids=[name for name, _ in NO_CONNECTIONS]
    )
    @pytest.mark.parametrize(
        "age",
        [
            pytest.param(SINCE_ZERO, id="ticks agree with the clock"),
            pytest.param(SINCE_ZERO - 3, id="ticks began late"),
            pytest.param(1234.5, id="ages wrapped after 50 days"),
        ],
    )
    def test_no_connection(self, event: Event, age: float) -> None:
        """
        What was never established is no closure, however long ago the kernel says nothing came.
        """
        event = replace(event, sent=age, received=age, acked=age)
        assert not judged(event).counts

    def test_child_that_was_not_needed(self) -> None:
        """
        Of a handshake's last segments, two CPUs may each make a socket: one of them is undone.
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
        assert not judged(child).counts

    def test_aborted_after_ages_wrapped(self) -> None:
        """
        What was aborted counts after 50 days of uptime, too.
        """
        assert judged(replace(ABORTED, received=1234.5)).counts


class TestOldKernels:
    """
    What is not reported is not mistaken for something.
    """

    @pytest.mark.parametrize(
        "case",
        [case for case in REMEMBERED + LATE if case.name != "aborted here"],
        ids=str,
    )
    def test_without_bytes_sent(self, case: Case) -> None:
        """
        Before Linux 4.19 the last acknowledgement tells whether the FIN was acknowledged.
        """
        event = replace(case.event, bytes_sent=-1, bytes_retransmitted=-1)
        check(replace(case, event=event))

    @pytest.mark.parametrize("event_and_row", [(PROBED, PROBING), (RETRANSMITTED, HANGING)])
    def test_without_segments(self, event_and_row: tuple[Event, Row]) -> None:
        """
        Before Linux 4.2 segments are not counted, which is no sign of a reset.
        """
        event, row = event_and_row
        old = replace(event, segments_in=-1, segments_out=-1, bytes_sent=-1)
        reason = judged(old, replace(row, segments_in=-1)).reason
        assert reason == judged(event, row).reason


def check(case: Case) -> None:
    """
    Assert that an ending is judged as it should be.
    """
    closures = judged(case.event, case.row)
    assert Reason(closures.reason[0]).name == case.reason.name
    assert closures.spell[0] == pytest.approx(case.spell, abs=TOLERANCE)
    assert closures.counts[0] == case.counts
