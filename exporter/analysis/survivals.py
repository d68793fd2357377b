"""
Idle spells that connections have survived.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from exporter.analysis.history_table import HistoryTable
from exporter.analysis.sums import PathIndices
from exporter.model import FloatArray, IntArray, Path

EDGES = 1.05 ** np.arange(235)
"""Seconds, from 1 s to a day. The length of a spell is the index of the last edge that it reaches.
"""
LENGTHS = len(EDGES) - 1
_SLACK = 0.1
"""Error of reading times and ages in seconds."""


def length(spells: FloatArray) -> IntArray:
    """
    The lengths of spells of at least a second; a longer spell than a day counts as a day.
    """
    return np.minimum(np.searchsorted(EDGES, spells, side="right") - 1, LENGTHS - 1)


def survived(now: HistoryTable, past: HistoryTable) -> FloatArray:
    """
    The minimum idle time of each connection before it received a segment since the previous sample;
    NaN if it received none. now and past are the rows of the two samples.

    The peer's probes do not count, because an earlier probe may have refreshed the path's mapping
    and been lost after that.
    """
    received = now["segments_in"] != past["segments_in"]
    received &= ~(now["received_at"] < past["read_at"] - _SLACK)
    spells: FloatArray = np.where(received, np.fmax(past["unchanged_for"], 0.0), np.nan)
    return spells


def idle_before_answer(now: HistoryTable, past: HistoryTable, survived: FloatArray) -> FloatArray:
    """
    The survived spells, but as exact as the known idle time before a loss: up to the previous
    sample, or until a probe was due. Too long if data was sent before that probe. NaN also if the
    peer probes.
    """
    read_at, check_at = past["read_at"], past["check_at"]
    probed = (check_at > read_at) & (check_at <= now["received_at"] + _SLACK)
    spells: FloatArray = np.fmax(np.where(probed, check_at, read_at) - past["active_at"], 0.0)
    spells[np.isnan(survived) | ~np.isnan(now["peer_gap"])] = np.nan
    return spells


class Survivals:
    """
    The spells that one sample found survived, and the paths on which anything was received.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._names = [path.name for path in paths]
        self._counts = np.zeros((len(paths), LENGTHS), np.int64)
        self._receiving = np.zeros(len(paths), np.bool_)

    def add(self, path_of: PathIndices, spells: FloatArray) -> None:
        """
        Count spells returned by survived().
        """
        received = (path_of >= 0) & ~np.isnan(spells)
        self._receiving[path_of[received]] = True
        long = received & (spells >= EDGES[0])
        places = path_of[long] * LENGTHS + length(spells[long])
        counts = np.bincount(places, minlength=self._counts.size)
        self._counts += counts.reshape(self._counts.shape)

    @property
    def receiving(self) -> frozenset[str]:
        """
        The names of the paths on which anything was received.
        """
        return frozenset(self._names[index] for index in np.flatnonzero(self._receiving))

    def by_path(self) -> Iterator[tuple[str, IntArray]]:
        """
        Name and counts by length of each path with survived spells.
        """
        for index in np.flatnonzero(self._counts.any(axis=1)):
            yield self._names[index], self._counts[index]
