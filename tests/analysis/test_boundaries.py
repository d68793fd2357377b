"""
Values at the boundaries of closure reasons, evidence, sums and verdicts.
"""

import ipaddress
from dataclasses import replace

import numpy as np
import pytest

from exporter.analysis.analyze import AnalyzedConnections, analyze
from exporter.analysis.closure_reasons import ClosureVerdicts
from exporter.analysis.coverage import dead_peer_detection
from exporter.analysis.evidence import Evidence
from exporter.analysis.history import History, HistoryRecorder
from exporter.analysis.history_table import HistoryTable
from exporter.analysis.sums import ClosureCounter
from exporter.analysis.survivals import EDGES, Survivals
from exporter.analysis.verdicts import neared_limit
from exporter.analysis.workloads import Count, TopWorkloads
from exporter.model import (
    NO_PATH,
    Direction,
    IdleBounds,
    OnTimeout,
    Path,
    Reason,
    Settings,
)
from exporter.paths.addresses import AddressSet
from exporter.paths.matching import LocalEndpoints, halves
from exporter.paths.redirects import ConnectionsWithin, EndpointSet
from tests.analysis.endings import ABORTED, CLOSED, IDLE, NAN, RESET, Event, Row, classified
from tests.analysis.rows import connection, watch
from tests.tables import connections

PATH = Path("nat", Direction.ANY, ("any",), 240.0, OnTimeout.DROP)
NOWHERE = LocalEndpoints(frozenset(), frozenset())
DATA = replace(RESET, received=5.0, acked=5.0)
"""Data was received since the last sample."""


@pytest.mark.parametrize(
    ("event", "row", "reason"),
    [
        (replace(RESET, retransmits=1, received=5.0), IDLE, Reason.RETRANSMIT_TIMEOUT),
        (replace(DATA, probes=1, send_queue=1), IDLE, Reason.RETRANSMIT_TIMEOUT),
        (replace(DATA, probes=1), IDLE, Reason.KEEPALIVE_TIMEOUT),
        (replace(DATA, receive_queue=2), IDLE, Reason.ABORT),
        (replace(DATA, receive_queue=1), IDLE, Reason.NORMAL),
        (replace(DATA, receive_queue=0), IDLE, Reason.RESET),
        (replace(ABORTED, retransmits=2), IDLE, Reason.RETRANSMIT_TIMEOUT),
        (replace(ABORTED, retransmits=1), IDLE, Reason.ABORT),
    ],
)
def test_reason(event: Event, row: Row, reason: Reason) -> None:
    """One retransmission, probe or unread byte more or less decides the reason."""
    assert Reason(classified(event, row).reason[0]) is reason


def test_one_segment_of_an_accepted_connection() -> None:
    """An accepted connection that has sent and received one segment each was established."""
    event = Event(segments_in=1, segments_out=1, bytes_acked=0, bytes_sent=0, inbound=True)
    assert classified(event).counts.tolist() == [True]
    assert classified(replace(event, segments_out=0)).counts.tolist() == [False]


@pytest.mark.parametrize(
    ("event", "row", "survived"),
    [
        (CLOSED, IDLE, 175),
        (CLOSED, replace(IDLE, peer_closed=True), 175),
        (replace(CLOSED, bytes_acked=3, receive_queue=1), IDLE, 175),
        (replace(CLOSED, bytes_acked=3), replace(IDLE, peer_closed=True), NAN),
    ],
)
def test_survived(event: Event, row: Row, survived: float) -> None:
    """
    A connection has survived if the peer's FIN, or its answer to this end's, came through after the
    last sample; a FIN that was received before that says nothing.
    """
    assert classified(event, row).survived[0] == pytest.approx(survived, nan_ok=True)


def test_reset_after_data() -> None:
    """If data came since the last sample, it is unknown whether a reset came: no evidence."""
    assert np.isnan(classified(DATA, IDLE).fatal[0])
    assert classified(RESET, IDLE).fatal[0] == pytest.approx(200, abs=0.1)


def closed(fatal: list[float], survived: list[float]) -> ClosureVerdicts:
    """
    Resets after these spells, and connections closed in order after these.
    """
    number = len(fatal) + len(survived)
    reasons = [Reason.RESET] * len(fatal) + [Reason.NORMAL] * len(survived)
    return ClosureVerdicts(
        reason=np.array(reasons, np.int8),
        spell=np.zeros(number),
        survived=np.array([NAN] * len(fatal) + survived),
        fatal=np.array(fatal + [NAN] * len(survived)),
        lost_at=np.zeros(number),
        counts=np.ones(number, np.bool_),
    )


def bounds(fatal: list[float], survived: list[float], *minutes: float) -> IdleBounds:
    """
    The bounds after closures at each of the minutes, all with one server.
    """
    evidence = Evidence()
    for minute in minutes or (0.0,):
        closures = closed(fatal, survived)
        server = halves(ipaddress.ip_address("203.0.113.1"))
        remote = np.array([server] * len(closures.reason), np.uint64)
        nowhere = np.zeros(len(remote), np.int16)
        evidence.note_closures(closures, remote, nowhere, (PATH,), 60 * minute)
    return evidence.bounds(PATH, 60 * max(minutes, default=0.0))


def test_idle_drops() -> None:
    """A spell of near_limit is an idle drop, unless it is unknown or the connection was closed."""
    closures = replace(closed([200.0] * 3, [200.0]), spell=np.array([180.0, 179.9, NAN, 180.0]))
    assert closures.idle_drops(np.full(4, 180.0)).tolist() == [True, False, False, False]


def test_shortest_and_longest_spells() -> None:
    """Spells count from one second on, fatal ones up to a day."""
    assert bounds([], [1.0] * 3).survived == EDGES[0]
    assert bounds([], [0.99] * 3).survived is None
    assert bounds([], [1.0] * 2).survived is None
    assert bounds([1.0], [], 0, 1, 2).fatal == EDGES[1]
    assert bounds([0.99], [], 0, 1, 2).fatal is None
    longest = float(EDGES[-1])
    assert bounds([longest - 1], [], 0, 1, 2).fatal == longest
    assert bounds([longest], [], 0, 1, 2).fatal is None
    assert bounds([], [longest] * 3).survived == EDGES[-2]


def test_every_minute_counts() -> None:
    """Three different minutes are enough, whichever they are."""
    for first in range(70):
        assert bounds([100.0], [], first, first + 0.9, first + 1).fatal is None
        assert bounds([100.0], [], first, first + 1, first + 2).fatal is not None


def test_paths_of_spells() -> None:
    """Only paths with survived spells are returned; those on no path are not counted."""
    survivals = Survivals((PATH, replace(PATH, name="other")))
    path_of = np.array([0, 0, -1, 1], np.int16)
    survivals.add(path_of, np.array([1.0, 0.9, 50.0, np.nan]))
    ((name, counts),) = survivals.by_path()
    assert (name, counts.sum(), counts[0]) == ("nat", 1, 1)
    assert survivals.receiving == {"nat"}


def test_closure_sums() -> None:
    """near_limit is a bucket; idle drops are those on paths, for their three reasons."""
    sums = ClosureCounter((PATH,), 0.75).sums(7)
    assert sums.lost == 7
    assert sums.idle["nat", Reason.NORMAL].edges == (180, 240, 600)
    reasons = (Reason.RESET, Reason.KEEPALIVE_TIMEOUT, Reason.RETRANSMIT_TIMEOUT)
    assert sums.idle_drops == {("nat", reason): 0 for reason in reasons}
    assert {path for path, _ in sums.idle} == {"nat", NO_PATH}


def test_one_probe_of_a_negative_interval() -> None:
    """With an impossible interval, even a single probe is never followed by the end."""
    settings = Settings(120, -1, 1, data_retransmissions=15, configured=frozenset())
    assert dead_peer_detection(settings) == np.inf
    assert dead_peer_detection(replace(settings, probes=0)) == 120


@pytest.mark.parametrize(("idle", "expected"), [(180.0, True), (179.5, False)])
def test_neared_limit(idle: float, expected: bool) -> None:
    """near_limit is reached exactly at three quarters of the timeout."""
    known, past = HistoryTable.unknown(1), HistoryTable.unknown(1)
    known["read_at"] = np.array([1000.0])
    known["active_at"] = np.array([1000.0 - idle])
    assert neared_limit(known, past, np.array([180.0])).tolist() == [expected]


def test_weight_of_hanging_connections() -> None:
    """Hanging connections weigh as much as those at risk; of equal workloads, the first by name."""
    counts = {"a": Count(5), "b": Count(1, 0, 1), "c": Count(1, 1, 1), "d": Count(5)}
    assert set(TopWorkloads(2).choose(counts)) == {"b", "c", "(other)"}
    assert set(TopWorkloads(3).choose(dict(reversed(counts.items())))) == {"a", "b", "c", "(other)"}


def analyzed(*endpoints: LocalEndpoints) -> AnalyzedConnections:
    """
    An idle connection after a sample with each of the local endpoints.
    """
    history = History()
    for number, each in enumerate(endpoints):
        recorder = HistoryRecorder(history)
        sample = connection(1000.0 + number, 10.0 + number)
        result = analyze(sample, recorder, (PATH,), each, 0.75)
        history = recorder.finish(1000.0 + number, ())
    return result


def test_what_is_remembered_of_a_connection() -> None:
    """
    A port that was listened on, and a redirection, are remembered, even if the server has ended.
    """
    listening = replace(NOWHERE, listening_ports=frozenset({40000}))
    assert analyzed(listening, NOWHERE).inbound.tolist() == [True]
    assert analyzed(NOWHERE, listening).inbound.tolist() == [True]
    assert analyzed(NOWHERE).inbound.tolist() == [False]

    redirecting = replace(NOWHERE, redirected=redirected())
    assert analyzed(NOWHERE).path_of.tolist() == [0]
    assert analyzed(redirecting).path_of.tolist() == [-1]
    assert analyzed(redirecting, NOWHERE).path_of.tolist() == [-1]
    assert analyzed(NOWHERE, redirecting).path_of.tolist() == [-1]
    own = replace(NOWHERE, own_addresses=frozenset({halves(ipaddress.ip_address("203.0.113.10"))}))
    assert analyzed(own).path_of.tolist() == [-1]


def test_multipath() -> None:
    """
    That a connection is a subflow of Multipath TCP is remembered until it is closed.
    """
    known = watch(replace(connection(1000.0), mptcp=np.ones(1, np.bool_)))
    assert known["mptcp"].tolist() == [True]


@pytest.mark.parametrize(("previous", "expected"), [(0.0, True), (np.nan, False)])
def test_watched_from_start(previous: float, *, expected: bool) -> None:
    """
    A connection that a previous sample did not have was opened after that.
    """
    known = watch(connection(1000.0), opened_after=previous)
    assert known["watched_from_start"].tolist() == [expected]


def redirected() -> EndpointSet:
    """
    The local end of the connection in analyzed().
    """
    within = ConnectionsWithin(AddressSet([halves(ipaddress.ip_address("10.0.0.4"))]))
    within.add(connections(("127.0.0.1:15001", "10.0.0.4:40000")), np.ones(1, np.bool_))
    return within.redirected()
