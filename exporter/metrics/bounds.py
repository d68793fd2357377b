"""
What the paths' real idle timeouts lie between.
"""

from collections.abc import Iterator, Mapping

from prometheus_client.metrics_core import Metric

from exporter.metrics.shapes import gauge
from exporter.model import IdleBounds


def of_bounds(bounds: Mapping[str, IdleBounds]) -> Iterator[Metric]:
    """
    The bounds by path name; what is not known is absent.
    """
    yield gauge(
        "longest_idle_survived_seconds",
        "Idle time that at least three connections have outlived in the last day: what came after"
        " it was answered, so the path's real idle timeout is longer.",
        ("path",),
        {(path,): each.survived for path, each in bounds.items()},
    )
    yield gauge(
        "shortest_idle_fatal_seconds",
        "Idle time after which, or after less, at least three connections have died in the last"
        " day, and which none has outlived: the path's real idle timeout is not longer.",
        ("path",),
        {(path,): each.fatal for path, each in bounds.items()},
    )
