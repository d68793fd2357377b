"""
One end of a connection, with its keepalive timer as net/ipv4/tcp_timer.c runs it.
"""

import math
from dataclasses import dataclass

WHEEL = 8 / 63
"""
By what part of its time a timer may fire late: a level of the timer wheel (kernel/time/timer.c) is
8 times as coarse as the one before, and begins at 63 times its granularity.
"""
JIFFY = 0.01
"""The longest there is, with HZ=100."""

_DEFAULT_TIME, _DEFAULT_INTERVAL = 7200.0, 75.0


@dataclass(slots=True)
class End:
    """
    time and interval are TCP_KEEPIDLE and TCP_KEEPINTVL; check_at is None while keepalive is off.

    received_at is when it last received anything but a probe, refreshed_at when anything crossed
    the wire that was not the other end's probe or the answer to one. While unacknowledged it waits
    for an answer to data, or for a window, and does not probe. set_at is when its options were last
    set, probes how many probes it has sent since, checked_at when the last check of its timer that
    sent nothing was due, and checked_by when it had been made for certain.
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
        What setsockopt does: keepalive (0 or 1), time or interval.

        A time is counted from the last receipt, keepalive switched on from now.
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
        What the timer does when it fires: whether to send a probe; else it is re-armed.
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
        A probe was sent.
        """
        self.probes += 1
        self.probed_at = now
        self._arm(now, self.interval)

    def run_until(self, now: float) -> None:
        """
        Make the checks that send nothing. One that would send a probe stays due: see probe().
        """
        while self.check_at is not None and self.check_at <= now and not self.check(self.check_at):
            pass

    def next_probe(self, now: float) -> tuple[float, float]:
        """
        Between which times the next probe is sent, if nothing is received before.
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
