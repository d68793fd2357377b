"""
Protection and idle state of connections on a path with a timeout of 240 s.
"""

from typing import Any

import numpy as np
import pytest

from exporter.analysis.verdicts import Verdicts, evaluate
from exporter.model import IdleState, Protection, Timer
from tests.analysis.rows import connection, table, watch

TIMEOUT = 240.0
OWN, LATE, PEER, NONE, UNKNOWN = Protection
ACTIVE, NEAR, OVER, STALLED, UNANSWERED, PEER_CLOSED = IdleState


def verdict(
    *samples: dict[str, Any], timeout: float = TIMEOUT, opened_after: float = np.nan
) -> tuple[Protection, IdleState, bool]:
    """
    Protection, idle state and risk of a connection after its samples. It was opened before the
    first of them or, if opened_after is given, after that time.
    """
    tables = [connection(**sample) for sample in samples]
    known = watch(*tables, opened_after=opened_after)
    verdicts = evaluate(tables[-1], known, np.array([timeout]), 0.75)
    protection = Protection(verdicts.protection[0])
    return protection, IdleState(verdicts.idle_state[0]), bool(verdicts.at_risk[0])


@pytest.mark.parametrize(
    ("age", "expires", "expected"),
    [
        (0, 120, OWN),
        (100, 20, OWN),
        (0, 212, OWN),
        (0, 213, UNKNOWN),  # the timer may fire 8/63 later
        (0, 239, UNKNOWN),
        (212, 0, OWN),
        (239, 0, UNKNOWN),
        (0, 240, LATE),
        (120, 120, LATE),
        (0, 7200, LATE),
        (7000, 200, LATE),
        (240, 0, LATE),
    ],
)
def test_first_sight_of_a_keepalive_timer(age: float, expires: float, expected: Protection) -> None:
    """
    Keepalive is late if no probe is sent before the timeout; a probe at the timeout is late.

    Both are known only if the connection was opened while the exporter was watching. Otherwise the
    timer may have been armed earlier, and the peer may probe.
    """
    sample = {"at": 1000, "age": age, "expires": expires}
    assert verdict(sample, opened_after=1000 - age)[0] == expected
    assert verdict(sample)[0] == UNKNOWN


def test_another_timer_hides_keepalive() -> None:
    """A retransmission timer says nothing about the next probe: what was known stays."""
    on = {"at": 1000, "age": 10, "expires": 100}
    sending = {"at": 1015, "age": 25, "timer": Timer.RETRANSMIT, "expires": 300, "sent": 0.1}
    assert verdict(on, sending, opened_after=985)[0] == OWN


def test_presumed_of_a_connection_that_the_peer_has_closed() -> None:
    """Whether its peer probes does not matter."""
    closed = connection(1000, 300, state=8)
    verdicts = evaluate(closed, watch(closed), np.array([TIMEOUT]), 0.75)
    assert verdicts.without_peer.tolist() == [NONE]


@pytest.mark.parametrize(("watched", "expected"), [(179, UNKNOWN), (180, LATE)])
def test_late_without_a_peer(watched: float, expected: Protection) -> None:
    """Keepalive is late, and a risk, only once probes from the peer are excluded."""
    first = {"at": 1000, "age": 300, "expires": 5000}
    later = {"at": 1000 + watched, "age": 300 + watched, "expires": 5000 - watched}
    assert verdict(first)[0] == UNKNOWN
    assert verdict(first, later) == (expected, OVER, expected is LATE)
    sample = connection(1000, 300, expires=5000)
    verdicts = evaluate(sample, watch(sample), np.array([TIMEOUT]), 0.75)
    assert (verdicts.protection[0], verdicts.without_peer[0]) == (UNKNOWN, LATE)


@pytest.mark.parametrize(("since", "expected"), [(900, OWN), (886, UNKNOWN)])
def test_opened_between_two_samples(since: float, expected: Protection) -> None:
    """The timer may have been armed at any time since the sample before."""
    sample = {"at": 1000, "age": 1, "expires": 112}
    assert verdict(sample, opened_after=since)[0] == expected


def test_hidden_at_first() -> None:
    """A timer that is hidden at first sight has been armed since the connection was opened."""
    hidden = {"at": 1000, "age": 0, "timer": Timer.RETRANSMIT, "expires": 0.2, "unacked": 1}
    visible = {"at": 1015, "age": 15, "expires": 105}
    assert verdict(hidden, visible, opened_after=995)[0] == OWN
    assert verdict(hidden, visible)[0] == UNKNOWN


def test_first_seen_with_unanswered_probes() -> None:
    """Unanswered probes do not tell whether the first one was in time."""
    sample = {"at": 1000, "age": 400, "expires": 20, "unanswered": 3}
    assert verdict(sample)[0] == UNKNOWN


def test_a_check_proves_in_time() -> None:
    """A timer seen to be armed again while nothing was received shows the keepalive time."""
    before = {"at": 1000, "age": 110, "expires": 10}
    after = {"at": 1015, "age": 125, "acked": 5, "expires": 70, "segments_in": 11}
    assert verdict(before)[0] == UNKNOWN
    assert verdict(before, after)[0] == OWN


def test_switched_on() -> None:
    """A timer that was not running at the sample before has been armed since."""
    off = {"at": 1000, "age": 10}
    on = {"at": 1015, "age": 25, "expires": 115}
    assert verdict(off, on)[0] == OWN
    assert verdict(off, on | {"expires": 250}, opened_after=990)[0] == LATE


@pytest.mark.parametrize(
    ("age", "expected"),
    [(0, ACTIVE), (179.9, ACTIVE), (180, NEAR), (239.9, NEAR), (240, OVER), (1e6, OVER)],
)
def test_idle_states(age: float, expected: IdleState) -> None:
    """near_limit starts at three quarters of the timeout, over_limit at the timeout."""
    assert verdict({"at": 1000, "age": age})[1] == expected


@pytest.mark.parametrize("path", [{}, {"timeout": np.inf}])
@pytest.mark.parametrize("keepalive", [{}, {"expires": 20}, {"expires": 7200}])
@pytest.mark.parametrize("hanging", [{}, {"unanswered": 9, "unacked": 1}])
def test_closed_by_the_peer(
    path: dict[str, float], keepalive: dict[str, float], hanging: dict[str, int]
) -> None:
    """Nothing refreshes or loses a connection that its peer has closed, so it is not at risk."""
    sample = {"at": 1000, "age": 1000, "state": 8, **keepalive, **hanging}
    assert verdict(sample, **path) == (NONE, PEER_CLOSED, False)


def test_no_keepalive() -> None:
    """Without keepalive and without probes from the peer, protection is none."""
    assert verdict({"at": 1000, "age": 200}, opened_after=790) == (NONE, NEAR, True)


def test_peer_may_have_probed_before() -> None:
    """
    After a start, the peer's probes are excluded only once none came for near_limit.
    """
    first = {"at": 1000, "age": 500}
    assert verdict(first) == (UNKNOWN, OVER, False)
    assert verdict(first, {"at": 1179, "age": 679}) == (UNKNOWN, OVER, False)
    assert verdict(first, {"at": 1180, "age": 680}) == (NONE, OVER, True)


def test_one_probe_is_not_enough() -> None:
    """
    After a start, the peer's first probe does not tell how often it probes.
    """
    first = {"at": 1000, "age": 500}
    probed = {"at": 1170, "age": 670, "segments_in": 11, "segments_out": 11}
    later = {"at": 1340, "age": 840, "segments_in": 11, "segments_out": 11}
    again = {"at": 1340, "age": 840, "segments_in": 12, "segments_out": 12}
    never = {"at": 1355, "age": 855, "segments_in": 11, "segments_out": 11}
    assert verdict(first, probed)[0] == UNKNOWN
    assert verdict(first, probed, later)[0] == UNKNOWN
    assert verdict(first, probed, again)[0] == UNKNOWN  # 170 s, up to two samples more
    assert verdict(first, probed, later, never)[0] == NONE


def test_the_check_after_an_answered_probe_may_be_too_late() -> None:
    """With an interval longer than the timeout, only the first probe of a spell is in time."""
    before = {"at": 1000, "age": 50, "expires": 10}
    after = {"at": 1015, "age": 65, "acked": 5, "expires": 295}
    assert verdict(before, opened_after=950)[0] == OWN
    assert verdict(before, after, opened_after=950)[0] == LATE


def test_a_stale_timer_sends_nothing() -> None:
    """A short keepalive time has no effect before the next check of a timer armed long ago."""
    exact = ({"at": 1000, "age": 50, "expires": 10}, {"at": 1015, "age": 65, "expires": 55})
    assert verdict(*exact)[0] == OWN
    probed = {"at": 1075, "age": 125, "acked": 4, "expires": 3596}
    assert verdict(*exact, probed, opened_after=950)[0] == LATE


def test_a_lazy_check_reveals_late() -> None:
    """After a start, protection is unknown until the first check of the timer."""
    before = {"at": 1000, "age": 100, "expires": 10}
    after = {"at": 1015, "age": 115, "expires": 7085}
    assert verdict(before)[0] == UNKNOWN
    assert verdict(before, after)[0] == UNKNOWN
    assert verdict(before, after, opened_after=900)[0] == LATE


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
    """If both ends are in time, protection is own."""
    before = {"at": 1000, "age": 110, "expires": 90}
    after = {"at": 1015, "age": 125, "expires": 75, "segments_in": 11, "segments_out": 11}
    assert verdict(before, after, opened_after=890)[0] == OWN


def test_the_peer_is_late_too() -> None:
    """A peer that probes less often than the timeout does not protect."""
    before = {"at": 1000, "age": 290}
    after = {"at": 1015, "age": 305, "segments_in": 11, "segments_out": 11}
    assert verdict(before, after, opened_after=700)[0] == NONE


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
    """If the timer is hidden, the earlier verdict is kept; without one, protection is unknown."""
    hidden = {"at": 1015, "age": 25, "sent": 1, "timer": timer, "expires": 0.2, "unacked": 1}
    assert verdict(*before, hidden, opened_after=990 if before else np.nan)[0] == expected


def test_unknown_is_not_at_risk() -> None:
    """A connection with unknown protection is not at risk."""
    hidden = {"at": 1000, "age": 300, "timer": Timer.ZERO_WINDOW, "expires": 0.2, "unacked": 1}
    assert verdict(hidden) == (UNKNOWN, OVER, False)


def test_unanswered_probes() -> None:
    """While probes are unanswered, the time since the last receipt does not make them late."""
    before = {"at": 1000, "age": 110, "expires": 10}
    probed = {"at": 1015, "age": 125, "expires": 25, "unanswered": 1, "segments_out": 11}
    again = {"at": 1240, "age": 350, "expires": 5, "unanswered": 8, "segments_out": 18}
    assert verdict(before, probed)[0] == OWN
    assert verdict(before, probed, again)[0] == OWN


def test_no_path() -> None:
    """A connection that crosses no path is always active, and its keepalive never late."""
    assert verdict({"at": 1000, "age": 1e6}, timeout=np.inf) == (NONE, ACTIVE, False)
    sample = {"at": 1000, "age": 0, "expires": 7200}
    assert verdict(sample, timeout=np.inf) == (OWN, ACTIVE, False)


def test_no_ages() -> None:
    """Without ages, a connection is active."""
    assert verdict({"at": 1000, "age": np.nan}, opened_after=990) == (NONE, ACTIVE, False)


@pytest.mark.parametrize("protection", Protection)
@pytest.mark.parametrize("idle_state", IdleState)
def test_risk(protection: Protection, idle_state: IdleState) -> None:
    """At risk means near or over the limit with protection late or none."""
    column = np.array([protection], np.int8)
    verdicts = Verdicts(column, np.array([idle_state], np.int8), column)
    at_risk = idle_state in (NEAR, OVER) and protection in (LATE, NONE)
    assert verdicts.at_risk.tolist() == [at_risk]


def test_each_by_its_own_path() -> None:
    """The verdict on each connection uses the timeout of its path."""
    two = table([{"cookie": n, "last_data_received": 200.0, "read_at": 1000.0} for n in (1, 2)])
    verdicts = evaluate(two, watch(two), np.array([240.0, 350.0]), 0.75)
    assert verdicts.idle_state.tolist() == [NEAR, ACTIVE]


def test_no_connections() -> None:
    """An empty table has no verdicts."""
    verdicts = evaluate(table([]), watch(table([])), np.array([]), 0.75)
    assert len(verdicts.protection) == len(verdicts.idle_state) == len(verdicts.at_risk) == 0
