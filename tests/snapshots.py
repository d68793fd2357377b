"""
A fixed snapshot with every metric family.
"""

from exporter.analysis.findings import find_all
from exporter.analysis.sums import ClosureCounter, ConnectionCounter
from exporter.collectors.sampler import COLLECTORS
from exporter.config.schema import Config
from exporter.model import (
    HOST_NETNS,
    OTHER_WORKLOADS,
    ClosureReading,
    CollectorRun,
    Counters,
    IdleBounds,
    NamespaceReading,
    Recommended,
    Settings,
    Snapshot,
    SocketsReading,
    WorkloadSums,
)

WITH_PORTS = Config.model_validate(
    {"paths": [{"name": "office", "idle_timeout": "1h", "snat_ports": 1000}]}
)
"""A configuration with which every family of the snapshot has series."""


def full_snapshot() -> Snapshot:
    """
    A host with Linux' default settings and no connections, read at time 0.
    """
    settings = Settings(
        time=7200, interval=75, probes=9, data_retransmissions=15, configured=frozenset()
    )
    by_netns = {HOST_NETNS: settings}
    counters = Counters(probes_sent=0, timeout_aborts=0, time_wait=0)
    return Snapshot(
        settings=by_netns,
        sockets=SocketsReading(
            connections=ConnectionCounter(Config().paths).sums(),
            busiest_destinations={"office": 0},
            namespaces={HOST_NETNS: NamespaceReading(counters, at_risk=0)},
            workloads={OTHER_WORKLOADS: WorkloadSums(connections=0, at_risk=0, stalled=0)},
            idle_bounds={path.name: IdleBounds(60.0, 240.0) for path in Config().paths},
            timestamp=0.0,
            fresh_until=45.0,
        ),
        readable_namespaces=1,
        unreadable_namespaces=0,
        runs={name: CollectorRun(success=True, duration=0.001) for name in COLLECTORS},
        due=45.0,
        findings=find_all(by_netns, {}, Recommended(), Config().paths),
    )


def no_closures() -> ClosureReading:
    """
    A closure reading before the first closure.
    """
    config = Config()
    counter = ClosureCounter(config.paths, config.near_limit_ratio)
    return ClosureReading(counter.sums(lost=0), CollectorRun(success=True, duration=0.0))
