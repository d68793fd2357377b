"""
Protection and idle state of connections on a path that forgets after 240 s.
"""

from typing import Any

import numpy as np
import pytest

from exporter.analysis.verdicts import Verdicts, judge
from exporter.model import IdleState, Protection, Timer
from tests.analysis.rows import connection, table, watch

TIMEOUT = 240.0
OWN, LATE, PEER, NONE, UNKNOWN = Protection
ACTIVE, NEAR, OVER, STALLED = IdleState


def verdict(
    *samples: dict[str, Any], timeout: float = TIMEOUT
) -> tuple[Protection, IdleState, bool]:
    """
    Protection, idle state and risk of a connection after its samples.
    """
    tables = [connection(**sample) for sample in samples]
    verdicts = judge(tables[-1], watch(*tables), np.array([timeout]), 0.75)
    protection = Protection(verdicts.protection[0])
    return protection, IdleState(verdicts.idle_state[0]), bool(verdicts.at_risk[0])


@pytest.mark.parametrize(
    ("age", "expires", "expected"),
    [
        (0, 120, OWN),
        (100, 20, OWN),
        (0, 239, OWN),
        (0, 240, LATE),
        (120, 120, LATE),
        (0, 7200, LATE),
        (7000, 200, LATE),
        (239, 0, OWN),
        (240, 0, LATE),
    ],
)
def test_first_sight_of_a_keepalive_timer(age: float, expires: float, expected: Protection) -> None:
    """Keepalive is late if no probe can come before the timeout, and that at the timeout too."""
    assert verdict({"at": 1000, "age": age, "expires": expires})[0] == expected


@pytest.mark.parametrize(
    ("age", "expected"),
    [(0, ACTIVE), (179.9, ACTIVE), (180, NEAR), (239.9, NEAR), (240, OVER), (1e6, OVER)],
)
def test_idle_states(age: float, expected: IdleState) -> None:
    """Near begins at three quarters of the timeout, over at the timeout."""
    assert verdict({"at": 1000, "age": age})[1] == expected


def test_no_keepalive() -> None:
    """A connection without keepalive whose peer does not probe is protected by nothing."""
    assert verdict({"at": 1000, "age": 200}) == (NONE, NEAR, True)


def test_the_check_after_an_answered_probe_may_be_too_late() -> None:
    """With an interval longer than the timeout only the first probe of a spell is in time."""
    before = {"at": 1000, "age": 50, "expires": 10}
    after = {"at": 1015, "age": 65, "acked": 5, "expires": 295}
    assert verdict(before)[0] == OWN
    assert verdict(before, after)[0] == LATE


def test_a_stale_timer_sends_nothing() -> None:
    """A keepalive time in time does not help before the timer's next check, armed long ago."""
    exact = ({"at": 1000, "age": 50, "expires": 10}, {"at": 1015, "age": 65, "expires": 55})
    assert verdict(*exact)[0] == OWN
    probed = {"at": 1075, "age": 125, "acked": 4, "expires": 3596}
    assert verdict(*exact, probed)[0] == LATE


def test_a_lazy_check_reveals_late() -> None:
    """A connection may look protected until its timer has been checked once."""
    before = {"at": 1000, "age": 100, "expires": 10}
    after = {"at": 1015, "age": 115, "expires": 7085}
    assert verdict(before)[0] == OWN
    assert verdict(before, after)[0] == LATE


def test_the_peer_protects() -> None:
    """The peer's probes protect a connection without keepalive."""
    before = {"at": 1000, "age": 110}
    after = {"at": 1015, "age": 125, "segments_in": 11, "segments_out": 11}
    assert verdict(before, after) == (PEER, ACTIVE, False)


def test_the_peer_protects_where_our_own_is_late() -> None:
    """The peer's probes protect a connection whose own keepalive is late."""
    before = {"at": 1000, "age": 110, "expires": 7090}
    after = {"at": 1015, "age": 125, "expires": 7075, "segments_in": 11, "segments_out": 11}
    assert verdict(before, after)[0] == PEER


def test_own_goes_before_the_peer() -> None:
    """Where both ends are in time the connection counts as protected by its own keepalive."""
    before = {"at": 1000, "age": 110, "expires": 90}
    after = {"at": 1015, "age": 125, "expires": 75, "segments_in": 11, "segments_out": 11}
    assert verdict(before, after)[0] == OWN


def test_the_peer_is_late_too() -> None:
    """A peer that probes less often than the timeout does not protect."""
    before = {"at": 1000, "age": 290}
    after = {"at": 1015, "age": 305, "segments_in": 11, "segments_out": 11}
    assert verdict(before, after)[0] == NONE


@pytest.mark.parametrize("timer", [Timer.RETRANSMIT, Timer.ZERO_WINDOW])
@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ([], UNKNOWN),
        ([{"at": 1000, "age": 10, "expires": 110}], OWN),
        ([{"at": 1000, "age": 10, "expires": 7190}], LATE),
        ([{"at": 1000, "age": 10}], NONE),
    ],
)
def test_hidden(timer: Timer, before: list[dict[str, Any]], expected: Protection) -> None:
    """What is remembered of a hidden keepalive timer holds; without memory nothing is claimed."""
    hidden = {"at": 1015, "age": 25, "sent": 1, "timer": timer, "expires": 0.2, "unacked": 1}
    assert verdict(*before, hidden)[0] == expected


def test_unknown_is_not_at_risk() -> None:
    """Nobody is alerted about a connection of which nothing is known."""
    hidden = {"at": 1000, "age": 300, "timer": Timer.ZERO_WINDOW, "expires": 0.2, "unacked": 1}
    assert verdict(hidden) == (UNKNOWN, OVER, False)


def test_unanswered_probes() -> None:
    """While probes go unanswered, the time since the last receipt does not make them late."""
    before = {"at": 1000, "age": 110, "expires": 10}
    probed = {"at": 1015, "age": 125, "expires": 25, "unanswered": 1, "segments_out": 11}
    again = {"at": 1240, "age": 350, "expires": 5, "unanswered": 8, "segments_out": 18}
    assert verdict(before, probed)[0] == OWN
    assert verdict(before, probed, again)[0] == OWN


def test_no_path() -> None:
    """A connection that crosses no path is never near a limit, nor is its keepalive late."""
    assert verdict({"at": 1000, "age": 1e6}, timeout=np.inf) == (NONE, ACTIVE, False)
    sample = {"at": 1000, "age": 0, "expires": 7200}
    assert verdict(sample, timeout=np.inf) == (OWN, ACTIVE, False)


def test_no_ages() -> None:
    """Where the kernel tells no ages, a connection counts as active."""
    assert verdict({"at": 1000, "age": np.nan}) == (NONE, ACTIVE, False)


@pytest.mark.parametrize("protection", Protection)
@pytest.mark.parametrize("idle_state", IdleState)
def test_risk(protection: Protection, idle_state: IdleState) -> None:
    """At risk is near or over the limit with a late keepalive or nothing at all."""
    verdicts = Verdicts(np.array([protection], np.int8), np.array([idle_state], np.int8))
    at_risk = idle_state in (NEAR, OVER) and protection in (LATE, NONE)
    assert verdicts.at_risk.tolist() == [at_risk]


def test_each_by_its_own_path() -> None:
    """Every connection is judged by the timeout of the path it crosses."""
    two = table([{"cookie": n, "last_data_received": 200.0, "read_at": 1000.0} for n in (1, 2)])
    verdicts = judge(two, watch(two), np.array([240.0, 350.0]), 0.75)
    assert verdicts.idle_state.tolist() == [NEAR, ACTIVE]


def test_no_connections() -> None:
    """Of no connections there are no verdicts."""
    verdicts = judge(table([]), watch(table([])), np.array([]), 0.75)
    assert len(verdicts.protection) == len(verdicts.idle_state) == len(verdicts.at_risk) == 0
