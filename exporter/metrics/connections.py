"""
The connections there are, and the counters of the namespaces they are in.
"""

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from exporter.metrics.shapes import Samples, counter, gauge, gauge_histogram
from exporter.model import (
    CountsReading,
    IdleState,
    NamespaceReading,
    Protection,
    SocketsReading,
    Timer,
    WorkloadSums,
)

_UNKNOWN = "unknown"


def of_counts(reading: CountsReading) -> Iterator[Metric]:
    """
    The connections there are where no more can be told of them.
    """
    by_path = reading.connections
    yield _connections({(path, _UNKNOWN, _UNKNOWN): count for path, count in by_path.items()})
    yield _sampled_sockets(sum(by_path.values()))


def of_connections(reading: SocketsReading) -> Iterator[Metric]:
    """
    Everything that one reading of the sockets tells.
    """
    sums = reading.connections
    yield _connections(
        {
            (path, protection.name.lower(), state.name.lower()): int(
                path_sums.connections[protection, state]
            )
            for path, path_sums in sums.paths.items()
            for protection in Protection
            for state in IdleState
        }
    )
    yield gauge(
        "at_risk_connections",
        "Connections near or over the path's idle timeout with protection none or late.",
        ("netns",),
        {(netns,): each.at_risk for netns, each in reading.namespaces.items()},
    )
    if reading.workloads is not None:
        yield from _of_workloads(reading.workloads)
    time_wait = sum(each.counters.time_wait for each in reading.namespaces.values())
    yield gauge(
        "connection_timers",
        "ESTABLISHED and CLOSE_WAIT connections by the timer the kernel reports for them, and the"
        " sockets closed that it keeps for TIME_WAIT, some of them in FIN_WAIT2 still.",
        ("timer",),
        {
            (timer.name.lower(),): number
            for timer, number in (sums.timers | {Timer.TIME_WAIT: time_wait}).items()
        },
    )
    yield gauge_histogram(
        "connection_idle_seconds",
        "How long the connections have been idle now: since the last segment either way.",
        ("path",),
        {(path,): path_sums.idle for path, path_sums in sums.paths.items()},
    )
    yield gauge_histogram(
        "connection_keepalive_time_seconds",
        "Idle time after which the connections with keepalive really send their first probe, where"
        " anything is known of it; at least that long until a re-armed timer has told exactly.",
        ("path",),
        {(path,): path_sums.keepalive_time for path, path_sums in sums.paths.items()},
    )
    yield gauge_histogram(
        "timer_expires_seconds",
        "Time to the next check of the connections' keepalive timers, which sends a probe only if"
        " the connection has been idle for its keepalive time.",
        ("path",),
        {(path,): path_sums.timer_expires for path, path_sums in sums.paths.items()},
    )
    yield _sampled_sockets(sums.sampled)
    yield from _of_counters(reading.namespaces)


def _connections(samples: Samples) -> Metric:
    return gauge(
        "connections",
        "ESTABLISHED and CLOSE_WAIT connections, each counted once, by the path they cross (none:"
        " no path), by what will refresh its mapping in time, and by how near the timeout is.",
        ("path", "protection", "idle_state"),
        samples,
    )


def _sampled_sockets(count: int) -> Metric:
    return gauge(
        "sampled_sockets",
        "ESTABLISHED and CLOSE_WAIT sockets that the last sample read.",
        (),
        {(): count},
    )


def _of_counters(namespaces: dict[str, NamespaceReading]) -> Iterator[Metric]:
    yield counter(
        "probes_sent",
        "Keepalive probes the namespace has sent (TcpExt TCPKeepAlive).",
        ("netns",),
        {(netns,): each.counters.probes_sent for netns, each in namespaces.items()},
    )
    yield counter(
        "timeout_aborts",
        "Connections the kernel gave up because nothing was answered any more: keepalive,"
        " retransmission and connecting alike (TcpExt TCPAbortOnTimeout).",
        ("netns",),
        {(netns,): each.counters.timeout_aborts for netns, each in namespaces.items()},
    )


def _of_workloads(workloads: dict[str, WorkloadSums]) -> Iterator[Metric]:
    yield gauge(
        "workload_connections",
        "ESTABLISHED and CLOSE_WAIT connections by what owns them: systemd unit, container, pod or"
        " user, by their cgroup. (other): those without a series of their own.",
        ("workload",),
        {(name,): sums.connections for name, sums in workloads.items()},
    )
    yield gauge(
        "workload_at_risk_connections",
        "Those of the workload's connections that are at risk; absent while none has ever been.",
        ("workload",),
        {(name,): sums.at_risk for name, sums in workloads.items()},
    )
