"""
Health of the exporter itself.
"""

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from exporter.metrics.shapes import Samples, gauge
from exporter.model import ClosureReading, Snapshot


def of_collectors(
    snapshot: Snapshot | None, closures: ClosureReading | None, now: float
) -> Iterator[Metric]:
    """
    Success and duration of each collector, and the number of namespaces.
    """
    success: Samples = {}
    duration: Samples = {}
    if snapshot is not None:
        for name, run in snapshot.runs.items():
            success[name,] = run.success and now <= snapshot.due
            duration[name,] = run.duration
        yield gauge(
            "namespaces",
            "Number of network namespaces found, by whether the exporter can read them.",
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
        "1 if the collector's last run succeeded and is not overdue, otherwise 0.",
        ("collector",),
        success,
    )
    yield gauge(
        "collector_duration_seconds",
        "Duration of the collector's last run in seconds.",
        ("collector",),
        duration,
    )
