"""
Sums over tables and their verdicts: each sum counts every connection exactly once.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from exporter.analysis.closure_reasons import ClosureVerdicts
from exporter.analysis.history_table import HistoryTable
from exporter.analysis.verdicts import Verdicts, idle
from exporter.model import (
    IDLE_DROP_REASONS,
    NO_PATH,
    BoolArray,
    ClosureSums,
    ConnectionSums,
    ConnectionTable,
    FloatArray,
    Histogram,
    IdleState,
    Path,
    PathSums,
    Protection,
    Reason,
    Timer,
)
from exporter.paths.matching import deciding_paths

_EDGES = (60.0, 120.0, 600.0, 3600.0)
"""Edges in seconds besides the idle timeouts of the paths."""
_CLOSURE_EDGES = (600.0,)
"""Fewer edges, because each bucket makes one series per path and reason."""

PathIndices = npt.NDArray[np.int16]
"""The index of each connection's path, -1 for none."""


class ConnectionCounter:
    """
    Counts one sample's connections, table by table.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        # NO_PATH is last, which is the element at index -1.
        self._names = [*(path.name for path in paths), NO_PATH]
        self._counted = _counted(paths)
        edges = tuple(sorted({*_EDGES, *(path.idle_timeout for path in paths)}))
        self._connections = np.zeros((len(self._names), len(Protection), len(IdleState)), np.int64)
        self._timers = np.zeros(len(Timer), np.int64)
        self._idle, self._keepalive_time, self._expires = (
            _Histograms.empty((len(self._names),), edges) for _ in range(3)
        )
        self._at_risk = 0
        self._sampled = 0

    def add(
        self, table: ConnectionTable, known: HistoryTable, verdicts: Verdicts, path_of: PathIndices
    ) -> None:
        """
        Count every row of the table.
        """
        verdict = (path_of, verdicts.protection, verdicts.idle_state)
        self._connections += _count(verdict, self._connections.shape)
        self._timers += _count((np.minimum(table.timer, Timer.OTHER),), self._timers.shape)
        seconds = idle(known, verdicts)
        is_known = ~np.isnan(seconds)
        self._idle.add((path_of[is_known],), seconds[is_known])
        is_known = ~np.isnan(known["keepalive_time"])
        self._keepalive_time.add((path_of[is_known],), known["keepalive_time"][is_known])
        visible = table.timer == Timer.KEEPALIVE
        self._expires.add((path_of[visible],), table.expires[visible])
        self._at_risk += int(verdicts.at_risk.sum())
        self._sampled += len(table)

    def sums(self) -> ConnectionSums:
        """
        The counts so far.
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
                if name in self._counted
            },
            timers={timer: int(self._timers[timer]) for timer in Timer},
            at_risk=self._at_risk,
            sampled=self._sampled,
        )


def _counted(paths: Sequence[Path]) -> frozenset[str]:
    """
    The path names that a connection can be counted under.
    """
    return frozenset((*(path.name for path in deciding_paths(paths)), NO_PATH))


class ClosureCounter:
    """
    Counts closures since the exporter's start.
    """

    def __init__(self, paths: Sequence[Path], near_limit_ratio: float) -> None:
        self._names = [*(path.name for path in paths), NO_PATH]
        self._counted = _counted(paths)
        timeouts = [path.idle_timeout for path in paths]
        near_limits = [near_limit_ratio * timeout for timeout in timeouts]
        edges = tuple(sorted({*_CLOSURE_EDGES, *timeouts, *near_limits}))
        self._idle = _Histograms.empty((len(self._names), len(Reason)), edges)
        self._idle_drops = np.zeros((len(self._names), len(Reason)), np.int64)

    def add(self, closures: ClosureVerdicts, idle_drops: BoolArray, path_of: PathIndices) -> None:
        """
        Count the closures; idle_drops is true for those that are idle drops.
        """
        is_known = ~np.isnan(closures.spell)
        where = (path_of[is_known], closures.reason[is_known])
        self._idle.add(where, closures.spell[is_known])
        drops = (path_of[idle_drops], closures.reason[idle_drops])
        self._idle_drops += _count(drops, self._idle_drops.shape)

    def continued(self, paths: Sequence[Path], near_limit_ratio: float) -> "ClosureCounter":
        """
        A counter for other paths, which continues the counts of paths with the same name.

        With other edges, all histograms restart at 0: the past values above a new edge are unknown.
        """
        other = ClosureCounter(paths, near_limit_ratio)
        here = [index for index, name in enumerate(self._names) if name in other._names]
        there = [other._names.index(self._names[index]) for index in here]
        if other._idle.edges == self._idle.edges:
            other._idle.counts[there], other._idle.totals[there] = (
                self._idle.counts[here],
                self._idle.totals[here],
            )
        other._idle_drops[there] = self._idle_drops[here]
        return other

    def sums(self, lost: int) -> ClosureSums:
        """
        The counts so far; lost is the number of lost events.
        """
        return ClosureSums(
            idle={
                (name, reason): self._idle.of((index, reason))
                for index, name in enumerate(self._names)
                for reason in Reason
                if name in self._counted
            },
            idle_drops={
                (name, reason): int(self._idle_drops[index, reason])
                for index, name in enumerate(self._names)
                for reason in Reason
                if name in self._counted - {NO_PATH} and reason in IDLE_DROP_REASONS
            },
            lost=lost,
        )


def _count(
    indices: tuple[npt.NDArray[Any], ...],
    shape: tuple[int, ...],
    weights: FloatArray | None = None,
) -> npt.NDArray[Any]:
    """
    An array of this shape with the number of occurrences, or the sum of weights, of each index.

    Much faster than np.add.at(). An index of -1 means the last element.
    """
    places = np.ravel_multi_index(indices, shape, mode="wrap")
    return np.bincount(places, weights, minlength=math.prod(shape)).reshape(shape)


@dataclass(frozen=True, slots=True)
class _Histograms:
    """
    Histograms of seconds with the same edges, by one or more indices.
    """

    edges: tuple[float, ...]
    counts: npt.NDArray[np.int64]
    totals: FloatArray

    @classmethod
    def empty(cls, shape: tuple[int, ...], edges: tuple[float, ...]) -> "_Histograms":
        return cls(edges, np.zeros((*shape, len(edges) + 1), np.int64), np.zeros(shape))

    def add(self, indices: tuple[npt.NDArray[Any], ...], values: FloatArray) -> None:
        bucket = np.searchsorted(self.edges, values)  # an edge belongs to the bucket below it
        self.counts[...] += _count((*indices, bucket), self.counts.shape)
        self.totals[...] += _count(indices, self.totals.shape, values)

    def of(self, index: int | tuple[int, ...]) -> Histogram:
        return Histogram(self.edges, tuple(self.counts[index].tolist()), float(self.totals[index]))
