"""
Survived idle spells, which are never overestimated.
"""

import numpy as np
import pytest

from exporter.analysis.history import History
from exporter.analysis.history_table import HistoryTable
from exporter.analysis.survivals import Survivals, idle_before_answer, survived
from exporter.model import ConnectionTable, Direction, OnTimeout, Path
from tests.analysis.rows import connection, observed, remembered

PATHS = tuple(
    Path(name, Direction.ANY, ("any",), 240.0, OnTimeout.DROP) for name in ("one", "two", "three")
)


def last_two(*samples: ConnectionTable) -> tuple[HistoryTable, HistoryTable]:
    """
    The history rows after the last of the samples, and after the previous one.
    """
    history, now = History(), History().rows
    past = now
    for sample in samples:
        past = history.recall(sample.cookie)
        now = observed(sample, history)
        history = remembered(now)
    return now, past


def spell(*samples: ConnectionTable) -> float:
    """
    The survived spell at the last of the samples.
    """
    return float(survived(*last_two(*samples))[0])


def idle_time(*samples: ConnectionTable) -> float:
    """
    The idle time before an answer at the last of the samples, as exact as it is known.
    """
    now, past = last_two(*samples)
    return float(idle_before_answer(now, past, survived(now, past))[0])


def idle_until(last: float, first: float = 0.0) -> list[ConnectionTable]:
    """
    A sample every 15 s of a connection whose last segment was data from the peer at time first.
    """
    return [connection(at=at, age=at - first) for at in np.arange(first + 10, last + 1, 15.0)]


def test_answer() -> None:
    """
    A spell from 0 to 200 s, sampled from 10 s to 190 s, lasted at least 180 s.
    """
    answer = connection(at=205.0, age=4.5, sent=5.0, segments_in=11, segments_out=11)
    assert spell(*idle_until(200), answer) == pytest.approx(180)


def test_pushed_by_the_peer() -> None:
    """
    Data from the peer ends a survived spell, even if none was sent to it.
    """
    pushed = connection(at=205.0, age=5.0, sent=205.0, segments_in=11)
    assert spell(*idle_until(200), pushed) == pytest.approx(180)


def test_own_probe_answered() -> None:
    """
    The answer to a local probe ends a survived spell.
    """
    answered = connection(
        at=205.0, age=205.0, acked=5.0, expires=25.0, segments_in=11, segments_out=11
    )
    assert spell(*idle_until(200), answered) == pytest.approx(180)


def test_unanswered() -> None:
    """
    Sent data ends a spell but proves nothing until it is answered; that spell is short.
    """
    write = connection(at=205.0, age=205.0, sent=5.0, segments_out=11, unanswered=1, unacked=1)
    again = connection(at=220.0, age=220.0, sent=1.0, segments_out=12, unanswered=2, unacked=1)
    answer = connection(at=235.0, age=235.0, sent=4.0, acked=3.0, segments_in=11, segments_out=13)
    assert np.isnan(spell(*idle_until(200), write))
    assert np.isnan(spell(*idle_until(200), write, again))
    assert spell(*idle_until(200), write, again, answer) == 0


def test_probes_of_the_peer() -> None:
    """
    A peer's probe starts a new spell but proves none, because an earlier probe may have been lost.
    """
    probe = connection(at=205.0, age=205.0, segments_in=11, segments_out=11)
    answer = connection(at=220.0, age=1.0, segments_in=12, segments_out=12)
    assert np.isnan(spell(*idle_until(200), probe))
    assert spell(*idle_until(200), probe, answer) == 0


def test_hidden_probe() -> None:
    """
    A peer's probe right after data, in the same sample, does not lengthen the spell.
    """
    data = connection(at=15.0, age=14.0, segments_in=12)
    answer = connection(at=30.0, age=1.0, segments_in=13)
    quiet = connection(at=29.0, age=28.0, segments_in=12)
    assert spell(connection(at=0.0), data, answer) == 0
    assert spell(connection(at=0.0), data, quiet, answer) == 14


def test_first_seen() -> None:
    """
    A new connection has a spell of 0, which shows that it received something.
    """
    assert spell(connection(at=100.0, age=90.0)) == 0


def test_segments_not_counted() -> None:
    """
    Without segment counters, the spell is unknown.
    """
    ages = {10.0: 10.0, 25.0: 25.0, 40.0: 40.0, 55.0: 1.0}
    old = [connection(at, age, segments_in=-1, segments_out=-1) for at, age in ages.items()]
    assert np.isnan(spell(*old))


def test_idle_time_before_an_answer() -> None:
    """
    The idle time at the previous sample, if data was sent after that.
    """
    answer = connection(at=205.0, age=4.5, sent=5.0, segments_in=11, segments_out=11)
    assert idle_time(*idle_until(200), answer) == pytest.approx(190)
    assert np.isnan(idle_time(*idle_until(200)))


def test_idle_time_before_a_probe() -> None:
    """
    The idle time until the probe was due, if that was answered; data before it was sent earlier.
    """
    armed = connection(at=190.0, age=190.0, expires=10.0)
    answered = connection(
        at=205.0, age=205.0, acked=4.9, expires=25.0, segments_in=11, segments_out=11
    )
    assert idle_time(*idle_until(180), armed, answered) == pytest.approx(200)
    data = connection(at=205.0, age=12.0, expires=25.0, segments_in=11, segments_out=11)
    assert idle_time(*idle_until(180), armed, data) == pytest.approx(190)
    overdue = connection(at=190.0, age=190.0)
    assert idle_time(*idle_until(180), overdue, answered) == pytest.approx(190)


def test_idle_time_of_a_probed_connection() -> None:
    """
    If the peer probes, a probe may have hidden in the idle time, which is therefore unknown.
    """
    probe = connection(at=205.0, age=205.0, segments_in=11, segments_out=11)
    answer = connection(at=220.0, age=1.0, segments_in=12, segments_out=12)
    assert np.isnan(idle_time(*idle_until(200), probe, answer))


def test_idle_time_of_a_new_connection() -> None:
    """
    A new connection has been idle for 0 s.
    """
    assert idle_time(connection(at=100.0, age=90.0)) == 0


def test_counted_by_path() -> None:
    """
    Spells of at least a second are counted by path; paths on which anything was received are
    listed.
    """
    survivals = Survivals(PATHS)
    survivals.add(np.array([0, 0, -1], np.int16), np.array([60.0, 61.0, 60.0]))
    survivals.add(np.array([0, 1, 2], np.int16), np.array([600.0, 0.5, np.nan]))
    (name, counts), *others = survivals.by_path()
    assert (name, counts.sum(), others) == ("one", 3, [])
    assert survivals.receiving == {"one", "two"}
