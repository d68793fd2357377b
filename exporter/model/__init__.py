"""
The nouns of the project. Times are seconds; None (NaN in arrays) is "not known".
"""

from exporter.model.errors import (
    CollectorError,
    InterruptedReadError,
    RefusedError,
    StrandedError,
    VanishedError,
)
from exporter.model.namespace import HOST_NETNS, OWN_NAMESPACE, Found, Namespace
from exporter.model.owner import OTHER_WORKLOADS, UNKNOWN_WORKLOAD, Holder, SocketOptions
from exporter.model.path import NO_PATH, Direction, OnTimeout, Path
from exporter.model.risk import (
    AT_RISK_IDLE_STATES,
    AT_RISK_PROTECTIONS,
    IdleState,
    Protection,
    Reason,
    Risk,
)
from exporter.model.settings import (
    WINDOWS_PROBES,
    Finding,
    Platform,
    Recommended,
    Settings,
    Severity,
)
from exporter.model.snapshot import (
    ClosureReading,
    CollectorRun,
    Counters,
    CountsReading,
    NamespaceReading,
    Snapshot,
    SocketsReading,
)
from exporter.model.sums import (
    ClosureSums,
    ConnectionSums,
    Histogram,
    IdleBounds,
    PathSums,
    StaleTimers,
    WorkloadSums,
)
from exporter.model.table import (
    AddressArray,
    BoolArray,
    ConnectionTable,
    FloatArray,
    IntArray,
    Timer,
)

__all__ = [
    "AT_RISK_IDLE_STATES",
    "AT_RISK_PROTECTIONS",
    "HOST_NETNS",
    "NO_PATH",
    "OTHER_WORKLOADS",
    "OWN_NAMESPACE",
    "UNKNOWN_WORKLOAD",
    "WINDOWS_PROBES",
    "AddressArray",
    "BoolArray",
    "ClosureReading",
    "ClosureSums",
    "CollectorError",
    "CollectorRun",
    "ConnectionSums",
    "ConnectionTable",
    "Counters",
    "CountsReading",
    "Direction",
    "Finding",
    "FloatArray",
    "Found",
    "Histogram",
    "Holder",
    "IdleBounds",
    "IdleState",
    "IntArray",
    "InterruptedReadError",
    "Namespace",
    "NamespaceReading",
    "OnTimeout",
    "Path",
    "PathSums",
    "Platform",
    "Protection",
    "Reason",
    "Recommended",
    "RefusedError",
    "Risk",
    "Settings",
    "Severity",
    "Snapshot",
    "SocketOptions",
    "SocketsReading",
    "StaleTimers",
    "StrandedError",
    "Timer",
    "VanishedError",
    "WorkloadSums",
]
