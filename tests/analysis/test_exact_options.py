"""
Verdicts on connections whose exact options were read.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from exporter.analysis.analyze import AnalyzedConnections, analyze
from exporter.analysis.exact_options import may_change, protection_by_options, with_options
from exporter.analysis.history import History, HistoryRecorder
from exporter.model import (
    ConnectionTable,
    Direction,
    IdleState,
    OnTimeout,
    Path,
    Protection,
    Risk,
    SocketOptions,
    TcpState,
)
from exporter.paths.matching import LocalEndpoints
from tests.analysis.rows import connection

TIMEOUT, RATIO = 240.0, 0.75
PATHS = (Path("nat", Direction.ANY, ("any",), TIMEOUT, OnTimeout.DROP),)
NOWHERE = LocalEndpoints(frozenset(), frozenset())
AT = 10_000.0


def options(time: float = 200, interval: float = 30, *, keepalive: bool = True) -> SocketOptions:
    """
    Options with this keepalive.
    """
    return SocketOptions(keepalive, time, interval, probes=8, user_timeout=0)


def at_first_sight(sample: ConnectionTable) -> AnalyzedConnections:
    """
    The sample's connections, seen for the first time.
    """
    return analyze(sample, HistoryRecorder(History()), PATHS, NOWHERE, RATIO)


def probing(
    number: int, *, time: float, interval: float = 30, expires: float = 10, **columns: Any
) -> ConnectionTable:
    """
    A connection with this many unanswered probes; the first was sent after time.
    """
    age = time + number * interval - expires
    return connection(AT, age, expires=expires, unanswered=number, **columns)


def decided(
    sample: ConnectionTable, exact: SocketOptions | None, timeout: float = TIMEOUT
) -> AnalyzedConnections:
    """
    The connections of a sample, with these options.
    """
    count = len(sample)
    timeouts = np.full(count, timeout)
    return with_options(at_first_sight(sample), [exact] * count, timeouts, RATIO)


def idle_state(connections: AnalyzedConnections) -> IdleState:
    """
    The idle state of the only connection.
    """
    return IdleState(connections.verdicts.idle_state[0])


@pytest.mark.parametrize(
    ("observed", "exact", "expected"),
    [
        (Protection.UNKNOWN, options(keepalive=False), Protection.NONE),
        (Protection.UNKNOWN, options(200), Protection.OWN),
        # A timer fires up to 8/63 late: 212.9 s is the longest certain time.
        (Protection.UNKNOWN, options(212), Protection.OWN),
        (Protection.UNKNOWN, options(213), Protection.UNKNOWN),
        (Protection.UNKNOWN, options(239), Protection.UNKNOWN),
        (Protection.UNKNOWN, options(240), Protection.LATE),
        (Protection.UNKNOWN, options(10, 240), Protection.LATE),
        (Protection.UNKNOWN, options(10, 213), Protection.UNKNOWN),
        (Protection.OWN, options(10), Protection.OWN),
        (Protection.NONE, options(10), Protection.OWN),
        # The timer has proven it, whatever the options are now.
        (Protection.LATE, options(10), Protection.LATE),
        (Protection.PEER, options(keepalive=False), Protection.PEER),
    ],
)
def test_protection(observed: Protection, exact: SocketOptions, expected: Protection) -> None:
    """
    The longer of time and interval decides, with the kernel's lateness.
    """
    assert protection_by_options(observed, exact, TIMEOUT) is expected


def test_options_of_some() -> None:
    """
    Connections with unknown options, on no path, or closed by the peer keep their protection.
    """
    sample = connection(AT, 5, expires=100)
    unknown = Protection.UNKNOWN
    assert decided(sample, options(100)).verdicts.protection.tolist() == [Protection.OWN]
    assert decided(sample, None).verdicts.protection.tolist() == [unknown]
    late = at_first_sight(connection(AT, 5, expires=240)).presuming_no_peer()
    proven = with_options(late, [options(100)], np.array([TIMEOUT]), RATIO)
    assert proven.verdicts.protection.tolist() == [Protection.LATE]
    off = options(keepalive=False)
    assert decided(sample, off, timeout=np.inf).verdicts.protection.tolist() == [unknown]
    closed = replace(sample, state=np.array([TcpState.CLOSE_WAIT], np.uint8))
    assert decided(closed, options(100)).verdicts.protection.tolist() == [Protection.NONE]


@pytest.mark.parametrize(
    ("number", "time", "expires", "state"),
    [
        (2, 180, 10, IdleState.STALLED),
        (2, 179, 10, IdleState.UNANSWERED),  # 50 s
        (1, 179, 0.5, IdleState.NEAR_LIMIT),  # 29.5 s
        (1, 180, 10, IdleState.NEAR_LIMIT),  # a single one, for 20 s
        (2, 20, 29.9, IdleState.UNANSWERED),  # 30.1 s
    ],
)
def test_unanswered_at_first_sight(
    number: int, time: float, expires: float, state: IdleState
) -> None:
    """
    The idle time before the first unanswered probe was the keepalive time.
    """
    sample = probing(number, time=time, expires=expires)
    before = at_first_sight(sample)
    assert np.isnan(before.known["spell"][0])
    after = decided(sample, options(time))
    assert idle_state(after) is state
    if state in (IdleState.STALLED, IdleState.UNANSWERED):
        assert after.idle.tolist() == [time]
    assert np.isnan(before.known["spell"][0]), "the history is unchanged"


def test_a_single_probe_for_long() -> None:
    """
    One probe that is unanswered for 30 s is enough.
    """
    sample = probing(1, time=180, interval=75, expires=45)
    assert idle_state(decided(sample, options(180, 75))) is IdleState.STALLED
    sample = probing(1, time=180, interval=75, expires=45.5)
    assert idle_state(decided(sample, options(180, 75))) is IdleState.NEAR_LIMIT


@pytest.mark.parametrize(
    "exact", [options(200, 30), options(180, 60), options(180, 4), None], ids=str
)
def test_options_changed_since(exact: SocketOptions | None) -> None:
    """
    Options that do not agree with the time of the last receipt say nothing about the idle time.
    """
    sample = probing(2, time=180, interval=30, expires=10)
    assert np.isnan(decided(sample, exact).known["spell"][0])


def test_may_change() -> None:
    """
    A connection of unknown protection, or with unanswered probes after an unknown time, may have a
    problem; one that certainly has none, or crosses no path, may not.
    """
    assert may_change(at_first_sight(connection(AT, 5, expires=100))).tolist() == [True]
    late = at_first_sight(connection(AT, 5, expires=240)).presuming_no_peer()
    assert late.risk.tolist() == [Risk.UNPROTECTED]
    assert may_change(late).tolist() == [False]
    hangs = at_first_sight(probing(2, time=180))
    assert may_change(hangs).tolist() == [True]
    nowhere = replace(hangs, path_of=np.array([-1], np.int16))
    assert may_change(nowhere).tolist() == [False]
