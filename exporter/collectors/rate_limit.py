"""
A rate limit for events.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class RateLimit:
    """
    Allows a number of events in each window of seconds, and counts the suppressed ones.
    """

    events: int
    window: float
    _suppressed: int = 0
    _began: float = float("-inf")
    _allowed: int = 0

    def allow(self, now: float) -> bool:
        """
        Whether the event is allowed; now is seconds on any monotonic clock.
        """
        if now - self._began >= self.window:
            self._began, self._allowed = now, 0
        if self._allowed >= self.events:
            self._suppressed += 1
            return False
        self._allowed += 1
        return True

    def take_suppressed(self) -> int:
        """
        The number of events suppressed since the last call.
        """
        suppressed, self._suppressed = self._suppressed, 0
        return suppressed
