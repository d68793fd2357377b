"""
Connections whose keepalive time is longer than the current setting.
"""

import numpy as np
import pytest

from exporter.analysis.exposure import count_stale
from exporter.analysis.history_table import HistoryTable
from exporter.analysis.verdicts import evaluate
from exporter.model import ConnectionTable, Settings, StaleTimers, Timer
from tests.analysis.rows import connection, watch

NONE = StaleTimers()
LATE, HARMLESS = StaleTimers(late=1), StaleTimers(harmless=1)


def settings(time: int | None = 120, interval: int | None = 30) -> Settings:
    """
    The current settings.
    """
    return Settings(time, interval, probes=8, data_retransmissions=15, configured=frozenset())


PRESENT = settings()


def count(
    *samples: ConnectionTable, idle_timeout: float = 240, present: Settings | None = PRESENT
) -> StaleTimers:
    """
    The count after the last of the samples, on a path with this idle timeout.
    """
    known: HistoryTable = watch(*samples)
    table = samples[-1]
    timeouts = np.full(len(table), idle_timeout)
    return count_stale(table, known, evaluate(table, known, timeouts, 0.75), present)


@pytest.mark.parametrize(
    ("age", "expires", "idle_timeout", "expected"),
    [
        pytest.param(0, 120, 240, NONE, id="the setting"),
        pytest.param(0, 120.4, 240, NONE, id="the setting, with measurement error"),
        pytest.param(0, 121, 240, HARMLESS, id="a second more, in time"),
        pytest.param(0, 121, 121, LATE, id="a second more, too late"),
        pytest.param(50, 7150, 240, LATE, id="Linux' default"),
        pytest.param(50, 7150, np.inf, HARMLESS, id="Linux' default, on no path"),
        pytest.param(100, 100, 240, HARMLESS, id="the sum of both counts"),
        pytest.param(7100, 15, 1e9, HARMLESS, id="about to fire"),
        pytest.param(10, 20, 240, NONE, id="re-armed since, proves nothing"),
    ],
)
def test_at_first_sight(
    age: float, expires: float, idle_timeout: float, expected: StaleTimers
) -> None:
    """
    One sample can prove a keepalive time longer than the setting of 120 s.
    """
    sample = connection(at=1000, age=age, expires=expires)
    assert count(sample, idle_timeout=idle_timeout) == expected


def test_time_remembered() -> None:
    """
    A known keepalive time counts while a check is due earlier.
    """
    before = connection(at=1000, age=0, expires=7200, segments_in=10)
    after = connection(at=8190, age=0, expires=10, segments_in=11)
    assert count(before, after, idle_timeout=1e9) == HARMLESS


def test_switched_on_late() -> None:
    """
    If keepalive was enabled on an idle connection, the running timer counts.
    """
    before = connection(at=1000, age=50)
    after = connection(at=1015, age=65, expires=7190)
    assert count(before, after, idle_timeout=1e9) == HARMLESS


def test_long_interval() -> None:
    """
    After an answered probe the timer runs for the interval, which does not count.
    """
    sample = connection(at=1000, age=0, expires=300)
    assert count(sample, present=settings(interval=300), idle_timeout=1e9) == NONE
    assert count(sample, present=settings(interval=299), idle_timeout=1e9) == HARMLESS


def test_unanswered_probes() -> None:
    """
    While probes are unanswered, the timer's time is not added to the age.
    """
    sample = connection(at=1000, age=150, expires=30, unanswered=2)
    assert count(sample, idle_timeout=1e9) == NONE


@pytest.mark.parametrize("timer", [Timer.NONE, Timer.RETRANSMIT, Timer.ZERO_WINDOW])
def test_other_timers(timer: Timer) -> None:
    """
    Other timers do not count.
    """
    sample = connection(at=1000, age=0, expires=7200, timer=timer)
    assert count(sample) == NONE


@pytest.mark.parametrize(
    "present", [None, settings(time=None), settings(interval=None), settings(time=-1)]
)
def test_nothing_to_compare_with(present: Settings | None) -> None:
    """
    Without settings, or with settings that never probe, nothing is stale.
    """
    assert count(connection(at=1000, age=0, expires=7200), present=present) == NONE


def test_no_connections() -> None:
    """
    An empty table is accepted.
    """
    empty = connection(at=1000).rows(np.array([False]))
    assert count(empty) == NONE


def test_sum() -> None:
    """
    Counts of several tables add up.
    """
    assert StaleTimers(1, 2) + StaleTimers(3, 4) == StaleTimers(4, 6)
