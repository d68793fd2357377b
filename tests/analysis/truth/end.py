"""
One end of a connection, with its keepalive timer as in net/ipv4/tcp_timer.c.
"""

import math
from dataclasses import dataclass

WHEEL = 8 / 63
"""
Maximum delay of a timer as a fraction of its time: each level of the timer wheel
(kernel/time/timer.c) is 8 times as coarse as the previous one, which covers 63 times its
granularity.
"""
JIFFY = 0.01
"""Seconds; the longest jiffy, with HZ=100."""

_DEFAULT_TIME, _DEFAULT_INTERVAL = 7200.0, 75.0


@dataclass(slots=True)
class End:
    """
    time and interval are TCP_KEEPIDLE and TCP_KEEPINTVL; check_at is None while keepalive is off.

    received_at is the time of the last segment received, except probes. refreshed_at is the time of
    the last segment in either direction, except the other end's probes and their answers. While
    unacknowledged, it waits for an answer to data, or for a window, and sends no probes. set_at is
    when its options were last set, probes the number of probes sent since. checked_at is when the
    last check without a probe was due, checked_by when it was certainly done.
    """

    time: float = _DEFAULT_TIME
    interval: float = _DEFAULT_INTERVAL
    received_at: float = math.nan
    refreshed_at: float = -math.inf
    unacknowledged: bool = False
    check_at: float | None = None
    armed_for: float = 0
    set_at: float = -math.inf
    checked_at: float = -math.inf
    checked_by: float = -math.inf
    probed_at: float = -math.inf
    probes: int = 0

    def set(self, now: float, option: str, value: float) -> None:
        """
        Set an option like setsockopt: keepalive (0 or 1), time or interval.

        A time counts from the last receipt; enabled keepalive counts from now.
        """
        self.set_at = now
        self.probes = 0
        match option:
            case "interval":
                self.interval = value
            case "time":
                self.time = value
                if self.check_at is not None:
                    self._arm(now, max(0.0, self.received_at + value - now))
            case "keepalive" if not value:
                self.check_at = None
            case "keepalive" if self.check_at is None:
                self._arm(now, self.time)

    def check(self, now: float) -> bool:
        """
        Check the timer as when it fires. Returns whether to send a probe; otherwise it is re-armed.
        """
        elapsed = now - self.received_at
        if not self.unacknowledged and elapsed > self.time - JIFFY:
            return True
        self.checked_at = now
        self.checked_by = now + WHEEL * self.armed_for
        self._arm(now, self.time if self.unacknowledged else self.time - elapsed)
        return False

    def probe(self, now: float) -> None:
        """
        Note that a probe was sent.
        """
        self.probes += 1
        self.probed_at = now
        self._arm(now, self.interval)

    def run_until(self, now: float) -> None:
        """
        Do the checks that send nothing. One that would send a probe stays due: see probe().
        """
        while self.check_at is not None and self.check_at <= now and not self.check(self.check_at):
            pass

    def next_probe(self, now: float) -> tuple[float, float]:
        """
        The earliest and latest time of the next probe, if nothing is received before.
        """
        if self.check_at is None:
            return math.inf, math.inf
        due_at = max(self.check_at, self.received_at + self.time)
        latest = max(
            self.check_at + WHEEL * self.armed_for,
            due_at + WHEEL * (due_at - self.check_at),
        )
        return max(now, due_at), max(now, latest) + 2 * JIFFY

    def _arm(self, now: float, seconds: float) -> None:
        self.check_at = now + seconds
        self.armed_for = seconds
