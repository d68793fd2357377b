"""
How the exporter itself fares.
"""

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from exporter.metrics.shapes import Samples, gauge
from exporter.model import ClosureReading, Snapshot


def of_collectors(
    snapshot: Snapshot | None, closures: ClosureReading | None, now: float
) -> Iterator[Metric]:
    """
    Which collectors work, how long they take, and how many namespaces they can read.
    """
    success: Samples = {}
    duration: Samples = {}
    if snapshot is not None:
        for name, run in snapshot.runs.items():
            success[name,] = run.success and now <= snapshot.due
            duration[name,] = run.duration
        yield gauge(
            "namespaces",
            "Network namespaces found, by whether the exporter can read them.",
            ("readable",),
            {
                ("true",): snapshot.readable_namespaces,
                ("false",): snapshot.unreadable_namespaces,
            },
        )
    if closures is not None:
        success["closures",] = closures.run.success
        duration["closures",] = closures.run.duration
    yield gauge(
        "collector_success",
        "1 if the collector's latest attempt worked and is not overdue, else 0.",
        ("collector",),
        success,
    )
    yield gauge(
        "collector_duration_seconds",
        "How long the collector's latest attempt took.",
        ("collector",),
        duration,
    )
