"""
The settings of each network namespace, the findings, and the exporter's configuration.
"""

from collections.abc import Iterable, Iterator

from prometheus_client.metrics_core import Metric

from exporter.analysis.coverage import dead_peer_detection, probes_before_timeout, protects
from exporter.config.schema import Config
from exporter.metrics.shapes import gauge
from exporter.model import Finding, Platform, Settings
from exporter.text.documentation import documentation

_NAMES = ("time", "interval", "probes")

ByNetns = dict[str, Settings]


def of_settings(settings: ByNetns, config: Config) -> Iterator[Metric]:
    """
    The settings, and the values derived from them; unknown values are absent.
    """
    yield from _values(settings)
    yield from _derived(settings, config)


def _values(settings: ByNetns) -> Iterator[Metric]:
    yield gauge(
        "time_seconds",
        "Idle time before the first keepalive probe in seconds, exported unmodified"
        " (net.ipv4.tcp_keepalive_time on Linux, KeepAliveTime on Windows).",
        ("netns",),
        {(netns,): each.time for netns, each in settings.items()},
    )
    yield gauge(
        "interval_seconds",
        "Time between keepalive probes in seconds, exported unmodified"
        " (net.ipv4.tcp_keepalive_intvl on Linux, KeepAliveInterval on Windows).",
        ("netns",),
        {(netns,): each.interval for netns, each in settings.items()},
    )
    yield gauge(
        "probes",
        "Unanswered keepalive probes after which a connection is closed"
        " (net.ipv4.tcp_keepalive_probes on Linux, always 10 on Windows).",
        ("netns",),
        {(netns,): each.probes for netns, each in settings.items()},
    )
    yield gauge(
        "data_retransmissions",
        "Unanswered data retransmissions after which a connection is closed (net.ipv4.tcp_retries2"
        " on Linux, TcpMaxDataRetransmissions on Windows).",
        ("netns",),
        {(netns,): each.data_retransmissions for netns, each in settings.items()},
    )
    yield gauge(
        "setting_configured",
        "1 if the setting has been changed from the operating system's default, otherwise 0.",
        ("netns", "setting"),
        {
            (netns, name): name in each.configured
            for netns, each in settings.items()
            for name in _NAMES
            if getattr(each, name) is not None
        },
    )


def _derived(settings: ByNetns, config: Config) -> Iterator[Metric]:
    yield gauge(
        "setting_matches_recommended",
        "1 if the setting equals the recommended value, otherwise 0. No series for probes on"
        " Windows, which cannot be set.",
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
        "Time in seconds until an idle connection with keepalive detects a vanished peer:"
        " time + interval x probes; +Inf if never.",
        ("netns",),
        {(netns,): dead_peer_detection(each) for netns, each in settings.items()},
    )
    yield gauge(
        "path_protected",
        "1 if the settings send the first and all later keepalive probes before the path's idle"
        " timeout, otherwise 0. Applies to connections that enable keepalive without their own"
        " times.",
        ("netns", "path"),
        {
            (netns, path.name): protects(each, path.idle_timeout)
            for netns, each in settings.items()
            for path in config.paths
        },
    )
    yield gauge(
        "path_probes_before_timeout",
        "Number of keepalive probes that the settings send before the path's idle timeout.",
        ("netns", "path"),
        {
            (netns, path.name): probes_before_timeout(each, path.idle_timeout)
            for netns, each in settings.items()
            for path in config.paths
        },
    )


def of_config(config: Config) -> Iterator[Metric]:
    """
    The profile, the recommended settings, and the paths' timeouts and ports.
    """
    chosen = config.chosen_profile
    yield gauge(
        "profile_info",
        "Always 1, labeled with the profile in force (several separated by commas), its source"
        " (config, detected, default) and the detected cloud.",
        ("profile", "source", "cloud"),
        {(chosen.label, chosen.source, chosen.cloud.cloud): 1},
    )
    yield gauge(
        "recommended_time_seconds",
        "Recommended idle time before the first keepalive probe in seconds.",
        (),
        {(): config.recommended.time},
    )
    yield gauge(
        "recommended_interval_seconds",
        "Recommended time between keepalive probes in seconds.",
        (),
        {(): config.recommended.interval},
    )
    yield gauge(
        "recommended_probes",
        "Recommended number of unanswered keepalive probes after which a connection is closed.",
        (),
        {(): config.recommended.probes},
    )
    yield gauge(
        "path_idle_timeout_seconds",
        "Configured idle timeout of the path in seconds.",
        ("path", "direction"),
        {(path.name, path.direction): path.idle_timeout for path in config.paths},
    )
    yield gauge(
        "path_snat_ports",
        "Configured number of SNAT ports that this host has on the path for each remote address and"
        " port. No series for paths where it is not configured.",
        ("path",),
        {(path.name,): path.snat_ports for path in config.paths},
    )


def of_findings(findings: Iterable[Finding]) -> Iterator[Metric]:
    """
    The findings by id; `check` and the documentation explain them.
    """
    yield gauge(
        "finding",
        "1 while the finding applies to the namespace, absent otherwise. The ids are described in"
        f" {documentation('findings.md')}.",
        ("id", "severity", "netns"),
        {(each.id, each.severity, each.netns): 1 for each in findings},
    )
