"""
Sums over connections: each counts exactly once in every sum.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.analysis.history import History
from exporter.analysis.sums import ConnectionCounter
from exporter.analysis.verdicts import evaluate
from exporter.model import (
    NO_PATH,
    ConnectionSums,
    ConnectionTable,
    Direction,
    IdleState,
    OnTimeout,
    Path,
    Protection,
    Timer,
)
from tests.analysis.rows import connection, observed, table

PATHS = tuple(
    Path(name, Direction.ANY, ("any",), idle_timeout, OnTimeout.DROP)
    for name, idle_timeout in (("short", 100.0), ("long", 350.0))
)
SHORT, LONG, NO_PATH_INDEX = 0, 1, -1


def count(*parts: tuple[ConnectionTable, Sequence[int]]) -> ConnectionSums:
    """
    The sums of new connections' tables, each with the indices of its connections' paths.
    """
    counter = ConnectionCounter(PATHS)
    timeouts = np.array([*(path.idle_timeout for path in PATHS), np.inf])
    for part, indices in parts:
        path_of = np.array(indices, np.int16)
        known = observed(part, History(taken_at=0.0))
        counter.add(part, known, evaluate(part, known, timeouts[path_of], 0.75), path_of)
    return counter.sums()


def test_nothing() -> None:
    """Without connections, all sums exist and are zero."""
    for sums in (count(), count((table([]), []))):
        assert list(sums.paths) == ["short", "long", NO_PATH]
        assert sums.sampled == sums.at_risk == sum(sums.timers.values()) == 0
        assert list(sums.timers) == list(Timer)
        assert all(not path.connections.any() for path in sums.paths.values())
        assert all(path.idle.total == 0 for path in sums.paths.values())


def test_by_path_and_verdict() -> None:
    """A connection is counted under its path, protection and idle state."""
    sums = count((connection(at=1000, age=80), [SHORT]), (connection(at=1000, age=80), [LONG]))
    short, long = sums.paths["short"].connections, sums.paths["long"].connections
    assert short[Protection.NONE, IdleState.NEAR_LIMIT] == short.sum() == 1
    assert long[Protection.NONE, IdleState.ACTIVE] == long.sum() == 1
    assert (sums.sampled, sums.at_risk) == (2, 1)


def test_no_path() -> None:
    """A connection that crosses no path is counted under `none`, and never at risk."""
    sums = count((connection(at=1000, age=1e6), [NO_PATH_INDEX]))
    assert sums.paths[NO_PATH].connections[Protection.NONE, IdleState.ACTIVE] == 1
    assert (sums.sampled, sums.at_risk) == (1, 0)


@pytest.mark.parametrize(
    ("timer", "counted"), [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 5), (255, 5)]
)
def test_timers(timer: int, counted: int) -> None:
    """Unknown timers of newer kernels are counted as other."""
    part = replace(connection(at=1000), timer=np.array([timer], np.uint8))
    timers = count((part, [SHORT])).timers
    assert [number for number, some in timers.items() if some] == [Timer(counted)]


@pytest.mark.parametrize(("age", "bucket"), [(0, 0), (60, 0), (60.1, 1), (100, 1), (1e6, -1)])
def test_edges_belong_below(age: float, bucket: int) -> None:
    """A value at an edge is in the bucket below it; the last bucket has no edge."""
    idle = count((connection(at=2e6, age=age), [SHORT])).paths["short"].idle
    assert idle.counts[bucket] == sum(idle.counts) == 1
    assert idle.total == pytest.approx(age)


def test_timeouts_are_edges() -> None:
    """Each path's timeout is an edge, so that the number above it is exact."""
    assert {100.0, 350.0} <= set(count().paths["short"].idle.edges)


def test_only_what_is_known() -> None:
    """Unknown times are in no histogram."""
    unarmed = count((connection(at=1000, age=10), [SHORT])).paths["short"]
    assert sum(unarmed.keepalive_time.counts) == sum(unarmed.timer_expires.counts) == 0
    armed = count((connection(at=1000, age=10, expires=110), [SHORT])).paths["short"]
    assert armed.keepalive_time.total == pytest.approx(120)
    assert armed.timer_expires.total == pytest.approx(110)


def test_ages_that_are_not_known() -> None:
    """A connection without ages is counted, but its idle time is in no histogram."""
    sums = count((connection(at=1000, age=math.nan), [SHORT]))
    assert sums.paths["short"].connections.sum() == sums.sampled == 1
    assert sums.paths["short"].idle.total == sum(sums.paths["short"].idle.counts) == 0


AGES = st.floats(0, 1e6, allow_nan=False)
ROWS = st.fixed_dictionaries(
    {
        "read_at": st.just(2e6),
        "cookie": st.integers(1, 2**64 - 1),
        "timer": st.integers(0, 255),
        "expires": AGES,
        "unanswered": st.integers(0, 255),
        "unacked": st.integers(-1, 9),
        "send_queue": st.integers(0, 9),
        "last_data_sent": AGES | st.just(math.nan),
        "last_data_received": AGES | st.just(math.nan),
        "last_ack_received": AGES | st.just(math.nan),
    }
)
PARTS = st.lists(st.lists(st.tuples(ROWS, st.sampled_from((SHORT, LONG, NO_PATH_INDEX)))))


@settings(max_examples=50, deadline=None)
@given(PARTS)
def test_sums_reconcile(parts: list[list[tuple[dict[str, Any], int]]]) -> None:
    """For any tables, sums by path, by timer, at risk and in histograms agree."""
    sums = count(*((table([row for row, _ in part]), [path for _, path in part]) for part in parts))
    rows = [row for part in parts for row in part]
    paths = sums.paths.values()
    by_verdict = np.sum([path.connections for path in paths], axis=0)
    at_risk = by_verdict[np.ix_((Protection.LATE, Protection.NONE), (1, 2))].sum()

    assert sums.sampled == len(rows)
    assert by_verdict.sum() == sum(sums.timers.values()) == sums.sampled
    assert sums.at_risk == at_risk
    for index, path in zip((SHORT, LONG, NO_PATH_INDEX), paths, strict=True):
        here = [row for row, path_of in rows if path_of == index]
        armed = [row for row in here if row["timer"] == Timer.KEEPALIVE]
        assert path.connections.sum() == len(here)
        assert sum(path.timer_expires.counts) == len(armed)
        assert path.timer_expires.total == pytest.approx(sum(row["expires"] for row in armed))
        assert sum(path.keepalive_time.counts) <= len(armed)
        assert sum(path.idle.counts) <= len(here)
        assert math.isfinite(path.idle.total)
        assert math.isfinite(path.keepalive_time.total)
