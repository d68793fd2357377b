"""
A rate limit.
"""


class TokenBucket:
    """
    Allows one event per interval (seconds), and up to burst at once.
    """

    def __init__(self, interval: float, burst: int) -> None:
        self._interval = interval
        self._burst = burst
        self._tokens = float(burst)
        self._filled = float("-inf")

    def take(self, now: float) -> bool:
        """
        Whether an event is allowed at now, in seconds on a monotonic clock.
        """
        added = (now - self._filled) / self._interval
        self._tokens = min(self._tokens + added, self._burst)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
