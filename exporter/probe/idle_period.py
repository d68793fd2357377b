"""
How long a connection has been idle, as the kernel's counters show it.
"""

from dataclasses import dataclass

_ESTABLISHED, _CLOSE = 1, 7  # include/net/tcp_states.h


@dataclass(frozen=True, slots=True)
class Reading:
    """
    What TCP_INFO says of a connection at one moment.

    at is when, received_at when the last segment with data or an acknowledgement came, both on the
    monotonic clock; unanswered counts our probes since, round_trip is in seconds.
    """

    at: float
    state: int
    unanswered: int
    segments_in: int
    segments_out: int
    received_at: float
    round_trip: float

    @property
    def is_open(self) -> bool:
        """
        Whether neither end has closed the connection.
        """
        return self.state == _ESTABLISHED

    @property
    def is_dead(self) -> bool:
        """
        Whether it has ended by an error, such as a reset.
        """
        return self.state == _CLOSE


class Spell:
    """
    The present idle spell, followed from reading to reading.

    When it began is known from both sides: after and before are on the monotonic clock.
    """

    def __init__(self, reading: Reading) -> None:
        self.last = reading
        self.after = reading.received_at
        self.before = reading.at

    def note(self, reading: Reading) -> tuple[float, float] | None:
        """
        Follow the connection to this reading.

        If something has come in since the last one, the spell is over and another has begun: then
        the seconds that it lasted, at least and at most.
        """
        last, self.last = self.last, reading
        arrived = reading.segments_in - last.segments_in
        if not arrived and reading.segments_out == last.segments_out and not reading.is_dead:
            return None
        # Of a single segment the kernel tells when it came, unless it was the peer's probe.
        known = arrived == 1 and reading.received_at > last.at
        came_at = reading.received_at if known else last.at
        lasted = came_at - self.before, reading.at - self.after
        self.after, self.before = came_at, reading.at
        return lasted if arrived or reading.is_dead else None
