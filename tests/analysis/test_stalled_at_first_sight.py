"""
Minimum idle time of a connection that is already retransmitting when first seen.
"""

from itertools import accumulate, count

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.analysis.observation import unanswered_for
from exporter.analysis.verdicts import evaluate
from exporter.model import ConnectionTable, IdleState, Timer
from tests.analysis.rows import table, watch

LONGEST_TIMEOUT = 120.0
EARLIER_DATA = 0.5
"""Seconds for which data had been in flight before the idle spell."""


def hanging(
    spell: float, timeout: float, retransmissions: int, waited: float, **changes: float
) -> ConnectionTable:
    """
    A connection that was idle for spell seconds, then sent data and retransmitted it this many
    times, with timeouts that double from the first one; the last time was waited seconds ago.
    """
    timeouts = [min(timeout * 2**n, LONGEST_TIMEOUT) for n in range(retransmissions + 1)]
    unanswered_for = list(accumulate(timeouts[:-1], initial=0.0))[-1] + waited
    row = {
        "read_at": 1000.0,
        "cookie": 1,
        "timer": Timer.RETRANSMIT,
        "expires": timeouts[-1] - waited,
        "busy": unanswered_for + EARLIER_DATA,
        "last_data_sent": waited,
        "last_data_received": unanswered_for + spell,
        "last_ack_received": unanswered_for + spell,
        "segments_in": 10,
        "segments_out": 10 + retransmissions,
        "unanswered": retransmissions,
        "backoff": retransmissions,
        "unacked": 1,
    }
    return table([row | changes])


def hanging_for(seconds: float, spell: float) -> ConnectionTable:
    """
    The same connection, seconds after it sent the data, with a first timeout of 0.2 s.
    """
    timeouts = (min(0.2 * 2**n, LONGEST_TIMEOUT) for n in count())
    retransmissions, at = 0, 0.0
    for timeout in timeouts:
        if at + timeout > seconds:
            break
        retransmissions, at = retransmissions + 1, at + timeout
    return hanging(spell, 0.2, retransmissions, seconds - at, read_at=1000.0 + seconds)


def spell_of(*samples: ConnectionTable) -> float:
    """
    The known idle spell after the samples.
    """
    return float(watch(*samples)["spell"][0])


def state_of(*samples: ConnectionTable, timeout: float = 240.0) -> IdleState:
    """
    The idle state after the samples, on a path with this timeout.
    """
    verdicts = evaluate(samples[-1], watch(*samples), np.array([timeout]), near_limit_ratio=0.75)
    return IdleState(verdicts.idle_state[0])


@pytest.mark.parametrize("retransmissions", [1, 2, 5, 8])
def test_bounds_the_spell(retransmissions: int) -> None:
    """The bound is below the true spell, by less than the time without an answer."""
    spell = spell_of(hanging(500.0, 0.2, retransmissions, 0.1, busy=np.nan))
    assert 500 - 2 * 0.2 * 2**retransmissions <= spell <= 500


@pytest.mark.parametrize("retransmissions", [2, 9, 10, 15])
def test_time_with_data_in_flight_bounds_the_spell(retransmissions: int) -> None:
    """The spell is known up to the time that earlier data was in flight, for any timeout."""
    spell = spell_of(hanging(500.0, 0.2, retransmissions, 0.1))
    assert 500 - EARLIER_DATA - 1e-2 <= spell <= 500


@pytest.mark.parametrize("seconds", [0.7, 2, 29, 31, 200, 205, 330, 600, 900, 960])
@pytest.mark.parametrize("first", [[], [0.0]])
def test_stalled_to_the_end(seconds: float, first: list[float]) -> None:
    """
    From the second retransmission to the last one it is stalled, with or without earlier samples.
    """
    samples = [hanging_for(each, 300.0) for each in [*first, seconds]]
    assert state_of(*samples) == IdleState.STALLED
    assert 300 - EARLIER_DATA - 1e-2 <= spell_of(*samples) <= 300 + 1e-2


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.7, IdleState.ACTIVE),
        (29, IdleState.ACTIVE),
        (31, IdleState.UNANSWERED),
        (960, IdleState.UNANSWERED),
    ],
)
@pytest.mark.parametrize(
    ("spell", "timeout"), [(2.0, 240.0), (25.0, 240.0), (100.0, np.inf), (3600.0, np.inf)]
)
def test_unanswered(seconds: float, expected: IdleState, spell: float, timeout: float) -> None:
    """After a short spell, or on no path, it is unanswered after 30 s, to the end."""
    assert state_of(hanging_for(seconds, spell), timeout=timeout) == expected
    before = hanging_for(0.0, spell)
    assert state_of(before, hanging_for(seconds, spell), timeout=timeout) == expected


def test_unknown_spell() -> None:
    """On a kernel that does not count busy time, the spell becomes unknown at TCP_RTO_MAX."""
    late = hanging(500.0, 0.2, 10, 1.0, busy=np.nan)
    assert np.isnan(spell_of(late))
    assert state_of(late) == IdleState.UNANSWERED


@pytest.mark.parametrize(
    "changes",
    [
        {"backoff": 0},  # timeouts that do not double
        {"timer": Timer.ZERO_WINDOW},
        {"expires": 119.5},
    ],
)
def test_what_proves_nothing(changes: dict[str, float]) -> None:
    """The spell is unknown unless each timeout was twice the previous one."""
    assert np.isnan(spell_of(hanging(500.0, 0.2, 5, 1.0, busy=np.nan, **changes)))


def test_probes() -> None:
    """Unanswered probes show at least how long they have been unanswered, but not the spell."""
    probing = {"read_at": 1000.0, "cookie": 1, "timer": Timer.KEEPALIVE, "unanswered": 5}
    ages = {"last_data_sent": 700.0, "last_data_received": 700.0, "last_ack_received": 700.0}
    connection = table([probing | ages | {"expires": 8.0}])
    assert np.isnan(spell_of(connection))
    assert state_of(connection) == IdleState.UNANSWERED
    assert state_of(table([probing | ages | {"expires": 7.0}])) != IdleState.UNANSWERED


def test_is_remembered() -> None:
    """While the connection stays unanswered, the spell does not change."""
    first = hanging(500.0, 0.2, 4, 0.1)
    later = hanging(500.0, 0.2, 6, 0.1, read_at=1000.0 + 0.2 * (2**6 - 2**4))
    assert spell_of(first, later) == spell_of(first)


@given(
    st.floats(0, 1e5),
    st.floats(0.001, LONGEST_TIMEOUT),
    st.integers(1, 20),
    st.floats(0, 1),
    st.sampled_from([{}, {"busy": np.nan}]),
)
def test_never_too_long(
    spell: float, timeout: float, retransmissions: int, waited: float, busy: dict[str, float]
) -> None:
    """The bounds are never above the true spell and the true time without an answer."""
    last = min(timeout * 2**retransmissions, LONGEST_TIMEOUT)
    connection = hanging(spell, timeout, retransmissions, waited * last, **busy)
    known = watch(connection)
    assert not known["spell"][0] > spell + 1e-2
    true = connection.last_data_received[0] - spell
    assert unanswered_for(known)[0] <= true + 1e-2
