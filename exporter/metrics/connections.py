"""
Open connections, and the TCP counters of their namespaces.
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
    Connections where the platform allows only counting them.
    """
    by_path = reading.connections
    yield _connections({(path, _UNKNOWN, _UNKNOWN): count for path, count in by_path.items()})
    yield _sampled_sockets(sum(by_path.values()))


def of_connections(reading: SocketsReading) -> Iterator[Metric]:
    """
    All families of one socket sample.
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
            if state is not IdleState.PEER_CLOSED or protection is Protection.NONE
        }
    )
    yield gauge(
        "at_risk_connections",
        "Connections near or over their path's idle timeout with protection none or late.",
        ("netns",),
        {(netns,): each.at_risk for netns, each in reading.namespaces.items()},
    )
    yield gauge(
        "path_busiest_destination_connections",
        "ESTABLISHED and CLOSE_WAIT connections over the path to the remote address and port that"
        " has most of them. No series for paths without configured SNAT ports.",
        ("path",),
        {(path,): number for path, number in reading.busiest_destinations.items()},
    )
    if reading.workloads is not None:
        yield from _of_workloads(reading.workloads)
    time_wait = sum(each.counters.time_wait for each in reading.namespaces.values())
    yield gauge(
        "connection_timers",
        "ESTABLISHED and CLOSE_WAIT connections by their active kernel timer. time_wait: closed"
        " sockets kept for TIME_WAIT, including some still in FIN_WAIT2.",
        ("timer",),
        {
            (timer.name.lower(),): number
            for timer, number in (sums.timers | {Timer.TIME_WAIT: time_wait}).items()
        },
    )
    yield gauge_histogram(
        "connection_idle_seconds",
        "Current idle time of connections in seconds, since the last segment in either direction."
        " If stalled or unanswered: idle time before the unanswered segments.",
        ("path",),
        {(path,): path_sums.idle for path, path_sums in sums.paths.items()},
    )
    yield gauge_histogram(
        "connection_keepalive_time_seconds",
        "Observed keepalive time of connections with keepalive on, in seconds. A lower bound until"
        " the timer is re-armed; connections with unknown time are not counted.",
        ("path",),
        {(path,): path_sums.keepalive_time for path, path_sums in sums.paths.items()},
    )
    yield gauge_histogram(
        "timer_expires_seconds",
        "Time until connections' keepalive timers expire, in seconds. An expired timer sends a"
        " probe only if the connection has been idle for its keepalive time.",
        ("path",),
        {(path,): path_sums.timer_expires for path, path_sums in sums.paths.items()},
    )
    yield _sampled_sockets(sums.sampled)
    yield from _of_counters(reading.namespaces)


def _connections(samples: Samples) -> Metric:
    return gauge(
        "connections",
        "ESTABLISHED and CLOSE_WAIT connections, each counted once, by path (none: crosses no"
        " path), protection (what refreshes the path's mapping in time) and idle state.",
        ("path", "protection", "idle_state"),
        samples,
    )


def _sampled_sockets(count: int) -> Metric:
    return gauge(
        "sampled_sockets",
        "ESTABLISHED and CLOSE_WAIT sockets read by the last sample.",
        (),
        {(): count},
    )


def _of_counters(namespaces: dict[str, NamespaceReading]) -> Iterator[Metric]:
    yield counter(
        "probes_sent",
        "Keepalive probes sent in the namespace (TcpExt TCPKeepAlive).",
        ("netns",),
        {(netns,): each.counters.probes_sent for netns, each in namespaces.items()},
    )
    yield counter(
        "timeout_aborts",
        "Connections aborted by the kernel after unanswered keepalive probes, retransmissions or"
        " connection attempts (TcpExt TCPAbortOnTimeout).",
        ("netns",),
        {(netns,): each.counters.timeout_aborts for netns, each in namespaces.items()},
    )


def _of_workloads(workloads: dict[str, WorkloadSums]) -> Iterator[Metric]:
    yield gauge(
        "workload_connections",
        "ESTABLISHED and CLOSE_WAIT connections by owner: systemd unit, container, pod or user,"
        " from the cgroup. (other): all workloads without their own series.",
        ("workload",),
        {(name,): sums.connections for name, sums in workloads.items()},
    )
    yield gauge(
        "workload_at_risk_connections",
        "At-risk connections of the workload; absent until it has had one.",
        ("workload",),
        {(name,): sums.at_risk for name, sums in workloads.items()},
    )
    yield gauge(
        "workload_stalled_connections",
        "Stalled and unanswered connections of the workload; absent until it has had one.",
        ("workload",),
        {(name,): sums.stalled for name, sums in workloads.items()},
    )
