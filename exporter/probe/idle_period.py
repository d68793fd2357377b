"""
The idle time of a connection, derived from the kernel's counters (TCP_INFO).
"""

from exporter.linux.own_sockets import TcpInfo


class IdlePeriod:
    """
    The current idle period, followed from reading to reading.

    It began between after and before, in seconds on the monotonic clock.
    """

    def __init__(self, reading: TcpInfo) -> None:
        self.last = reading
        self.after = reading.received_at
        self.before = reading.at

    def note(self, reading: TcpInfo) -> tuple[float, float] | None:
        """
        Process the next reading.

        If a segment arrived since the last one, a new period begins. Returns the minimum and
        maximum seconds that the previous one lasted, otherwise None.
        """
        last, self.last = self.last, reading
        arrived = reading.segments_in - last.segments_in
        if not arrived and reading.segments_out == last.segments_out and not reading.is_dead:
            return None
        # received_at is the arrival time of a single segment, unless it was the peer's probe.
        known = arrived == 1 and reading.received_at > last.at
        arrived_at = reading.received_at if known else last.at
        lasted = arrived_at - self.before, reading.at - self.after
        self.after, self.before = arrived_at, reading.at
        return lasted if arrived or reading.is_dead else None
