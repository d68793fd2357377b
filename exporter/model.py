"""
The nouns of the project. Times are seconds; None (NaN in arrays) is "not known".
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import IntEnum, StrEnum
from typing import Self

import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
AddressArray = npt.NDArray[np.uint64]

NO_PATH = "none"
"""The `path` label of connections that cross no path."""

HOST_NETNS = "host"
"""The `netns` label of the exporter's own network namespace."""

OTHER_WORKLOADS = "(other)"
"""The `workload` label of all workloads that have none of their own."""

UNKNOWN_WORKLOAD = "(unknown)"
"""The `workload` label of connections whose workload cannot be known."""


class CollectorError(Exception):
    """
    A collector could not read what it publishes; the message says what and why.
    """


class InterruptedReadError(CollectorError):
    """
    What was read changed meanwhile and is not whole: reading again may help.
    """


class VanishedError(CollectorError):
    """
    A network namespace has ended: there is nothing left to read.
    """


class RefusedError(CollectorError):
    """
    A network namespace may not be entered; the message says what is lacking.
    """


class StrandedError(Exception):
    """
    The thread could not come back to the exporter's own network namespace: it must read no more.
    """


class Direction(StrEnum):
    """
    Whether the connection's local port is one that its namespace listens on.
    """

    INBOUND = "inbound"
    OUTBOUND = "outbound"
    ANY = "any"


class OnTimeout(StrEnum):
    """
    What a path does with a connection it has forgotten.
    """

    DROP = "drop"
    RESET = "reset"


class Platform(StrEnum):
    """
    The operating system that settings are of: the same numbers do not do the same everywhere.
    """

    LINUX = "linux"
    WINDOWS = "windows"
    MACOS = "macos"


WINDOWS_PROBES = 10
"""Since Vista this cannot be changed (Microsoft's documentation of SIO_KEEPALIVE_VALS)."""


class Severity(StrEnum):
    """
    How much a finding matters, most first.

    critical: connections are lost, or will be. warning: they may be, or something is surely not as
    it was meant. info: worth knowing; nothing need be done.
    """

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


class Protection(IntEnum):
    """
    What will refresh a path's mapping before its timeout.
    """

    OWN = 0
    LATE = 1
    PEER = 2
    NONE = 3
    UNKNOWN = 4


class IdleState(IntEnum):
    """
    How near a connection's idle time is to its path's timeout.
    """

    ACTIVE = 0
    NEAR_LIMIT = 1
    OVER_LIMIT = 2
    STALLED = 3


class Timer(IntEnum):
    """
    The timer the kernel reports for a connection (`idiag_timer`).
    """

    NONE = 0
    RETRANSMIT = 1
    KEEPALIVE = 2
    TIME_WAIT = 3
    ZERO_WINDOW = 4
    OTHER = 5


class Reason(IntEnum):
    """
    How a connection ended.
    """

    NORMAL = 0
    RESET = 1
    KEEPALIVE_TIMEOUT = 2
    RETRANSMIT_TIMEOUT = 3


class Risk(IntEnum):
    """
    How much a connection deserves a look, the worst first; each connection is exactly one of these.

    STALLED: as its idle state says. AT_RISK: as defined. UNPROTECTED: its protection is none or
    late, but it is not idle for long. UNKNOWN: its protection is. SAFE: own or peer. NO_PATH: it
    crosses none.
    """

    STALLED = 0
    AT_RISK = 1
    UNPROTECTED = 2
    UNKNOWN = 3
    SAFE = 4
    NO_PATH = 5


AT_RISK_PROTECTIONS = (Protection.LATE, Protection.NONE)
AT_RISK_IDLE_STATES = (IdleState.NEAR_LIMIT, IdleState.OVER_LIMIT)


@dataclass(frozen=True, slots=True)
class Path:
    """
    A kind of route with an idle timeout.

    remote holds CIDRs and the words public, private and any.
    """

    name: str
    direction: Direction
    remote: tuple[str, ...]
    idle_timeout: float
    on_timeout: OnTimeout


@dataclass(frozen=True, slots=True)
class Recommended:
    """
    The settings to compare with: seconds, seconds, count.
    """

    time: float = 120.0
    interval: float = 30.0
    probes: int = 8


@dataclass(frozen=True, slots=True)
class Namespace:
    """
    A network namespace: its netns label, the inode number that the kernel tells it by, and files
    that lead into it, a few of its processes' first of all.

    The exporter's own needs no way in.
    """

    name: str
    inode: int = 0
    entrances: tuple[str, ...] = ()

    @property
    def is_own(self) -> bool:
        """
        Whether it is the exporter's own.
        """
        return not self.entrances


OWN_NAMESPACE = Namespace(HOST_NETNS)


@dataclass(frozen=True, slots=True)
class Found:
    """
    The network namespaces to read, the own one first.

    passed_over says why others are not among them, and how many.
    """

    namespaces: tuple[Namespace, ...]
    passed_over: dict[str, int]


@dataclass(frozen=True, slots=True)
class Settings:
    """
    The keepalive settings of one network namespace, as the kernel has them, odd values included.

    configured names those of the four that are not the operating system's default (on Linux,
    data_retransmissions is never among them), problems says why a value is None.
    """

    time: float | None
    interval: float | None
    probes: int | None
    data_retransmissions: int | None
    configured: frozenset[str]
    problems: tuple[str, ...] = ()
    platform: Platform = Platform.LINUX


@dataclass(frozen=True, slots=True)
class Holder:
    """
    A process that holds a socket, and by which of its file descriptors.

    Its name is what it calls itself, of any characters.
    """

    pid: int
    name: str
    descriptor: int


@dataclass(frozen=True, slots=True)
class SocketOptions:
    """
    A socket's keepalive options as its own getsockopt() says; user_timeout is 0 where none is set.
    """

    keepalive: bool
    time: float
    interval: float
    probes: int
    user_timeout: float


@dataclass(frozen=True, slots=True)
class Counters:
    """
    TCP counters of one network namespace, and its TIME_WAIT sockets, from /proc/net.
    """

    probes_sent: int
    timeout_aborts: int
    time_wait: int


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


@dataclass(frozen=True, slots=True)
class NamespaceReading:
    """
    What one reading of the sockets found of a single network namespace.
    """

    counters: Counters
    at_risk: int
    stale_timers: StaleTimers = StaleTimers()


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One thing wrong with the settings of a network namespace.

    id is stable. problem is a sentence or two with the numbers in it, remedy what to do about it.
    """

    id: str
    severity: Severity
    netns: str
    title: str
    problem: str
    remedy: str

    @property
    def docs(self) -> str:
        """
        Where the documentation speaks of it.
        """
        return f"docs/findings.md#{self.id.lower()}"


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


@dataclass(frozen=True, slots=True)
class ConnectionTable:
    """
    The connections of one dump, a column each, a row per connection.

    Addresses are the two 64-bit halves of an IPv6 address, IPv4 in its mapped form. Ages and
    expires are seconds. What the kernel did not report is NaN in a float column, -1 in a signed
    one and 0 in cgroup. read_at is when the row was read, on the monotonic clock.
    """

    read_at: FloatArray
    cookie: npt.NDArray[np.uint64]
    family: npt.NDArray[np.uint8]
    state: npt.NDArray[np.uint8]
    timer: npt.NDArray[np.uint8]
    unanswered: npt.NDArray[np.uint8]
    local: AddressArray
    remote: AddressArray
    local_port: npt.NDArray[np.uint16]
    remote_port: npt.NDArray[np.uint16]
    expires: FloatArray
    receive_queue: npt.NDArray[np.uint32]
    send_queue: npt.NDArray[np.uint32]
    uid: npt.NDArray[np.uint32]
    inode: npt.NDArray[np.uint32]
    cgroup: npt.NDArray[np.uint64]
    retransmits: npt.NDArray[np.int16]
    probes: npt.NDArray[np.int16]
    backoff: npt.NDArray[np.int16]
    unacked: IntArray
    last_data_sent: FloatArray
    last_data_received: FloatArray
    last_ack_received: FloatArray
    segments_out: IntArray
    segments_in: IntArray
    bytes_acked: IntArray
    bytes_sent: IntArray
    bytes_retransmitted: IntArray

    def __len__(self) -> int:
        return len(self.cookie)

    def rows(self, which: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> Self:
        """
        The rows that which selects (a mask, or indices).
        """
        return type(self)(*(getattr(self, column.name)[which] for column in fields(self)))

    @classmethod
    def concatenate(cls, tables: Sequence[Self]) -> Self:
        """
        All rows of the tables (at least one), in their order.
        """
        return cls(
            *(
                np.concatenate([getattr(table, column.name) for table in tables])
                for column in fields(cls)
            )
        )
