"""
Connections and closures, counted. Times are seconds.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from exporter.model.risk import Reason
from exporter.model.table import Timer


@dataclass(frozen=True, slots=True)
class Histogram:
    """
    How many values lie in each bucket: counts[i] at or below edges[i], the last one above all.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    total: float


@dataclass(frozen=True, slots=True)
class PathSums:
    """
    One path's connections, counted.

    connections is indexed by Protection and IdleState. The histograms are of seconds.
    """

    connections: npt.NDArray[np.int64]
    idle: Histogram
    keepalive_time: Histogram
    timer_expires: Histogram


@dataclass(frozen=True, slots=True)
class ConnectionSums:
    """
    All connections of one sample, counted: by path name (NO_PATH among them), and by timer.
    """

    paths: dict[str, PathSums]
    timers: dict[Timer, int]
    at_risk: int
    sampled: int


@dataclass(frozen=True, slots=True)
class ClosureSums:
    """
    All closures since the exporter's start, counted, by path name and reason.

    idle holds the spells before the end in seconds, lost is how many closures were told and missed.
    """

    idle: dict[tuple[str, Reason], Histogram]
    idle_drops: dict[tuple[str, Reason], int]
    lost: int


@dataclass(frozen=True, slots=True)
class StaleTimers:
    """
    Connections whose keepalive time is longer than their namespace's setting, counted.

    late: those of them that probe too late for their path. harmless: the others.
    """

    late: int = 0
    harmless: int = 0

    def __add__(self, other: Self) -> Self:
        return type(self)(self.late + other.late, self.harmless + other.harmless)


@dataclass(frozen=True, slots=True)
class WorkloadSums:
    """
    One workload's connections, counted. at_risk is None while none of them has ever been.
    """

    connections: int
    at_risk: int | None


@dataclass(frozen=True, slots=True)
class IdleBounds:
    """
    What a path's real idle timeout lies between, in seconds: the longest idle spell that was
    survived, at least, and the shortest longer one that was fatal, at most; None: not known.

    mixed tells that spells longer than the configured timeout were fatal to some connections, but
    that others have survived longer ones.
    """

    survived: float | None = None
    fatal: float | None = None
    mixed: bool = False
