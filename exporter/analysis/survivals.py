"""
Idle spells that connections have survived.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from exporter.analysis.history_table import Rows
from exporter.analysis.sums import PathIndices
from exporter.model import FloatArray, IntArray, Path

EDGES = 1.05 ** np.arange(235)
"""Seconds, from 1 s to a day: a spell's length is the index of the last edge that it reaches."""
LENGTHS = len(EDGES) - 1
_SLACK = 0.1
"""Seconds by which reading times and ages may be off."""


def length(spells: FloatArray) -> IntArray:
    """
    The lengths of spells of at least a second; what is longer than a day counts as a day.
    """
    return np.minimum(np.searchsorted(EDGES, spells, side="right") - 1, LENGTHS - 1)


def survived(now: Rows, past: Rows) -> FloatArray:
    """
    How long each connection had been idle, at least, when it received something since the sample
    before; NaN for those that received nothing. The rows are those of the two samples.

    The peer's probes do not count: another may have been lost before, after it had refreshed the
    path's mapping.
    """
    received = now["segments_in"] != past["segments_in"]
    received &= ~(now["received_at"] < past["read_at"] - _SLACK)
    spells: FloatArray = np.where(received, np.fmax(past["still"], 0.0), np.nan)
    return spells


class Survivals:
    """
    The spells that one sample has found survived, and the paths on which anything was received.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._names = [path.name for path in paths]
        self._counts = np.zeros((len(paths), LENGTHS), np.int64)
        self._heard = np.zeros(len(paths), np.bool_)

    def add(self, path_of: PathIndices, spells: FloatArray) -> None:
        """
        Count spells as survived() tells them.
        """
        heard = (path_of >= 0) & ~np.isnan(spells)
        self._heard[path_of[heard]] = True
        long = heard & (spells >= EDGES[0])
        places = path_of[long] * LENGTHS + length(spells[long])
        counts = np.bincount(places, minlength=self._counts.size)
        self._counts += counts.reshape(self._counts.shape)

    @property
    def heard(self) -> frozenset[str]:
        """
        The names of the paths on which anything was received.
        """
        return frozenset(self._names[index] for index in np.flatnonzero(self._heard))

    def by_path(self) -> Iterator[tuple[str, IntArray]]:
        """
        Name and counts by length of each path that has any.
        """
        for index in np.flatnonzero(self._counts.any(axis=1)):
            yield self._names[index], self._counts[index]
