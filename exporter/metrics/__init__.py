"""
A snapshot in, metric families out, built afresh for every scrape.
"""

import platform
from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from exporter import __version__
from exporter.config.schema import Config
from exporter.metrics.bounds import of_bounds
from exporter.metrics.closures import of_closures
from exporter.metrics.collectors import of_collectors
from exporter.metrics.config import of_config
from exporter.metrics.connections import of_connections, of_counts
from exporter.metrics.findings import of_findings
from exporter.metrics.settings import of_settings
from exporter.metrics.shapes import gauge
from exporter.model import ClosureReading, Snapshot, SocketsReading


def families(
    snapshot: Snapshot | None, closures: ClosureReading | None, config: Config, now: float
) -> Iterator[Metric]:
    """
    Every family that can be told at the moment; now is seconds on the monotonic clock.

    What could not be read is absent, and so is what was read too long ago.
    """
    yield gauge(
        "exporter_build_info",
        "Always 1; the labels say which exporter runs, and on what.",
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
            "When the sockets were last read, in seconds since 1970.",
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
