"""
Counts of closures that continue when other paths are configured.
"""

from itertools import accumulate

import numpy as np

from exporter.analysis.closure_reasons import ClosureVerdicts
from exporter.analysis.sums import ClosureCounter
from exporter.model import NO_PATH, Direction, Histogram, OnTimeout, Path, Reason

RATIO = 0.75


def paths(**timeouts: float) -> tuple[Path, ...]:
    """
    Paths with these names and idle timeouts.
    """
    return tuple(
        Path(name, Direction.ANY, ("any",), timeout, OnTimeout.DROP)
        for name, timeout in timeouts.items()
    )


def count(counter: ClosureCounter, spells: list[float], path: int) -> None:
    """
    Count resets after these spells on the path with this index; each is an idle drop.
    """
    number = len(spells)
    every = np.ones(number, np.bool_)
    closures = ClosureVerdicts(
        reason=np.full(number, Reason.RESET, np.int8),
        spell=np.array(spells, float),
        survived=np.full(number, np.nan),
        fatal=np.full(number, np.nan),
        lost_at=np.zeros(number),
        counts=every,
    )
    counter.add(closures, every, np.full(number, path, np.int16))


def up_to(histogram: Histogram) -> dict[float, int]:
    """
    The cumulative counts by edge, as in Prometheus.
    """
    return dict(zip(histogram.edges, accumulate(histogram.counts), strict=False))


def test_same_paths() -> None:
    """With the same paths, nothing changes."""
    counter = ClosureCounter(paths(a=100, b=350), RATIO)
    count(counter, [10, 80, 120, 1000], path=1)
    count(counter, [5], path=-1)
    after = counter.continued(paths(a=100, b=350), RATIO).sums(lost=7)
    assert after == counter.sums(lost=7)


def test_other_paths() -> None:
    """Counts belong to the path's name, at any position; those of a removed path are dropped."""
    counter = ClosureCounter(paths(a=100, removed=200), RATIO)
    count(counter, [10, 120], path=0)
    count(counter, [150], path=1)
    count(counter, [1], path=-1)
    after = counter.continued(paths(new=200, a=100), RATIO).sums(lost=0)
    ends = {
        path: sum(histogram.counts)
        for (path, reason), histogram in after.idle.items()
        if reason is Reason.RESET
    }
    assert ends == {"new": 0, "a": 2, NO_PATH: 1}
    assert after.idle["a", Reason.RESET].total == 130
    assert after.idle_drops["a", Reason.RESET] == 2
    assert after.idle_drops["new", Reason.RESET] == 0
    assert all(path != "removed" for path, _ in (*after.idle, *after.idle_drops))


def test_other_timeout() -> None:
    """With other edges, the histograms restart as a whole, and the idle drops continue."""
    counter = ClosureCounter(paths(a=400, b=50), RATIO)
    count(counter, [100, 250, 350, 450, 700], path=0)
    after = counter.continued(paths(a=500, b=50), RATIO)
    sums = after.sums(0)
    assert {sum(each.counts) for each in sums.idle.values()} == {0}
    assert {each.total for each in sums.idle.values()} == {0}
    assert sums.idle_drops["a", Reason.RESET] == 5
    count(after, [450], path=0)
    assert up_to(after.sums(0).idle["a", Reason.RESET])[500] == 1
    assert after.sums(0).idle_drops["a", Reason.RESET] == 6
