"""
The settings of each network namespace, and what they are worth.
"""

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from exporter.analysis.coverage import dead_peer_detection, probes_before_timeout, protects
from exporter.config.schema import Config
from exporter.metrics.shapes import gauge
from exporter.model import Platform, Settings

_NAMES = ("time", "interval", "probes")

ByNetns = dict[str, Settings]


def of_settings(settings: ByNetns, config: Config) -> Iterator[Metric]:
    """
    The settings as they are, and as they are judged; a value that is not known is absent.
    """
    yield from _as_read(settings)
    yield from _as_judged(settings, config)


def _as_read(settings: ByNetns) -> Iterator[Metric]:
    yield gauge(
        "time_seconds",
        "Idle time before the first keepalive probe, as the kernel has it, odd values included.",
        ("netns",),
        {(netns,): each.time for netns, each in settings.items()},
    )
    yield gauge(
        "interval_seconds",
        "Time between keepalive probes, as the kernel has it, odd values included.",
        ("netns",),
        {(netns,): each.interval for netns, each in settings.items()},
    )
    yield gauge(
        "probes",
        "Unanswered keepalive probes that end a connection.",
        ("netns",),
        {(netns,): each.probes for netns, each in settings.items()},
    )
    yield gauge(
        "data_retransmissions",
        "Unanswered retransmissions of data that end a connection: tcp_retries2 on Linux,"
        " TcpMaxDataRetransmissions on Windows.",
        ("netns",),
        {(netns,): each.data_retransmissions for netns, each in settings.items()},
    )
    yield gauge(
        "setting_configured",
        "1 if the setting has been changed from the operating system's default, else 0.",
        ("netns", "setting"),
        {
            (netns, name): name in each.configured
            for netns, each in settings.items()
            for name in _NAMES
            if getattr(each, name) is not None
        },
    )


def _as_judged(settings: ByNetns, config: Config) -> Iterator[Metric]:
    yield gauge(
        "setting_matches_recommended",
        "1 if the setting equals the recommended value, else 0. Windows' probes cannot be set, and"
        " are left out.",
        ("netns", "setting"),
        {
            (netns, name): getattr(each, name) == getattr(config.recommended, name)
            for netns, each in settings.items()
            for name in _NAMES
            if getattr(each, name) is not None
            and not (name == "probes" and each.platform is Platform.WINDOWS)
        },
    )
    yield gauge(
        "dead_peer_detection_seconds",
        "How long a connection to a vanished peer lives, if keepalive is on and nothing is sent:"
        " time + interval x probes. +Inf if odd settings keep it alive for ever.",
        ("netns",),
        {(netns,): dead_peer_detection(each) for netns, each in settings.items()},
    )
    yield gauge(
        "path_protected",
        "1 if the settings send keepalive probes before the path's idle timeout, the first one and"
        " those after it, else 0. They rule connections that have keepalive on and set no times of"
        " their own.",
        ("netns", "path"),
        {
            (netns, path.name): protects(each, path.idle_timeout)
            for netns, each in settings.items()
            for path in config.paths
        },
    )
    yield gauge(
        "path_probes_before_timeout",
        "How many keepalive probes the settings send before the path's idle timeout.",
        ("netns", "path"),
        {
            (netns, path.name): probes_before_timeout(each, path.idle_timeout)
            for netns, each in settings.items()
            for path in config.paths
        },
    )
