"""
Closed connections, and the idle times that connections survived or did not survive.
"""

from collections.abc import Iterator, Mapping

from prometheus_client.metrics_core import Metric

from exporter.metrics.shapes import counter, gauge, histogram
from exporter.model import ClosureSums, IdleBounds


def of_closures(sums: ClosureSums) -> Iterator[Metric]:
    """
    Closures by path and reason, idle drops among them.
    """
    yield histogram(
        "closure_idle_seconds",
        "Idle time of connections before they closed, in seconds. If they closed because a segment"
        " was not answered: idle time before that segment. Closures with unknown idle time are not"
        " counted.",
        ("path", "reason"),
        {(path, reason.name.lower()): each for (path, reason), each in sums.idle.items()},
    )
    yield counter(
        "idle_drops",
        "Connections that were reset or timed out after being idle for at least near_limit_ratio"
        " of their path's idle timeout.",
        ("path", "reason"),
        {(path, reason.name.lower()): number for (path, reason), number in sums.idle_drops.items()},
    )
    yield counter(
        "closure_events_lost",
        "Socket destroy events lost because the receive buffer was full.",
        (),
        {(): sums.lost},
    )


def of_bounds(bounds: Mapping[str, IdleBounds]) -> Iterator[Metric]:
    """
    The bounds by path name; unknown bounds are absent.
    """
    yield gauge(
        "longest_idle_survived_seconds",
        "Idle time in seconds that at least three connections survived in the last day. The path's"
        " real idle timeout is longer.",
        ("path",),
        {(path,): each.survived for path, each in bounds.items()},
    )
    yield gauge(
        "shortest_idle_fatal_seconds",
        "Idle time in seconds within which at least three connections were lost in the last day,"
        " and that none survived. The path's real idle timeout is not longer.",
        ("path",),
        {(path,): each.fatal for path, each in bounds.items()},
    )
