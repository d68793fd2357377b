"""
Counts of closures that go on when other paths are configured.
"""

from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.analysis.closure_reasons import Closures
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
    Count resets after these spells, on the path of that index, each of them an idle drop.
    """
    number = len(spells)
    every = np.ones(number, np.bool_)
    closures = Closures(
        reason=np.full(number, Reason.RESET, np.int8),
        spell=np.array(spells, float),
        survived=np.full(number, np.nan),
        fatal=np.full(number, np.nan),
        counts=every,
    )
    counter.add(closures, every, np.full(number, path, np.int16))


def up_to(histogram: Histogram) -> dict[float, int]:
    """
    How many values there are up to each edge, as Prometheus has them.
    """
    return dict(zip(histogram.edges, accumulate(histogram.counts), strict=False))


def test_same_paths() -> None:
    """Nothing changes if the paths do not."""
    counter = ClosureCounter(paths(a=100, b=350), RATIO)
    count(counter, [10, 80, 120, 1000], path=1)
    count(counter, [5], path=-1)
    after = counter.continued(paths(a=100, b=350), RATIO).sums(lost=7)
    assert after == counter.sums(lost=7)


def test_other_paths() -> None:
    """Counts stay with the path's name, wherever it stands now; those of a removed path go."""
    counter = ClosureCounter(paths(a=100, gone=200), RATIO)
    count(counter, [10, 120], path=0)
    count(counter, [150], path=1)
    count(counter, [1], path=-1)
    after = counter.continued(paths(new=50, a=100), RATIO).sums(lost=0)
    ends = {
        path: sum(histogram.counts)
        for (path, reason), histogram in after.idle.items()
        if reason is Reason.RESET
    }
    assert ends == {"new": 0, "a": 2, NO_PATH: 1}
    assert after.idle["a", Reason.RESET].total == 130
    assert after.idle_drops["a", Reason.RESET] == 2
    assert after.idle_drops["new", Reason.RESET] == 0
    assert all(path != "gone" for path, _ in (*after.idle, *after.idle_drops))


def test_other_timeout() -> None:
    """Below a new edge are those values that surely are."""
    counter = ClosureCounter(paths(a=400), RATIO)  # edges 240, 300, 400, 600
    count(counter, [100, 250, 350, 450, 700], path=0)
    after = counter.continued(paths(a=500), RATIO)  # edges 240, 375, 500, 600
    assert up_to(after.sums(0).idle["a", Reason.RESET]) == {240: 1, 375: 2, 500: 3, 600: 4}
    count(after, [450], path=0)
    assert up_to(after.sums(0).idle["a", Reason.RESET]) == {240: 1, 375: 2, 500: 4, 600: 5}


@settings(deadline=None)
@given(
    st.lists(st.floats(0, 2000), max_size=20),
    st.floats(1, 1500),
    st.lists(st.floats(1, 1500), min_size=1, max_size=4),
)
def test_any_timeouts(spells: list[float], first: float, others: list[float]) -> None:
    """
    However often the timeout changes: nothing is lost or counted twice, what lies up to an edge
    that stays is what it was, and no edge has more below it than there is.
    """
    counter = ClosureCounter(paths(a=first), RATIO)
    count(counter, spells, path=0)
    for timeout in others:
        before = counter.sums(0).idle["a", Reason.RESET]
        counter = counter.continued(paths(a=timeout), RATIO)
        after = counter.sums(0).idle["a", Reason.RESET]
        assert sum(after.counts) == len(spells)
        assert after.total == pytest.approx(sum(spells))
        for edge, number in up_to(after).items():
            assert number <= sum(spell <= edge for spell in spells)
            assert number == up_to(before).get(edge, number)
