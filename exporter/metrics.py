"""
A snapshot in, metric families out, built afresh for every scrape.
"""

import platform
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeHistogramMetricFamily,
    GaugeMetricFamily,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.utils import floatToGoString

from exporter import __version__
from exporter.config import Config
from exporter.judge.settings import dead_peer_detection, probes_before_timeout, protects
from exporter.model import (
    HOST_NETNS,
    Counters,
    GaugeHistogram,
    IdleState,
    Protection,
    Settings,
    Snapshot,
    SocketsReading,
    Timer,
)

_PREFIX = "tcp_keepalive_"
_SETTINGS = ("time", "interval", "probes")

Samples = dict[tuple[str, ...], float | None]
"""Values by label values; None where a value is not known, which makes no series."""


def families(snapshot: Snapshot | None, config: Config, now: float) -> Iterator[Metric]:
    """
    Every family that can be told at the moment; now is seconds on the monotonic clock.

    What could not be read is absent, and so is what was read too long ago.
    """
    yield _gauge(
        "exporter_build_info",
        "Always 1; the labels say which exporter runs, and on what.",
        ("version", "python_version", "platform"),
        {(__version__, platform.python_version(), platform.system().lower()): 1},
    )
    yield from _of_config(config)
    if snapshot is None:
        return
    yield from _of_collectors(snapshot, now)
    if snapshot.settings is not None:
        yield from _of_settings(snapshot.settings)
        yield from _of_settings_judged(snapshot.settings, config)
    if snapshot.sockets is not None:
        yield _gauge(
            "sample_timestamp_seconds",
            "When the sockets were last read, in seconds since 1970.",
            (),
            {(): snapshot.sockets.timestamp},
        )
        if now <= snapshot.sockets.fresh_until:
            yield from _of_connections(snapshot.sockets)
            yield from _of_counters(snapshot.sockets.counters)


def _of_config(config: Config) -> Iterator[Metric]:
    yield _gauge(
        "recommended_time_seconds",
        "Recommended idle time before the first keepalive probe.",
        (),
        {(): config.recommended.time},
    )
    yield _gauge(
        "recommended_interval_seconds",
        "Recommended time between keepalive probes.",
        (),
        {(): config.recommended.interval},
    )
    yield _gauge(
        "recommended_probes",
        "Recommended number of unanswered keepalive probes that end a connection.",
        (),
        {(): config.recommended.probes},
    )
    yield _gauge(
        "path_idle_timeout_seconds",
        "How long a connection may be idle before the path forgets it, as configured.",
        ("path", "direction"),
        {(path.name, path.direction): path.idle_timeout for path in config.paths},
    )


def _of_collectors(snapshot: Snapshot, now: float) -> Iterator[Metric]:
    yield _gauge(
        "collector_success",
        "1 if the collector's latest attempt worked and is not overdue, else 0.",
        ("collector",),
        {(name,): run.success and now <= snapshot.due for name, run in snapshot.runs.items()},
    )
    yield _gauge(
        "collector_duration_seconds",
        "How long the collector's latest attempt took.",
        ("collector",),
        {(name,): run.duration for name, run in snapshot.runs.items()},
    )
    readable = int(any(run.success for run in snapshot.runs.values()))
    yield _gauge(
        "namespaces",
        "Network namespaces found, by whether the exporter can read them.",
        ("readable",),
        {("true",): readable, ("false",): 1 - readable},
    )


def _of_settings(settings: Settings) -> Iterator[Metric]:
    yield _gauge(
        "time_seconds",
        "Idle time before the first keepalive probe, as the kernel has it, odd values included.",
        ("netns",),
        {(HOST_NETNS,): settings.time},
    )
    yield _gauge(
        "interval_seconds",
        "Time between keepalive probes, as the kernel has it, odd values included.",
        ("netns",),
        {(HOST_NETNS,): settings.interval},
    )
    yield _gauge(
        "probes",
        "Unanswered keepalive probes that end a connection.",
        ("netns",),
        {(HOST_NETNS,): settings.probes},
    )
    yield _gauge(
        "data_retransmissions",
        "Unanswered retransmissions of data that end a connection: tcp_retries2 on Linux.",
        ("netns",),
        {(HOST_NETNS,): settings.data_retransmissions},
    )
    yield _gauge(
        "setting_configured",
        "1 if the setting has been changed from the operating system's default, else 0.",
        ("netns", "setting"),
        {
            (HOST_NETNS, name): name in settings.configured
            for name in _SETTINGS
            if getattr(settings, name) is not None
        },
    )


def _of_settings_judged(settings: Settings, config: Config) -> Iterator[Metric]:
    yield _gauge(
        "setting_matches_recommended",
        "1 if the setting equals the recommended value, else 0.",
        ("netns", "setting"),
        {
            (HOST_NETNS, name): getattr(settings, name) == getattr(config.recommended, name)
            for name in _SETTINGS
            if getattr(settings, name) is not None
        },
    )
    yield _gauge(
        "dead_peer_detection_seconds",
        "How long a connection to a vanished peer lives, if keepalive is on and nothing is sent:"
        " time + interval x probes. +Inf if odd settings keep it alive for ever.",
        ("netns",),
        {(HOST_NETNS,): dead_peer_detection(settings)},
    )
    yield _gauge(
        "path_protected",
        "1 if the settings send the first keepalive probe before the path's idle timeout, else 0."
        " They rule connections that have keepalive on and set no times of their own.",
        ("netns", "path"),
        {(HOST_NETNS, path.name): protects(settings, path.idle_timeout) for path in config.paths},
    )
    yield _gauge(
        "path_probes_before_timeout",
        "How many keepalive probes the settings send before the path's idle timeout.",
        ("netns", "path"),
        {
            (HOST_NETNS, path.name): probes_before_timeout(settings, path.idle_timeout)
            for path in config.paths
        },
    )


def _of_connections(reading: SocketsReading) -> Iterator[Metric]:
    sums = reading.connections
    yield _gauge(
        "connections",
        "ESTABLISHED and CLOSE_WAIT connections, each counted once, by the path they cross (none:"
        " no path), by what will refresh its mapping in time, and by how near the timeout is.",
        ("path", "protection", "idle_state"),
        {
            (path, protection.name.lower(), state.name.lower()): int(
                path_sums.connections[protection, state]
            )
            for path, path_sums in sums.paths.items()
            for protection in Protection
            for state in IdleState
        },
    )
    yield _gauge(
        "at_risk_connections",
        "Connections near or over the path's idle timeout with protection none or late.",
        ("netns",),
        {(HOST_NETNS,): sums.at_risk},
    )
    yield _gauge(
        "connection_timers",
        "ESTABLISHED and CLOSE_WAIT connections by the timer the kernel reports for them, and the"
        " sockets closed that it keeps for TIME_WAIT, some of them in FIN_WAIT2 still.",
        ("timer",),
        {
            (timer.name.lower(),): number
            for timer, number in (
                sums.timers | {Timer.TIME_WAIT: reading.counters.time_wait}
            ).items()
        },
    )
    yield _histogram(
        "connection_idle_seconds",
        "How long the connections have been idle now: since the last segment either way.",
        {path: path_sums.idle for path, path_sums in sums.paths.items()},
    )
    yield _histogram(
        "connection_keepalive_time_seconds",
        "Idle time after which the connections with keepalive really send their first probe, where"
        " anything is known of it; at least that long until a re-armed timer has told exactly.",
        {path: path_sums.keepalive_time for path, path_sums in sums.paths.items()},
    )
    yield _histogram(
        "timer_expires_seconds",
        "Time to the next check of the connections' keepalive timers, which sends a probe only if"
        " the connection has been idle for its keepalive time.",
        {path: path_sums.timer_expires for path, path_sums in sums.paths.items()},
    )
    yield _gauge(
        "sampled_sockets",
        "ESTABLISHED and CLOSE_WAIT sockets that the last sample read.",
        (),
        {(): sums.sampled},
    )


def _of_counters(counters: Counters) -> Iterator[Metric]:
    yield _counter(
        "probes_sent",
        "Keepalive probes the namespace has sent (TcpExt TCPKeepAlive).",
        ("netns",),
        {(HOST_NETNS,): counters.probes_sent},
    )
    yield _counter(
        "timeout_aborts",
        "Connections the kernel gave up because nothing was answered any more: keepalive,"
        " retransmission and connecting alike (TcpExt TCPAbortOnTimeout).",
        ("netns",),
        {(HOST_NETNS,): counters.timeout_aborts},
    )


def _gauge(name: str, help_text: str, labels: tuple[str, ...], samples: Samples) -> Metric:
    return _filled(GaugeMetricFamily(_PREFIX + name, help_text, labels=labels), samples)


def _counter(name: str, help_text: str, labels: tuple[str, ...], samples: Samples) -> Metric:
    return _filled(CounterMetricFamily(_PREFIX + name, help_text, labels=labels), samples)


def _filled(family: GaugeMetricFamily | CounterMetricFamily, samples: Samples) -> Metric:
    for labels, value in samples.items():
        if value is not None:
            family.add_metric(labels, value)
    return family


def _histogram(name: str, help_text: str, by_path: dict[str, GaugeHistogram]) -> Metric:
    family = GaugeHistogramMetricFamily(_PREFIX + name, help_text, labels=("path",))
    for path, histogram in by_path.items():
        edges = [*map(floatToGoString, histogram.edges), "+Inf"]
        buckets = list(zip(edges, accumulate(histogram.counts), strict=True))
        family.add_metric((path,), buckets, histogram.total)
    return family
