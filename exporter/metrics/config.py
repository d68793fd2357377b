"""
What is configured.
"""

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from exporter.config.schema import Config
from exporter.metrics.shapes import gauge


def of_config(config: Config) -> Iterator[Metric]:
    """
    The recommended settings and the paths' timeouts.
    """
    yield gauge(
        "recommended_time_seconds",
        "Recommended idle time before the first keepalive probe.",
        (),
        {(): config.recommended.time},
    )
    yield gauge(
        "recommended_interval_seconds",
        "Recommended time between keepalive probes.",
        (),
        {(): config.recommended.interval},
    )
    yield gauge(
        "recommended_probes",
        "Recommended number of unanswered keepalive probes that end a connection.",
        (),
        {(): config.recommended.probes},
    )
    yield gauge(
        "path_idle_timeout_seconds",
        "How long a connection may be idle before the path forgets it, as configured.",
        ("path", "direction"),
        {(path.name, path.direction): path.idle_timeout for path in config.paths},
    )
