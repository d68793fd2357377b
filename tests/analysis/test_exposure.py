"""
Connections that depend on their namespace's keepalive settings, or are at risk.
"""

from dataclasses import replace

import numpy as np
import pytest

from exporter.analysis.analyze import AnalyzedConnections
from exporter.analysis.exposure import count_exposed
from exporter.analysis.verdicts import evaluate
from exporter.model import (
    NO_PATH,
    ConnectionTable,
    Exposure,
    Settings,
    TcpState,
    Timer,
)
from tests.analysis.findings import AZURE, linux, path
from tests.analysis.rows import connection, watch

PATHS = (AZURE, path("office", 3600.0))
ON_AZURE, ON_NO_PATH = 0, -1
DEPENDENT = Exposure(1, {AZURE.name: 1})
AT_RISK = Exposure(0, {AZURE.name: 1})
NOTHING = Exposure()
DEFAULTS = linux(7200, 75, 9)


def count(
    *samples: ConnectionTable,
    path_index: int = ON_AZURE,
    settings: Settings | None = DEFAULTS,
    opened_after: float = np.nan,
) -> Exposure:
    """
    The count after the last of the samples.
    """
    known, table = watch(*samples, opened_after=opened_after), samples[-1]
    timeouts = np.array([*(each.idle_timeout for each in PATHS), np.inf])
    path_of = np.full(len(table), path_index, np.int16)
    verdicts = evaluate(table, known, timeouts[path_of], 0.75)
    nan, no = np.full(len(table), np.nan), np.zeros(len(table), np.bool_)
    analyzed = AnalyzedConnections(
        table=table,
        known=known,
        path_of=path_of,
        crossing=~no,
        verdicts=verdicts,
        survived=nan,
        idle_before_answer=nan,
        refreshed=no,
        translated=no[:, None],
    )
    return count_exposed(analyzed, PATHS, settings)


@pytest.mark.parametrize("path_index", [ON_AZURE, 1, ON_NO_PATH])
def test_by_path(path_index: int) -> None:
    """
    A connection with the settings' keepalive time depends on them, and counts under its path.
    """
    names = [*(each.name for each in PATHS), NO_PATH]
    sample = connection(at=1000, age=50, expires=7150)
    assert count(sample, path_index=path_index) == Exposure(1, {names[path_index]: 1})


def test_keepalive_off() -> None:
    """
    Without keepalive, a connection does not depend on the settings.
    """
    assert count(connection(at=1000, age=50)) == NOTHING


@pytest.mark.parametrize(
    ("age", "opened_after", "expected"),
    [(200, 0.0, AT_RISK), (200, np.nan, NOTHING), (100, 0.0, NOTHING)],
)
def test_at_risk(age: float, opened_after: float, expected: Exposure) -> None:
    """
    Without keepalive, it counts while it is certainly at risk, but not as dependent.
    """
    assert count(connection(at=1000, age=age), opened_after=opened_after) == expected


def test_dependent_and_at_risk() -> None:
    """
    A connection that is both counts once.
    """
    sample = connection(at=1000, age=200, expires=7000)
    assert count(sample, opened_after=0.0) == DEPENDENT


def test_own_shorter_time() -> None:
    """
    A timer armed since the connection was opened proves a shorter keepalive time than the setting.
    """
    sample = connection(at=1000, age=5, expires=10)
    assert count(sample, opened_after=985.0) == NOTHING


def test_shorter_time_unproven() -> None:
    """
    Of a connection opened before the first sample, a timer that is due soon proves nothing: it may
    only re-arm.
    """
    assert count(connection(at=1000, age=5, expires=10)) == DEPENDENT


def test_own_time_seen_later() -> None:
    """
    After the timer has been armed again, its own time is known.
    """
    before = connection(at=1000, age=5, expires=10)
    after = connection(at=1015, age=20, acked=5, expires=10, segments_in=11, segments_out=11)
    assert count(before, after) == NOTHING


@pytest.mark.parametrize(
    ("time", "expected"), [(120, NOTHING), (7199, NOTHING), (7200, DEPENDENT), (-1, DEPENDENT)]
)
def test_own_longer_time(time: int, expected: Exposure) -> None:
    """
    A time longer than the setting is the connection's own, or older than the setting.
    """
    sample = connection(at=1000, age=50, expires=7150)
    assert count(sample, settings=linux(time)) == expected


@pytest.mark.parametrize("settings", [None, linux(None), linux(7200, None)])
def test_settings_unknown(settings: Settings | None) -> None:
    """
    With unknown settings, nothing contradicts them.
    """
    assert count(connection(at=1000, age=50, expires=7150), settings=settings) == DEPENDENT


def test_data_in_flight() -> None:
    """
    While data in flight hides the timer, the previous sample counts. A connection never seen
    without does not count, until it hangs.
    """
    visible = connection(at=1000, age=50, expires=7150)
    hidden = connection(at=1015, age=1, timer=Timer.RETRANSMIT, unacked=1, unanswered=1)
    assert count(visible, hidden) == DEPENDENT
    assert count(hidden) == NOTHING
    assert count(connection(at=1000, age=50), hidden) == NOTHING
    still = replace(
        connection(at=1060, age=46, timer=Timer.RETRANSMIT, unacked=1, unanswered=5),
        expires=np.array([20.0]),
        backoff=np.array([5], np.int16),
    )
    assert count(hidden, still) == DEPENDENT


def test_peer_closed() -> None:
    """
    A connection that the peer has closed cannot be lost any more.
    """
    sample = connection(at=1000, age=50, expires=7150, state=TcpState.CLOSE_WAIT)
    assert count(sample) == NOTHING


def test_empty() -> None:
    """
    An empty table is accepted.
    """
    assert count(connection(at=1000).rows(np.array([False]))) == NOTHING


def test_sum() -> None:
    """
    Counts of several tables add up.
    """
    total = Exposure(1, {"a": 1, "b": 2}) + Exposure(2, {"b": 3, "c": 4})
    assert total == Exposure(3, {"a": 1, "b": 5, "c": 4})
    assert total + Exposure() == total
