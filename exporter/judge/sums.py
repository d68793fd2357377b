"""
Tables and their verdicts, counted: every connection exactly once in each sum.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from exporter.judge.history import Rows, idle
from exporter.judge.verdicts import Verdicts
from exporter.model import (
    NO_PATH,
    BoolArray,
    ConnectionSums,
    ConnectionTable,
    FloatArray,
    GaugeHistogram,
    IdleState,
    Path,
    PathSums,
    Protection,
    Timer,
)

_EDGES = (60.0, 120.0, 180.0, 240.0, 600.0, 3600.0)

PathIndices = npt.NDArray[np.int16]
"""The index of each connection's path, -1 for none."""


class Counter:
    """
    Counts one sample's connections, table by table.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        # NO_PATH comes last, where an index of -1 leads.
        self._names = [*(path.name for path in paths), NO_PATH]
        edges = tuple(sorted({*_EDGES, *(path.idle_timeout for path in paths)}))
        self._connections = np.zeros((len(self._names), len(Protection), len(IdleState)), np.int64)
        self._timers = np.zeros(len(Timer), np.int64)
        self._idle, self._keepalive_time, self._expires = (
            _Histograms.empty(len(self._names), edges) for _ in range(3)
        )
        self._at_risk = 0
        self._sampled = 0

    def add(
        self, table: ConnectionTable, known: Rows, verdicts: Verdicts, path_of: PathIndices
    ) -> None:
        """
        Count every row of the table.
        """
        np.add.at(self._connections, (path_of, verdicts.protection, verdicts.idle_state), 1)
        np.add.at(self._timers, np.minimum(table.timer, Timer.OTHER), 1)
        seconds = idle(known)
        self._idle.add(path_of, seconds, ~np.isnan(seconds))
        keepalive_time = known["keepalive_time"].astype(np.float64)
        self._keepalive_time.add(path_of, keepalive_time, ~np.isnan(keepalive_time))
        self._expires.add(path_of, table.expires, table.timer == Timer.KEEPALIVE)
        self._at_risk += int(verdicts.at_risk.sum())
        self._sampled += len(table)

    def sums(self) -> ConnectionSums:
        """
        What has been counted.
        """
        return ConnectionSums(
            paths={
                name: PathSums(
                    connections=self._connections[index],
                    idle=self._idle.of(index),
                    keepalive_time=self._keepalive_time.of(index),
                    timer_expires=self._expires.of(index),
                )
                for index, name in enumerate(self._names)
            },
            timers={timer: int(self._timers[timer]) for timer in Timer},
            at_risk=self._at_risk,
            sampled=self._sampled,
        )


@dataclass(frozen=True, slots=True)
class _Histograms:
    """
    A histogram for each path.
    """

    edges: tuple[float, ...]
    counts: npt.NDArray[np.int64]
    totals: FloatArray

    @classmethod
    def empty(cls, paths: int, edges: tuple[float, ...]) -> "_Histograms":
        return cls(edges, np.zeros((paths, len(edges) + 1), np.int64), np.zeros(paths))

    def add(self, path_of: PathIndices, values: FloatArray, which: BoolArray | None = None) -> None:
        if which is not None:
            path_of, values = path_of[which], values[which]
        bucket = np.searchsorted(self.edges, values)  # an edge belongs to the bucket below it
        np.add.at(self.counts, (path_of, bucket), 1)
        np.add.at(self.totals, path_of, values)

    def of(self, index: int) -> GaugeHistogram:
        return GaugeHistogram(
            self.edges, tuple(self.counts[index].tolist()), float(self.totals[index])
        )
