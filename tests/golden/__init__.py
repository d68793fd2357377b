"""
The complete /metrics output for a fixed snapshot; `python -m tests.golden` rewrites the file.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from prometheus_client import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from exporter.config.schema import Config
from exporter.metrics import families
from exporter.model import (
    HOST_NETNS,
    IDLE_DROP_REASONS,
    NO_PATH,
    OTHER_WORKLOADS,
    ClosureReading,
    ClosureSums,
    CollectorRun,
    ConnectionSums,
    Counters,
    Finding,
    Histogram,
    IdleBounds,
    IdleState,
    NamespaceReading,
    PathSums,
    Protection,
    Reason,
    Settings,
    Severity,
    Snapshot,
    SocketsReading,
    Timer,
    WorkloadSums,
)

FILE = Path(__file__).with_name("metrics.txt")

CONFIG = Config.model_validate(
    {
        "paths": [
            {"name": "office", "direction": "outbound", "idle_timeout": "1h", "snat_ports": 1024}
        ]
    }
)
_STATES = len(Protection) * len(IdleState)


def _sums(number: int) -> PathSums:
    """
    Sums in which every value is different.
    """
    figures = np.arange(_STATES).reshape(len(Protection), len(IdleState)) + 100 * number
    edges = (60.0, 240.0, 3600.0)
    return PathSums(
        connections=figures,
        idle=Histogram(edges, (number, 2, 3, 4), 5000.5 + number),
        keepalive_time=Histogram(edges, (0, number, 1, 0), 7200.0),
        timer_expires=Histogram(edges, (0, 0, 0, 0), 0.0),
    )


SNAPSHOT = Snapshot(
    settings={
        HOST_NETNS: Settings(
            time=1800,
            interval=30,
            probes=9,
            data_retransmissions=15,
            configured=frozenset({"time", "interval"}),
        ),
        "web": Settings(
            time=7200, interval=75, probes=9, data_retransmissions=8, configured=frozenset()
        ),
    },
    sockets=SocketsReading(
        connections=ConnectionSums(
            paths={
                name: _sums(number)
                for number, name in enumerate([*(path.name for path in CONFIG.paths), NO_PATH], 1)
            },
            timers={timer: 10 + timer for timer in Timer},
            at_risk=42,
            sampled=4711,
        ),
        busiest_destinations={"office": 812},
        namespaces={
            HOST_NETNS: NamespaceReading(
                Counters(probes_sent=1234567, timeout_aborts=89, time_wait=16), at_risk=40
            ),
            "web": NamespaceReading(
                Counters(probes_sent=3, timeout_aborts=2, time_wait=1), at_risk=2
            ),
        },
        workloads={
            "postgresql.service": WorkloadSums(connections=120, at_risk=30, stalled=4),
            "shop/cart-7c9f": WorkloadSums(connections=7, at_risk=None, stalled=None),
            OTHER_WORKLOADS: WorkloadSums(connections=3, at_risk=0, stalled=0),
        },
        idle_bounds={
            "office": IdleBounds(survived=900.5),
            "azure-outbound": IdleBounds(survived=42.5, fatal=62.5),
            "azure-inbound": IdleBounds(),
        },
        timestamp=1_700_000_000.25,
        fresh_until=45.0,
    ),
    readable_namespaces=2,
    unreadable_namespaces=5,
    runs={
        "settings": CollectorRun(success=True, duration=0.0005),
        "sockets": CollectorRun(success=False, duration=0.25),
    },
    due=45.0,
    findings=(
        Finding("KA001", Severity.CRITICAL, HOST_NETNS, "Wrong", "It is wrong.", "Correct it."),
        Finding("KA010", Severity.INFO, HOST_NETNS, "Odd", "It is odd.", "Nothing need be done."),
        Finding("KA001", Severity.CRITICAL, "web", "Wrong", "It is wrong.", "Correct it."),
    ),
)

_PATHS = [*(path.name for path in CONFIG.paths), NO_PATH]
CLOSURES = ClosureReading(
    ClosureSums(
        idle={
            (path, reason): Histogram((60.0, 240.0), (number, reason, 1), 300.5 + number)
            for number, path in enumerate(_PATHS)
            for reason in Reason
        },
        idle_drops={
            (path.name, reason): 10 + reason
            for path in CONFIG.paths
            for reason in Reason
            if reason in IDLE_DROP_REASONS
        },
        lost=3,
    ),
    CollectorRun(success=True, duration=0.002),
)


@dataclass
class _Fixed(Collector):
    families: list[Metric]

    def collect(self) -> list[Metric]:
        return self.families


def render(
    snapshot: Snapshot | None = SNAPSHOT,
    closures: ClosureReading | None = CLOSURES,
    config: Config = CONFIG,
    *,
    now: float = 0.0,
) -> str:
    """
    The exposition of a snapshot, without values that differ from host to host.
    """
    text = generate_latest(_Fixed([*families(snapshot, closures, config, now)])).decode()
    build_info, other = text.split("# HELP", maxsplit=2)[1:]
    return "# HELP".join(["", re.sub(r'(?<==")[^"]*', "...", build_info), other])
