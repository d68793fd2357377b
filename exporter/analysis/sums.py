"""
Tables and their verdicts, counted: every connection exactly once in each sum.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from exporter.analysis.closure_reasons import Closures
from exporter.analysis.history_table import Rows
from exporter.analysis.observation import idle
from exporter.analysis.verdicts import Verdicts
from exporter.model import (
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

_EDGES = (60.0, 120.0, 240.0, 600.0, 3600.0)
_CLOSURE_EDGES = (240.0, 600.0)
"""Fewer, because each of their buckets makes a series per path and reason."""

PathIndices = npt.NDArray[np.int16]
"""The index of each connection's path, -1 for none."""


class ConnectionCounter:
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
            _Histograms.empty((len(self._names),), edges) for _ in range(3)
        )
        self._at_risk = 0
        self._sampled = 0

    def add(
        self, table: ConnectionTable, known: Rows, verdicts: Verdicts, path_of: PathIndices
    ) -> None:
        """
        Count every row of the table.
        """
        verdict = (path_of, verdicts.protection, verdicts.idle_state)
        self._connections += _count(verdict, self._connections.shape)
        self._timers += _count((np.minimum(table.timer, Timer.OTHER),), self._timers.shape)
        seconds = idle(known)
        told = ~np.isnan(seconds)
        self._idle.add((path_of[told],), seconds[told])
        told = ~np.isnan(known["keepalive_time"])
        self._keepalive_time.add((path_of[told],), known["keepalive_time"][told])
        visible = table.timer == Timer.KEEPALIVE
        self._expires.add((path_of[visible],), table.expires[visible])
        self._at_risk += int(verdicts.at_risk.sum())
        self._sampled += len(table)

    @property
    def at_risk(self) -> int:
        """
        How many connections at risk have been counted.
        """
        return self._at_risk

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


class ClosureCounter:
    """
    Counts closures since the exporter's start.
    """

    def __init__(self, paths: Sequence[Path], near_limit_ratio: float) -> None:
        self._names = [*(path.name for path in paths), NO_PATH]
        timeouts = [path.idle_timeout for path in paths]
        near_limits = [near_limit_ratio * timeout for timeout in timeouts]
        edges = tuple(sorted({*_CLOSURE_EDGES, *timeouts, *near_limits}))
        self._idle = _Histograms.empty((len(self._names), len(Reason)), edges)
        self._idle_drops = np.zeros((len(self._names), len(Reason)), np.int64)

    def add(self, closures: Closures, idle_drops: BoolArray, path_of: PathIndices) -> None:
        """
        Count the closures; idle_drops tells which of them are.
        """
        self._idle.add((path_of, closures.reason), closures.spell)
        drops = (path_of[idle_drops], closures.reason[idle_drops])
        self._idle_drops += _count(drops, self._idle_drops.shape)

    def continued(self, paths: Sequence[Path], near_limit_ratio: float) -> "ClosureCounter":
        """
        A counter for other paths that goes on from the counts of those of the same name.
        """
        other = ClosureCounter(paths, near_limit_ratio)
        here = [index for index, name in enumerate(self._names) if name in other._names]
        there = [other._names.index(self._names[index]) for index in here]
        other._idle.take_over(there, self._idle, here)
        other._idle_drops[there] = self._idle_drops[here]
        return other

    def sums(self, lost: int) -> ClosureSums:
        """
        What has been counted; lost is how many closures were told and missed.
        """
        return ClosureSums(
            idle={
                (name, reason): self._idle.of((index, reason))
                for index, name in enumerate(self._names)
                for reason in Reason
            },
            idle_drops={
                (name, reason): int(self._idle_drops[index, reason])
                for index, name in enumerate(self._names)
                for reason in Reason
                if name != NO_PATH and reason != Reason.NORMAL
            },
            lost=lost,
        )


def _count(
    indices: tuple[npt.NDArray[Any], ...],
    shape: tuple[int, ...],
    weights: FloatArray | None = None,
) -> npt.NDArray[Any]:
    """
    How often, or with what weight, each place of an array of that shape is named by the indices.

    Much faster than np.add.at(). An index of -1 is the last one.
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

    def take_over(self, rows: list[int], other: "_Histograms", other_rows: list[int]) -> None:
        """
        Begin with what rows of other histograms have counted, whatever their edges are.

        A value is known up to its bucket, and counts as the greatest it can have been. So what has
        been counted up to an edge that stays is exact, up to a new one the least there can be.
        """
        buckets = np.searchsorted(self.edges, [*other.edges, np.inf])
        for other_bucket, bucket in enumerate(buckets):
            self.counts[rows, ..., bucket] += other.counts[other_rows, ..., other_bucket]
        self.totals[rows] = other.totals[other_rows]

    def of(self, index: int | tuple[int, ...]) -> Histogram:
        return Histogram(self.edges, tuple(self.counts[index].tolist()), float(self.totals[index]))
