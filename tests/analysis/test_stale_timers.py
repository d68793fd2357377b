"""
Connections whose timers follow another time than the present setting.
"""

import numpy as np
import pytest

from exporter.analysis.history_table import Rows
from exporter.analysis.stale import count_stale
from exporter.analysis.verdicts import judge
from exporter.model import ConnectionTable, Settings, StaleTimers, Timer
from tests.analysis.rows import connection, watch

NONE = StaleTimers()
LATE, HARMLESS = StaleTimers(late=1), StaleTimers(harmless=1)


def settings(time: int | None = 120, interval: int | None = 30) -> Settings:
    """
    The present settings.
    """
    return Settings(time, interval, probes=8, data_retransmissions=15, configured=frozenset())


PRESENT = settings()


def count(
    *samples: ConnectionTable, idle_timeout: float = 240, present: Settings | None = PRESENT
) -> StaleTimers:
    """
    What is counted after the last of the samples, on a path that forgets after idle_timeout.
    """
    known: Rows = watch(*samples)
    table = samples[-1]
    timeouts = np.full(len(table), idle_timeout)
    return count_stale(table, known, judge(table, known, timeouts, 0.75), present)


@pytest.mark.parametrize(
    ("age", "expires", "idle_timeout", "expected"),
    [
        pytest.param(0, 120, 240, NONE, id="the setting"),
        pytest.param(0, 120.4, 240, NONE, id="the setting, measured roughly"),
        pytest.param(0, 121, 240, HARMLESS, id="a second more, in time"),
        pytest.param(0, 121, 121, LATE, id="a second more, too late"),
        pytest.param(50, 7150, 240, LATE, id="Linux' default"),
        pytest.param(50, 7150, np.inf, HARMLESS, id="Linux' default, on no path"),
        pytest.param(100, 100, 240, HARMLESS, id="the sum of both tells"),
        pytest.param(7100, 15, 1e9, HARMLESS, id="about to fire"),
        pytest.param(10, 20, 240, NONE, id="armed again since: nothing is proven"),
    ],
)
def test_at_first_sight(
    age: float, expires: float, idle_timeout: float, expected: StaleTimers
) -> None:
    """
    One look proves a keepalive time longer than the 120 s that are set.
    """
    sample = connection(at=1000, age=age, expires=expires)
    assert count(sample, idle_timeout=idle_timeout) == expected


def test_time_remembered() -> None:
    """
    A keepalive time that was seen once counts while a check is due before.
    """
    before = connection(at=1000, age=0, expires=7200, segments_in=10)
    after = connection(at=8190, age=0, expires=10, segments_in=11)
    assert count(before, after, idle_timeout=1e9) == HARMLESS


def test_switched_on_late() -> None:
    """
    Of a connection that was idle when keepalive came on, the running timer tells.
    """
    before = connection(at=1000, age=50)
    after = connection(at=1015, age=65, expires=7190)
    assert count(before, after, idle_timeout=1e9) == HARMLESS


def test_long_interval() -> None:
    """
    After an answered probe the timer runs for the interval, which says nothing of the time.
    """
    sample = connection(at=1000, age=0, expires=300)
    assert count(sample, present=settings(interval=300), idle_timeout=1e9) == NONE
    assert count(sample, present=settings(interval=299), idle_timeout=1e9) == HARMLESS


def test_unanswered_probes() -> None:
    """
    While probes go unanswered the timer's time adds nothing to the age.
    """
    sample = connection(at=1000, age=150, expires=30, unanswered=2)
    assert count(sample, idle_timeout=1e9) == NONE


@pytest.mark.parametrize("timer", [Timer.NONE, Timer.RETRANSMIT, Timer.ZERO_WINDOW])
def test_other_timers(timer: Timer) -> None:
    """
    Other timers say nothing of keepalive.
    """
    sample = connection(at=1000, age=0, expires=7200, timer=timer)
    assert count(sample) == NONE


@pytest.mark.parametrize(
    "present", [None, settings(time=None), settings(interval=None), settings(time=-1)]
)
def test_nothing_to_compare_with(present: Settings | None) -> None:
    """
    Without a setting, or with one that never probes, nothing is stale.
    """
    assert count(connection(at=1000, age=0, expires=7200), present=present) == NONE


def test_no_connections() -> None:
    """
    A table may be empty.
    """
    empty = connection(at=1000).rows(np.array([False]))
    assert count(empty) == NONE


def test_sum() -> None:
    """
    Counts of several tables add up.
    """
    assert StaleTimers(1, 2) + StaleTimers(3, 4) == StaleTimers(4, 6)
