"""
Whether a connection found hanging still hangs.
"""

from typing import Any

import pytest

from exporter.analysis.history_table import HistoryTable
from exporter.model import TcpState, Timer
from exporter.protect.recheck import ResetOutcome, recheck
from tests.analysis.rows import connection, watch

FOUND_AT, NOW = 1000.0, 1003.0
AGE = 300.0
"""Time since the last receipt, when it was found."""


def before() -> HistoryTable:
    """
    What was known of a connection with five unanswered retransmissions.
    """
    return watch(connection(FOUND_AT, AGE, timer=Timer.RETRANSMIT, unanswered=5, segments_in=10))


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({}, ResetOutcome.HANGS),
        ({"unanswered": 6, "segments_out": 12}, ResetOutcome.HANGS),
        ({"timer": Timer.KEEPALIVE}, ResetOutcome.HANGS),
        ({"unanswered": 0}, ResetOutcome.RECOVERED),
        ({"segments_in": 11}, ResetOutcome.RECOVERED),
        ({"age": 1.0}, ResetOutcome.RECOVERED),
        ({"age": NOW - FOUND_AT + AGE - 0.2}, ResetOutcome.RECOVERED),
        ({"age": float("nan"), "acked": float("nan")}, ResetOutcome.RECOVERED),
        ({"acked": 0.5}, ResetOutcome.RECOVERED),
        ({"state": TcpState.CLOSE_WAIT}, ResetOutcome.CLOSED),
        ({"state": 7}, ResetOutcome.CLOSED),
    ],
)
def test_outcome(changes: dict[str, Any], outcome: ResetOutcome) -> None:
    """
    It hangs as long as something is unanswered and nothing was received, not even a probe.
    """
    fields = {
        "age": NOW - FOUND_AT + AGE,
        "timer": Timer.RETRANSMIT,
        "unanswered": 5,
        "segments_in": 10,
    }
    assert recheck(connection(NOW, **(fields | changes)), before()) is outcome


def test_kernel_without_counters() -> None:
    """
    Without the segment counters of Linux 4.2, the ages decide.
    """
    found = connection(FOUND_AT, AGE, timer=Timer.RETRANSMIT, unanswered=5, segments_in=-1)
    now: dict[str, Any] = {"timer": Timer.RETRANSMIT, "unanswered": 5, "segments_in": -1}
    later = connection(NOW, NOW - FOUND_AT + AGE, **now)
    assert recheck(later, watch(found)) is ResetOutcome.HANGS
    assert recheck(connection(NOW, 2.0, **now), watch(found)) is ResetOutcome.RECOVERED
