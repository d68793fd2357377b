"""
A connection that hangs already when it is first seen: how long it was idle before, at least.
"""

from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.analysis.verdicts import judge
from exporter.model import ConnectionTable, IdleState, Timer
from tests.analysis.rows import table, watch

LONGEST_TIMEOUT = 120.0


def hanging(
    spell: float, timeout: float, retransmissions: int, waited: float, **changes: float
) -> ConnectionTable:
    """
    A connection that was idle for spell seconds, sent something, and has sent it again so many
    times, after timeouts that double from the first one; the last time waited seconds ago.
    """
    timeouts = [min(timeout * 2**n, LONGEST_TIMEOUT) for n in range(retransmissions + 1)]
    unanswered_for = list(accumulate(timeouts[:-1], initial=0.0))[-1] + waited
    row = {
        "read_at": 1000.0,
        "cookie": 1,
        "timer": Timer.RETRANSMIT,
        "expires": timeouts[-1] - waited,
        "last_data_sent": waited,
        "last_data_received": unanswered_for + spell,
        "last_ack_received": unanswered_for + spell,
        "segments_in": 10,
        "segments_out": 10,
        "unanswered": retransmissions,
        "backoff": retransmissions,
        "unacked": 1,
    }
    return table([row | changes])


def spell_of(*samples: ConnectionTable) -> float:
    """
    The idle spell that is known after the samples.
    """
    return float(watch(*samples)["spell"][0])


@pytest.mark.parametrize("retransmissions", [2, 5, 8])
def test_bounds_the_spell(retransmissions: int) -> None:
    """The bound is below the truth, by less than the time for which nothing has been answered."""
    spell = spell_of(hanging(500.0, 0.2, retransmissions, 0.1))
    assert 500 - 2 * 0.2 * 2**retransmissions <= spell <= 500


def test_stalled() -> None:
    """After a long idle spell it is stalled; after a short one, as in a plain outage, it is not."""
    for spell, expected in ((500.0, IdleState.STALLED), (2.0, IdleState.ACTIVE)):
        connection = hanging(spell, 0.2, 5, 1.0)
        known = watch(connection)
        verdicts = judge(connection, known, np.array([240.0]), near_limit_ratio=0.75)
        assert verdicts.idle_state[0] == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"unanswered": 1, "backoff": 1},  # may just have been lost
        {"backoff": 0},  # timeouts that do not double
        {"timer": Timer.ZERO_WINDOW},
        {"expires": 119.5},
    ],
)
def test_what_proves_nothing(changes: dict[str, float]) -> None:
    """Nothing is claimed unless each timeout was twice the one before."""
    assert spell_of(hanging(500.0, 0.2, 5, 1.0, **changes)) == 0


def test_is_remembered() -> None:
    """While it hangs on, the spell stays what it was."""
    first = hanging(500.0, 0.2, 4, 0.1)
    later = hanging(500.0, 0.2, 6, 0.1, read_at=1000.0 + 0.2 * (2**6 - 2**4))
    assert spell_of(first, later) == spell_of(first)


@given(
    st.floats(0, 1e5),
    st.floats(0.001, LONGEST_TIMEOUT),
    st.integers(2, 20),
    st.floats(0, 1),
)
def test_never_too_long(spell: float, timeout: float, retransmissions: int, waited: float) -> None:
    """Whatever the timeouts are, the bound is never above the truth."""
    last = min(timeout * 2**retransmissions, LONGEST_TIMEOUT)
    assert spell_of(hanging(spell, timeout, retransmissions, waited * last)) <= spell + 1e-2
