"""
A bound on how often something is done.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class RateLimit:
    """
    Allows so many events in each window of so many seconds, and counts what it refused.
    """

    events: int
    window: float
    _refused: int = 0
    _began: float = float("-inf")
    _allowed: int = 0

    def allow(self, now: float) -> bool:
        """
        Whether the event may happen now, in seconds on any steady clock.
        """
        if now - self._began >= self.window:
            self._began, self._allowed = now, 0
        if self._allowed >= self.events:
            self._refused += 1
            return False
        self._allowed += 1
        return True

    def take_refused(self) -> int:
        """
        How many events were refused since this was last asked.
        """
        refused, self._refused = self._refused, 0
        return refused


class TokenBucket:
    """
    Allows one event each interval of so many seconds, and up to burst of them at once.
    """

    def __init__(self, interval: float, burst: int) -> None:
        self._interval = interval
        self._burst = burst
        self._tokens = float(burst)
        self._filled = float("-inf")

    def take(self, now: float) -> bool:
        """
        Whether the event may happen now, in seconds on any steady clock.
        """
        came = (now - self._filled) / self._interval
        self._tokens = min(self._tokens + came, self._burst)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
