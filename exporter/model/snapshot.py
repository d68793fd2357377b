"""
What a sample found. Times are seconds.
"""

from dataclasses import dataclass, field

from exporter.model.settings import Finding, Settings
from exporter.model.sums import ClosureSums, ConnectionSums, IdleBounds, StaleTimers, WorkloadSums


@dataclass(frozen=True, slots=True)
class Counters:
    """
    TCP counters of one network namespace, and its TIME_WAIT sockets, from /proc/net.
    """

    probes_sent: int
    timeout_aborts: int
    time_wait: int


@dataclass(frozen=True, slots=True)
class CollectorRun:
    """
    How a collector's latest attempt went, and how long it took in seconds.
    """

    success: bool
    duration: float


@dataclass(frozen=True, slots=True)
class ClosureReading:
    """
    What the watcher of closures has counted, and how it fares.
    """

    sums: ClosureSums
    run: CollectorRun


@dataclass(frozen=True, slots=True)
class NamespaceReading:
    """
    What one reading of the sockets found of a single network namespace.
    """

    counters: Counters
    at_risk: int
    stale_timers: StaleTimers = field(default_factory=StaleTimers)


@dataclass(frozen=True, slots=True)
class SocketsReading:
    """
    What one successful reading of the sockets found.

    connections are those of all namespaces together; namespaces is keyed by the netns label,
    HOST_NETNS first. workloads is keyed by the workload label; None where they are not known.
    idle_bounds are keyed by path name. timestamp is when, in seconds since 1970; fresh_until, on
    the monotonic clock, is when it is too old to be shown.
    """

    connections: ConnectionSums
    namespaces: dict[str, NamespaceReading]
    workloads: dict[str, WorkloadSums] | None
    idle_bounds: dict[str, IdleBounds]
    timestamp: float
    fresh_until: float


@dataclass(frozen=True, slots=True)
class CountsReading:
    """
    What one successful reading of the sockets found where only their number can be known.

    connections are by path name, NO_PATH among them; the times are as in SocketsReading.
    """

    connections: dict[str, int]
    timestamp: float
    fresh_until: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """
    Everything one sample found.

    settings are keyed by the netns label, HOST_NETNS first; there are none where nobody reads them.
    sockets is the last successful reading, which may be of an earlier sample; runs is keyed by
    collector name; due, on the monotonic clock, is when a newer snapshot should be there. findings
    are of all namespaces, in the order of settings, the most severe of each first. counts stands
    for sockets where there is no Linux.
    """

    settings: dict[str, Settings]
    sockets: SocketsReading | None
    readable_namespaces: int
    unreadable_namespaces: int
    runs: dict[str, CollectorRun]
    due: float
    findings: tuple[Finding, ...] = ()
    counts: CountsReading | None = None
