"""
Metric families, built from a snapshot for every scrape.
"""

import platform
from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from exporter import __version__
from exporter.config.schema import Config
from exporter.metrics.closures import of_bounds, of_closures
from exporter.metrics.collectors import of_collectors
from exporter.metrics.connections import of_connections, of_counts
from exporter.metrics.settings import of_config, of_findings, of_settings
from exporter.metrics.shapes import gauge
from exporter.model import ClosureReading, Snapshot, SocketsReading


def families(
    snapshot: Snapshot | None, closures: ClosureReading | None, config: Config, now: float
) -> Iterator[Metric]:
    """
    Every family with a current value; now is seconds on the clock since_boot().

    Values that could not be read or are too old are absent.
    """
    yield gauge(
        "exporter_build_info",
        "Always 1, labeled with exporter version, Python version and platform.",
        ("version", "python_version", "platform"),
        {(__version__, platform.python_version(), platform.system().lower()): 1},
    )
    yield from of_config(config)
    yield from of_collectors(snapshot, closures, now)
    if closures is not None:
        yield from of_closures(closures.sums)
    if snapshot is None:
        return
    if snapshot.settings:
        yield from of_settings(snapshot.settings, config)
        yield from of_findings(snapshot.findings)
    reading = snapshot.sockets or snapshot.counts
    if reading is not None:
        yield gauge(
            "sample_timestamp_seconds",
            "Unix time of the last socket sample in seconds.",
            (),
            {(): reading.timestamp},
        )
        if now > reading.fresh_until:
            return
        if isinstance(reading, SocketsReading):
            yield from of_connections(reading)
            yield from of_bounds(reading.idle_bounds)
        else:
            yield from of_counts(reading)
