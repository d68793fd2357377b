"""
What a path's real idle timeout lies between, as the traffic of the last day tells.

Every figure errs to the safe side: a spell that was survived counts as shorter than it was, a fatal
one as longer. One of either proves nothing: a peer's probe may have been lost this side of the NAT,
so that a spell only seemed so long; a reset may be a server's own.
"""

import threading
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from exporter.analysis.closure_reasons import Closures
from exporter.analysis.sums import PathIndices
from exporter.analysis.survivals import (
    EDGES,
    LENGTHS,
    Survivals,
    length,
)
from exporter.model import AddressArray, BoolArray, IdleBounds, IntArray, Path, Reason

_HOURS, _HOUR = 24, 3600.0
_AGREE = 3
"""How many spells must have been survived, or fatal, for a bound."""
_REMOTES, _OCCASIONS = 2, 3
"""Fatal ones with so many remote addresses, or in so many hours: one server may have crashed."""


class Evidence:
    """
    The idle spells of the last day, by path. Any thread may use it; now is on the monotonic clock.
    """

    def __init__(self) -> None:
        self._spells: defaultdict[str, _Spells] = defaultdict(_Spells)
        self._heard: frozenset[str] = frozenset()
        self._lock = threading.Lock()

    def note_sample(self, survivals: Survivals, now: float) -> None:
        """
        Add what a sample has found.
        """
        with self._lock:
            self._heard = survivals.heard
            for name, counts in survivals.by_path():
                spells = self._spells[name]
                spells.survived[spells.row(now)] += counts

    def note_closures(
        self,
        closures: Closures,
        remote: AddressArray,
        path_of: PathIndices,
        paths: Sequence[Path],
        now: float,
    ) -> None:
        """
        Add connections that have ended; path_of has the index of each one's path, -1 for none.

        While nothing is answered on a path at all, its connections do not die of its timeout.
        """
        answered = closures.survived >= EDGES[0]
        died = (closures.fatal >= EDGES[0]) & (closures.fatal < EDGES[-1])
        told = (answered | died) & (path_of >= 0)
        for index in set(path_of[told].tolist()):
            here = path_of == index
            with self._lock:
                works = paths[index].name in self._heard
                fatal = died & here & (works | (closures.reason == Reason.RESET))
                spells = self._spells[paths[index].name]
                row = spells.row(now)
                np.add.at(spells.survived[row], length(closures.survived[answered & here]), 1)
                lengths = length(closures.fatal[fatal])
                np.add.at(spells.fatal[row], lengths, 1)
                np.bitwise_or.at(spells.remotes[row], lengths, _bit(remote[fatal]))

    def bounds(self, path: Path, now: float) -> IdleBounds:
        """
        What the path's idle timeout lies between.
        """
        with self._lock:
            if path.name not in self._spells:
                return IdleBounds()
            survived, fatal, remotes = self._spells[path.name].of_last_day(now)
        at_least = survived[::-1].cumsum()[::-1]  # how many spells of each length or longer
        reached = np.flatnonzero(at_least >= _AGREE)
        longest = int(reached[-1]) if len(reached) else None
        above = longest or 0
        shortest = _where_agreed(fatal[:, above:], remotes[above:])
        configured = int(np.searchsorted(EDGES, path.idle_timeout))
        outlived = slice(configured, max(configured, above))
        return IdleBounds(
            survived=None if longest is None else float(EDGES[longest]),
            fatal=None if shortest is None else float(EDGES[above + shortest + 1]),
            mixed=_where_agreed(fatal[:, outlived], remotes[outlived]) is not None,
        )


class _Spells:
    """
    One path's spells, counted: a row for each hour of the day, a column for each length.

    remotes are bits, one for each remote address, or for several that share it.
    """

    def __init__(self) -> None:
        self._hour = np.full(_HOURS, -_HOURS)
        self.survived, self.fatal = np.zeros((2, _HOURS, LENGTHS), np.int64)
        self.remotes = np.zeros((_HOURS, LENGTHS), np.uint64)

    def row(self, now: float) -> int:
        """
        The present hour's, empty if the hour has just begun.
        """
        hour = int(now // _HOUR)
        row = hour % _HOURS
        if self._hour[row] != hour:
            self._hour[row] = hour
            self.survived[row] = self.fatal[row] = self.remotes[row] = 0
        return row

    def of_last_day(self, now: float) -> tuple[IntArray, IntArray, npt.NDArray[np.uint64]]:
        """
        Spells survived by length, those fatal by hour and length, and the remotes by length.
        """
        rows: BoolArray = self._hour > int(now // _HOUR) - _HOURS
        return (
            self.survived[rows].sum(axis=0),
            self.fatal[rows],
            np.bitwise_or.reduce(self.remotes[rows], axis=0),
        )


def _where_agreed(fatal: IntArray, remotes: npt.NDArray[np.uint64]) -> int | None:
    """
    The first column up to which enough spells were fatal.
    """
    by_hour = fatal.cumsum(axis=1)
    hours = (by_hour > 0).sum(axis=0)
    bits = np.bitwise_or.accumulate(remotes).tolist()
    several = np.array([each.bit_count() >= _REMOTES for each in bits], np.bool_)
    enough = np.flatnonzero((by_hour.sum(axis=0) >= _AGREE) & (several | (hours >= _OCCASIONS)))
    return int(enough[0]) if len(enough) else None


def _bit(remote: AddressArray) -> npt.NDArray[np.uint64]:
    """
    One of 64 bits for each address, by Fibonacci hashing.
    """
    scattered = (remote[:, 0] ^ remote[:, 1]) * np.uint64(0x9E3779B97F4A7C15)
    return np.uint64(1) << (scattered >> np.uint64(58))
