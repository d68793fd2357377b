"""
Connections that were handled, and what counts as a change.
"""

from dataclasses import replace

import numpy as np
import pytest

from exporter.model import Timer
from exporter.protect.handled import Handled
from tests.tables import connections

TABLE = connections(*[("10.0.0.4:5000", "203.0.113.1:443")] * 3)
"""Cookies 1 to 3."""


def handled(*seconds: tuple[int, float]) -> Handled:
    """
    With keepalive times by cookie.
    """
    found = Handled()
    for cookie, time in seconds:
        found.note(cookie, time)
    found.update(TABLE.cookie)
    return found


@pytest.mark.parametrize(
    ("timer", "unanswered", "expires", "settled"),
    [
        (Timer.KEEPALIVE, 0, 119.0, True),
        (Timer.KEEPALIVE, 0, 135.0, True),  # the kernel's slowest timer
        (Timer.KEEPALIVE, 0, 136.0, False),  # another time was set
        (Timer.KEEPALIVE, 1, 136.0, True),  # the time between probes
        (Timer.NONE, 0, 0.0, False),  # keepalive was turned off
        (Timer.RETRANSMIT, 0, 3600.0, True),  # another timer hides it
    ],
)
def test_changes(timer: Timer, unanswered: int, expires: float, settled: bool) -> None:
    """
    A handled connection is settled as long as its timer fits its keepalive time.
    """
    table = replace(
        TABLE,
        timer=np.full(3, timer, np.uint8),
        unanswered=np.full(3, unanswered, np.uint8),
        expires=np.full(3, expires),
    )
    found = handled((1, 120), (3, float("inf"))).are_settled(table)
    assert found.tolist() == [settled, False, True]


def test_new() -> None:
    """
    Nothing is settled at first, nor what was only noted for a connection that is gone.
    """
    assert not Handled().are_settled(TABLE).any()
    gone = handled((99, 120))
    assert not gone.are_settled(TABLE).any()
    gone.update(np.array([99], np.uint64))  # and it was forgotten
    assert not gone.are_settled(replace(TABLE, cookie=np.full(3, 99, np.uint64))).any()
