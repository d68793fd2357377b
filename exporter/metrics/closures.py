"""
What became of connections.
"""

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from exporter.metrics.shapes import counter, histogram
from exporter.model import ClosureSums


def of_closures(sums: ClosureSums) -> Iterator[Metric]:
    """
    How connections ended, and which of them of idling.
    """
    yield histogram(
        "closure_idle_seconds",
        "How long connections had been idle before their end or, where that began with a segment"
        " nothing answered, before that. By how they ended.",
        ("path", "reason"),
        {(path, reason.name.lower()): each for (path, reason), each in sums.idle.items()},
    )
    yield counter(
        "idle_drops",
        "Connections that did not end normally after having been idle for at least"
        " near_limit_ratio of their path's idle timeout.",
        ("path", "reason"),
        {(path, reason.name.lower()): number for (path, reason), number in sums.idle_drops.items()},
    )
    yield counter(
        "closure_events_lost",
        "Closures that the kernel told and the exporter missed, because they came too fast.",
        (),
        {(): sums.lost},
    )
