"""
Bounds of each path's real idle timeout, from the traffic of the last day.

Errors are on the safe side: a survived spell counts as shorter than it was, a fatal one as longer.
A single spell proves nothing. If a peer's probe was lost between the NAT and this host, the spell
was shorter than observed; and a reset may have been sent by a server.
"""

import threading
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from exporter.analysis.closure_reasons import ClosureVerdicts
from exporter.analysis.sums import PathIndices
from exporter.analysis.survivals import EDGES, LENGTHS, Survivals, length
from exporter.model import AddressArray, BoolArray, IdleBounds, IntArray, Path, Reason

_HOURS, _HOUR, _MINUTE = 24, 3600.0, 60.0
_BITS = 64
_AGREE = 3
"""Minimum number of spells, survived or fatal, for a bound."""
_REMOTES, _OCCASIONS = 2, 3
"""Fatal spells must have this many remote addresses, or end in this many different minutes, because
a single server may have crashed."""

Bits = npt.NDArray[np.uint64]


class Evidence:
    """
    The idle spells of the last day, by path. Thread-safe; now is on the monotonic clock.
    """

    def __init__(self) -> None:
        self._spells: defaultdict[str, _Spells] = defaultdict(_Spells)
        self._receiving: frozenset[str] = frozenset()
        self._lock = threading.Lock()

    def note_sample(self, survivals: Survivals, now: float) -> None:
        """
        Add the spells that a sample found survived.
        """
        with self._lock:
            self._receiving = survivals.receiving
            for name, counts in survivals.by_path():
                spells = self._spells[name]
                spells.survived[spells.row(now)] += counts

    def note_closures(
        self,
        closures: ClosureVerdicts,
        remote: AddressArray,
        path_of: PathIndices,
        paths: Sequence[Path],
        now: float,
    ) -> None:
        """
        Add closed connections; path_of has the index of each one's path, -1 for none.

        Timeouts on a path on which nothing was received since the previous sample are attributed to
        an outage, and not counted.
        """
        answered = closures.survived >= EDGES[0]
        lost = (closures.fatal >= EDGES[0]) & (closures.fatal < EDGES[-1])
        relevant = (answered | lost) & (path_of >= 0)
        for index in set(path_of[relevant].tolist()):
            here = path_of == index
            with self._lock:
                works = paths[index].name in self._receiving
                fatal = lost & here & (works | (closures.reason == Reason.RESET))
                spells = self._spells[paths[index].name]
                row = spells.row(now)
                np.add.at(spells.survived[row], length(closures.survived[answered & here]), 1)
                lengths = length(closures.fatal[fatal])
                np.add.at(spells.fatal[row], lengths, 1)
                np.bitwise_or.at(spells.remotes[row], lengths, _bit(remote[fatal]))
                minute = np.uint64(now // _MINUTE % _BITS)
                np.bitwise_or.at(spells.minutes[row], lengths, np.uint64(1) << minute)

    def bounds(self, path: Path, now: float) -> IdleBounds:
        """
        The bounds of the path's idle timeout.
        """
        with self._lock:
            if path.name not in self._spells:
                return IdleBounds()
            survived, fatal = self._spells[path.name].of_last_day(now)
        at_least = survived[::-1].cumsum()[::-1]  # number of spells of each length or longer
        reached = np.flatnonzero(at_least >= _AGREE)
        longest = int(reached[-1]) if len(reached) else None
        above = longest or 0
        shortest = fatal.where_agreed(slice(above, None))
        configured = int(np.searchsorted(EDGES, path.idle_timeout))
        outlived = slice(configured, max(configured, above))
        return IdleBounds(
            survived=None if longest is None else float(EDGES[longest]),
            fatal=None if shortest is None else float(EDGES[above + shortest + 1]),
            mixed=fatal.where_agreed(outlived) is not None,
        )


class _Spells:
    """
    The counts of one path's spells: a row for each hour of the day, a column for each length.

    remotes has a bit for each remote address, minutes for each minute; several may share a bit.
    """

    def __init__(self) -> None:
        self._hour = np.full(_HOURS, -_HOURS)
        self.survived, self.fatal = np.zeros((2, _HOURS, LENGTHS), np.int64)
        self.remotes, self.minutes = np.zeros((2, _HOURS, LENGTHS), np.uint64)

    def row(self, now: float) -> int:
        """
        The row of the current hour, cleared at the start of the hour.
        """
        hour = int(now // _HOUR)
        row = hour % _HOURS
        if self._hour[row] != hour:
            self._hour[row] = hour
            for column in (self.survived, self.fatal, self.remotes, self.minutes):
                column[row] = 0
        return row

    def of_last_day(self, now: float) -> tuple[IntArray, "_FatalSpells"]:
        """
        The number of survived spells by length, and the fatal ones.
        """
        rows: BoolArray = self._hour > int(now // _HOUR) - _HOURS
        fatal = _FatalSpells(
            self.fatal[rows].sum(axis=0),
            np.bitwise_or.reduce(self.remotes[rows], axis=0),
            np.bitwise_or.reduce(self.minutes[rows], axis=0),
        )
        return self.survived[rows].sum(axis=0), fatal


@dataclass(frozen=True, slots=True)
class _FatalSpells:
    """
    The number of fatal spells by length, and the bits of their remotes and minutes.
    """

    numbers: IntArray
    remotes: Bits
    minutes: Bits

    def where_agreed(self, lengths: slice) -> int | None:
        """
        The first of the lengths up to which enough spells were fatal; None if there is none.
        """
        several = _reaches(self.remotes[lengths], _REMOTES)
        several |= _reaches(self.minutes[lengths], _OCCASIONS)
        enough = np.flatnonzero((self.numbers[lengths].cumsum() >= _AGREE) & several)
        return int(enough[0]) if len(enough) else None


def _reaches(bits: Bits, least: int) -> BoolArray:
    """
    Whether at least this many bits are set up to each position.
    """
    up_to = np.bitwise_or.accumulate(bits).tolist()
    return np.array([each.bit_count() >= least for each in up_to], np.bool_)


def _bit(remote: AddressArray) -> Bits:
    """
    One of 64 bits per address, by Fibonacci hashing.
    """
    scattered = (remote[:, 0] ^ remote[:, 1]) * np.uint64(0x9E3779B97F4A7C15)
    return np.uint64(1) << (scattered >> np.uint64(58))
