"""
The result of a sample. Times are in seconds.
"""

from dataclasses import dataclass, field

from exporter.model.settings import Finding, Settings
from exporter.model.sums import (
    ClosureSums,
    ConnectionSums,
    Exposure,
    IdleBounds,
    StaleTimers,
    UnexplainedLosses,
    WorkloadSums,
)


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
    Success of a collector's last run, and its duration in seconds.
    """

    success: bool
    duration: float


@dataclass(frozen=True, slots=True)
class ClosureReading:
    """
    The counts of the closures collector, and its state.
    """

    sums: ClosureSums
    run: CollectorRun


@dataclass(frozen=True, slots=True)
class NamespaceReading:
    """
    One reading of the sockets of a single network namespace.
    """

    counters: Counters
    at_risk: int
    stale_timers: StaleTimers = field(default_factory=StaleTimers)
    exposure: Exposure = field(default_factory=Exposure)


@dataclass(frozen=True, slots=True)
class SocketsReading:
    """
    One successful reading of the sockets.

    connections has the sums over all namespaces. busiest_destinations has the most connections to
    one remote address and port in all namespaces together, by name of each path with snat_ports.
    namespaces is keyed by netns label, HOST_NETNS first. workloads is keyed by workload label; None
    if unknown. idle_bounds and losses are keyed by path name, losses including NO_PATH. timestamp
    is the time of the reading as Unix time; after fresh_until, on the clock since_boot(), the
    reading is too old to be exported.
    """

    connections: ConnectionSums
    busiest_destinations: dict[str, int]
    namespaces: dict[str, NamespaceReading]
    workloads: dict[str, WorkloadSums] | None
    idle_bounds: dict[str, IdleBounds]
    timestamp: float
    fresh_until: float
    losses: dict[str, UnexplainedLosses] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CountsReading:
    """
    One successful reading of the sockets on a platform where they can only be counted.

    connections is keyed by path name, including NO_PATH; the times are as in SocketsReading.
    """

    connections: dict[str, int]
    timestamp: float
    fresh_until: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """
    The complete result of one sample.

    settings is keyed by netns label, HOST_NETNS first; empty without the settings collector.
    sockets is the last successful reading, possibly from an earlier sample. runs is keyed by
    collector name. due, on the clock since_boot(), is when the next snapshot is overdue. findings
    has those of all namespaces, in the order of settings, the most severe of each first. counts
    replaces sockets on platforms other than Linux.
    """

    settings: dict[str, Settings]
    sockets: SocketsReading | None
    readable_namespaces: int
    unreadable_namespaces: int
    runs: dict[str, CollectorRun]
    due: float
    findings: tuple[Finding, ...] = ()
    counts: CountsReading | None = None
