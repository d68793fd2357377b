"""
Sums over connections and closures. Times are in seconds.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import numpy.typing as npt

from exporter.model.connection import Reason
from exporter.model.table import Timer


@dataclass(frozen=True, slots=True)
class Histogram:
    """
    The number of values in each bucket: counts[i] at or below edges[i], the last one above all
    edges. Not cumulative.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    total: float


@dataclass(frozen=True, slots=True)
class PathSums:
    """
    The sums of one path's connections.

    connections is indexed by Protection and IdleState. The histograms are in seconds.
    """

    connections: npt.NDArray[np.int64]
    idle: Histogram
    keepalive_time: Histogram
    timer_expires: Histogram


@dataclass(frozen=True, slots=True)
class ConnectionSums:
    """
    The sums of all connections of one sample, by path name (including NO_PATH) and by timer.
    """

    paths: dict[str, PathSums]
    timers: dict[Timer, int]
    at_risk: int
    sampled: int


@dataclass(frozen=True, slots=True)
class ClosureSums:
    """
    The sums of all closures since the exporter's start, by path name and reason.

    idle has the idle spells before the closure in seconds; lost is the number of lost events.
    """

    idle: dict[tuple[str, Reason], Histogram]
    idle_drops: dict[tuple[str, Reason], int]
    lost: int


@dataclass(frozen=True, slots=True)
class StaleTimers:
    """
    The number of connections whose keepalive time is longer than their namespace's setting.

    late: those whose probes are too late for their path. harmless: the others.
    """

    late: int = 0
    harmless: int = 0

    def __add__(self, other: Self) -> Self:
        return type(self)(self.late + other.late, self.harmless + other.harmless)


@dataclass(frozen=True, slots=True)
class Exposure:
    """
    The number of a namespace's connections that its keepalive settings concern.

    dependent: those with keepalive on and, as far as known, without their own times. by_path: those
    that are dependent or at risk, by path name; no other path has any.
    """

    dependent: int = 0
    by_path: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: Self) -> Self:
        by_path = Counter(self.by_path)
        by_path.update(other.by_path)
        return type(self)(self.dependent + other.dependent, by_path)


@dataclass(frozen=True, slots=True)
class WorkloadSums:
    """
    The sums of one workload's connections. at_risk and stalled (hanging) are None until it has had
    one.
    """

    connections: int
    at_risk: int | None
    stalled: int | None


@dataclass(frozen=True, slots=True)
class IdleBounds:
    """
    Bounds of a path's real idle timeout in seconds; None means unknown.

    survived is a lower bound of the longest idle spell survived. fatal is an upper bound of the
    shortest longer spell that was fatal. mixed: spells longer than the configured timeout were
    fatal to some connections, but others survived longer spells.
    """

    survived: float | None = None
    fatal: float | None = None
    mixed: bool = False


@dataclass(frozen=True, slots=True)
class UnexplainedLosses:
    """
    Connections lost after idle spells that no configured path explains.

    The spells were between at_least and at_most seconds; every peer's connections have survived
    spells of up to `survived` seconds.
    """

    number: int
    at_least: float
    at_most: float
    survived: float
