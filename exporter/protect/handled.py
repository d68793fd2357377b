"""
Connections that were handled before, by cookie, so that --watch examines only new and changed ones.
"""

import numpy as np

from exporter.analysis.coverage import TIMER_LATENESS
from exporter.analysis.history import Cookies
from exporter.analysis.verdicts import TICK
from exporter.model import BoolArray, ConnectionTable, Timer


class Handled:
    """
    The keepalive time in seconds that each connection has, as last read from its socket or set; inf
    for connections that are never to be examined again.
    """

    def __init__(self) -> None:
        self._times: dict[int, float] = {}
        self._cookies = np.empty(0, np.uint64)
        self._seconds = np.empty(0)

    def note(self, cookie: int, seconds: float) -> None:
        """
        Note that a connection was handled.
        """
        self._times[cookie] = seconds

    def update(self, present: Cookies) -> None:
        """
        Apply what was noted, and forget connections that are not present any more.
        """
        kept = self._times.keys() & present.tolist()
        self._times = {cookie: self._times[cookie] for cookie in sorted(kept)}
        self._cookies = np.fromiter(self._times.keys(), np.uint64, len(kept))
        self._seconds = np.fromiter(self._times.values(), np.float64, len(kept))

    def are_settled(self, table: ConnectionTable) -> BoolArray:
        """
        Which connections were handled and have not changed since: keepalive is still on, and its
        timer does not run for longer than the keepalive time.
        """
        if not len(self._cookies):
            return np.zeros(len(table), np.bool_)
        index = np.searchsorted(self._cookies, table.cookie)
        index = np.minimum(index, len(self._cookies) - 1)
        known = self._cookies[index] == table.cookie
        seconds = self._seconds[index]
        answered = (table.timer == Timer.KEEPALIVE) & (table.unanswered == 0)
        later = answered & (table.expires > seconds * (1 + TIMER_LATENESS) + TICK)
        off = (table.timer == Timer.NONE) & np.isfinite(seconds)
        settled: BoolArray = known & ~later & ~off
        return settled
