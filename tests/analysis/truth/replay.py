"""
Replay of a connection from its ends' options and its segments.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from operator import itemgetter

from tests.analysis.truth.capture import Segment
from tests.analysis.truth.end import End
from tests.analysis.truth.members import Member

_WRAP = 1 << 32
_HALF = _WRAP >> 1


def _is_after(one: int, other: int) -> bool:
    """
    Whether a sequence number is after another one.
    """
    return 0 < (one - other) % _WRAP < _HALF


@dataclass(slots=True)
class ReplayedEnd(End):
    """
    An end that also keeps what it has sent: sent_up_to is the next sequence number.
    """

    sent_up_to: int | None = None
    in_flight: bool = False
    window_closed: bool = False

    def is_probe(self, segment: Segment) -> bool:
        """
        Whether a segment that it sent is a probe, which repeats an earlier sequence number.
        """
        return segment.is_empty and (segment.sequence + 1) % _WRAP == self.sent_up_to

    def send(self, segment: Segment) -> None:
        """
        Note a segment that it sent.
        """
        if self.is_probe(segment):
            if not self.unacknowledged:  # otherwise it is a window probe
                self.probe(segment.at)
        elif self.sent_up_to is None or _is_after(segment.end, self.sent_up_to):
            self.sent_up_to = segment.end
            self.in_flight = not segment.is_empty
        self.unacknowledged = self.in_flight or self.window_closed

    def receive(self, segment: Segment) -> None:
        """
        Note a received segment that is not a probe.
        """
        self.received_at = segment.at
        self.window_closed = segment.window == 0
        if self.sent_up_to is not None and not _is_after(self.sent_up_to, segment.acknowledges):
            self.in_flight = False
        self.unacknowledged = self.in_flight or self.window_closed


class Replay:
    """
    A connection replayed from one time to the next. Times must increase.
    """

    def __init__(self, member: Member, segments: Sequence[Segment]) -> None:
        self.client, self.server = ReplayedEnd(), ReplayedEnd()
        self.last_segment_at = self.data_at = -math.inf
        self._segment_times = [segment.at for segment in segments]
        self.loses_segments = member.lost_between != (0, 0)
        self._lost_between = member.lost_between
        self._unanswered: ReplayedEnd | None = None
        events: list[tuple[float, Callable[[], None]]] = [
            (segment.at, partial(self._cross, segment)) for segment in segments
        ]
        for end, logged in ((self.client, member.client), (self.server, member.server)):
            events += [
                (change.at, partial(end.set, change.at, change.option, change.value))
                for change in logged.log
            ]
        events.sort(key=itemgetter(0))
        self._times = [at for at, _ in events]
        self._events = [happen for _, happen in events]
        self._position = 0

    def run_until(self, now: float) -> None:
        """
        Replay all events until now.
        """
        position = bisect_right(self._times, now)
        for event in range(self._position, position):
            self._let_timers_run(self._times[event])
            self._events[event]()
        self._position = max(self._position, position)
        self._let_timers_run(now)

    def is_quiet(self, until: float) -> bool:
        """
        Whether there are no more events until then.
        """
        return bisect_right(self._times, until) <= self._position

    def last_segment_until(self, until: float) -> float:
        """
        The time of the last segment until then, which may be later than now.
        """
        return self._segment_times[bisect_right(self._segment_times, until) - 1]

    def _let_timers_run(self, now: float) -> None:
        self.client.run_until(now)
        self.server.run_until(now)

    def _cross(self, segment: Segment) -> None:
        sender, receiver = self.client, self.server
        if not segment.outgoing:
            sender, receiver = receiver, sender
        is_probe = sender.is_probe(segment)
        is_answer = self._unanswered is receiver and segment.is_empty
        sender.send(segment)
        self.last_segment_at = segment.at
        if is_probe or is_answer:
            (sender if is_probe else receiver).refreshed_at = segment.at
        else:
            self.data_at = self.client.refreshed_at = self.server.refreshed_at = segment.at
        self._unanswered = sender if is_probe else None
        lost_from, lost_until = self._lost_between
        is_lost = segment.outgoing and lost_from <= segment.at < lost_until
        if not is_probe and not is_lost:
            receiver.receive(segment)
