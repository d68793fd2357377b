"""
The truth about a connection, and the causes of verdicts that differ from it.
"""

import math
from enum import StrEnum
from typing import NamedTuple, Protocol

from exporter.model import (
    AT_RISK_IDLE_STATES,
    AT_RISK_PROTECTIONS,
    IdleState,
    Protection,
)
from tests.analysis.truth.end import WHEEL, End

_TICK = 0.05
"""A probe later than this many seconds before the timeout is not in time."""
_SLACK = 0.15
_PATIENCE = 1.5
"""Factor by which the time between samples may exceed the interval."""


class Truth(StrEnum):
    """
    What refreshes the mapping in time; the first four are values of Protection.
    """

    OWN = "own"
    LATE = "late"
    PEER = "peer"
    NONE = "none"
    IN_TURN = "late probes of both ends refresh it alternately"
    UNDECIDED = "a probe is due within the timer's rounding of the timeout"
    HIDDEN = "retransmissions or window probes hide the keepalive timer"
    MOVING = "a segment or a change of options during the sample"


class Cause(StrEnum):
    """
    Why a verdict differs from the truth, if samples cannot determine it.
    """

    CLOSE = "a probe is due within a sample of the timeout"
    UNSEEN = "the peer has not yet sent two probes with its current options"
    UNEVEN = "the peer's interval is longer than its keepalive time"
    CHANGED = "the peer's options were changed, and its probes are less frequent than before"
    LOST = "the peer's probes were lost and sent at its interval, and are less frequent now"
    UNCHECKED = "options not yet applied by a check of the timer"


PROTECTED = (Truth.OWN, Truth.PEER)
AT_RISK = (Truth.LATE, Truth.NONE)


class Verdict(NamedTuple):
    """
    The verdict on a connection.
    """

    protection: Protection
    idle_state: IdleState

    def contradicts(self, truth: Truth) -> bool:
        """
        Whether the verdict is at risk but the truth is protected, or the reverse.
        """
        if self.idle_state not in AT_RISK_IDLE_STATES:
            return False
        if truth in PROTECTED:
            return self.protection in AT_RISK_PROTECTIONS
        return truth in AT_RISK and self.protection in (Protection.OWN, Protection.PEER)


class Connection(Protocol):
    """
    A connection with known options and segments.
    """

    @property
    def client(self) -> End:
        """
        The end at which samples are taken.
        """

    @property
    def server(self) -> End:
        """
        The other end, its peer.
        """

    @property
    def last_segment_at(self) -> float:
        """
        The time of the last segment.
        """

    @property
    def loses_segments(self) -> bool:
        """
        Whether some of its segments are lost.
        """

    @property
    def data_at(self) -> float:
        """
        The time of the last segment that was neither a probe nor the answer to one.
        """


def truth_of(connection: Connection, now: float, timeout: float) -> Truth:
    """
    What refreshes the mapping in time with the current options, if no data is sent.
    """
    client, server = connection.client, connection.server
    own, peer = (_in_time(end, now, timeout) for end in (client, server))
    next_probe = min(end.next_probe(now)[0] for end in (client, server))
    if client.unacknowledged:
        truth = Truth.HIDDEN
    elif own:
        truth = Truth.OWN
    elif own is None or peer is None:
        truth = Truth.UNDECIDED
    elif peer:
        truth = Truth.PEER
    elif next_probe < connection.last_segment_at + timeout:
        truth = Truth.IN_TURN
    else:
        truth = Truth.NONE if client.check_at is None else Truth.LATE
    return truth


def _in_time(end: End, now: float, timeout: float) -> bool | None:
    """
    Whether this end alone refreshes the mapping in time; None if that depends on the timer wheel.
    """
    earliest, latest = end.next_probe(now)
    deadline = end.refreshed_at + timeout
    if latest < deadline:
        return True
    return False if earliest >= deadline - _TICK else None


class Watch:
    """
    State kept between samples of a connection to explain its verdicts.

    Samples are taken at an interval; after a much longer gap, the watch restarts.
    """

    def __init__(self, connection: Connection, timeout: float, interval: float) -> None:
        self._connection = connection
        self._timeout = timeout
        self._interval = interval
        self._last = -math.inf
        self._began = math.inf
        self._probes = 0
        self._seen = 0

    def __str__(self) -> str:
        connection = self._connection
        return f"{connection.last_segment_at:.2f} {connection.client} {connection.server}"

    def is_warm(self, now: float) -> bool:
        """
        Whether the connection has been watched for one timeout.
        """
        return now - self._began >= self._timeout

    def sample(self, now: float) -> None:
        """
        Note a sample.
        """
        connection = self._connection
        last, self._last = self._last, now
        if now - last > _PATIENCE * self._interval:
            self._began = now
        if connection.server.set_at > last:
            self._seen = self._probes = 0
        # Among data segments, a probe is not visible.
        if connection.data_at < last:
            self._seen += connection.server.probes - self._probes
        self._probes = connection.server.probes

    def explain(self, now: float, truth: Truth, protection: Protection) -> Cause | None:
        """
        Why a verdict contradicts the truth; None if there is no valid cause.
        """
        if truth == Truth.OWN or protection == Protection.OWN:
            return self._explain_own(now, truth)
        return self._explain_peer(now, truth)

    def _explain_own(self, now: float, truth: Truth) -> Cause | None:
        own = self._connection.client
        if truth == Truth.OWN:
            latest = own.next_probe(now)[1] + self._interval + _SLACK
            if latest >= own.refreshed_at + self._timeout:
                return Cause.CLOSE
            is_checked = own.probed_at > own.set_at or self._is_checked(own, own.set_at, now)
        else:
            is_checked = self._is_checked(own, own.received_at, now)
        return None if is_checked else Cause.UNCHECKED

    @staticmethod
    def _is_checked(end: End, since: float, now: float) -> bool:
        return end.checked_at > since and end.checked_by < now

    def _explain_peer(self, now: float, truth: Truth) -> Cause | None:
        peer = self._connection.server
        # Gaps are measured from sample to sample, and may differ by the timer wheel's rounding.
        longest_gap = peer.time * (1 + WHEEL) + 2 * _PATIENCE * self._interval + _SLACK
        overdue = self._timeout * (1 + WHEEL) + 3 * _PATIENCE * self._interval + _SLACK
        is_overdue = now - max(peer.probed_at, peer.received_at) > overdue
        if truth == Truth.PEER and self._seen < 2:
            cause = Cause.UNSEEN
        elif peer.time < self._timeout <= longest_gap:
            cause = Cause.CLOSE
        elif truth in AT_RISK and is_overdue:
            return None
        elif peer.set_at > self._began:
            cause = Cause.CHANGED
        elif self._connection.loses_segments:
            cause = Cause.LOST
        else:
            return Cause.UNEVEN if peer.interval > peer.time else None
        return cause
