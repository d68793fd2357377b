"""
Filters, order and pages of a selection.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

from exporter.analysis.analyze import AnalyzedConnections, analyze
from exporter.analysis.exact_options import with_options
from exporter.analysis.history import History, HistoryRecorder
from exporter.connections.query import Query, Remote, Sort, UnknownPathError, parse_remote
from exporter.connections.selection import Selection
from exporter.model import NO_PATH, Direction, OnTimeout, Path, Risk, SocketOptions, Timer
from exporter.paths.matching import LocalEndpoints
from tests.analysis.rows import table
from tests.tables import connections

PATHS = tuple(
    Path(name, Direction.ANY, (remote,), timeout, OnTimeout.DROP)
    for name, remote, timeout in (("office", "10.0.0.0/8", 600.0), ("internet", "public", 240.0))
)
NAMES = {1: "a.service", 2: "shop/cart", 3: "(unknown)"}
ALL = Query(everything=True)
NETNS = "host"

# cookie: remote, idle, expires (None: no keepalive), cgroup
KINDS: dict[int, tuple[str, float, float | None, int]] = {
    1: ("203.0.113.1:443", 300.0, None, 1),  # at risk
    2: ("203.0.113.2:443", 200.0, None, 2),  # at risk, nearer to its limit than 3
    3: ("10.0.0.9:5432", 460.0, None, 1),  # at risk
    4: ("203.0.113.1:80", 5.0, None, 2),  # unprotected
    5: ("203.0.113.1:80", 100.0, 20.0, 3),  # safe
    6: ("192.168.0.1:22", 1000.0, None, 1),  # no path
}


def judged(kinds: dict[int, tuple[str, float, float | None, int]] = KINDS) -> AnalyzedConnections:
    """
    The connections, analyzed without history.
    """
    ends = connections(*(("10.0.0.4:40000", remote) for remote, *_ in kinds.values()))
    rows: list[dict[str, Any]] = [
        {
            "cookie": cookie,
            "local": ends.local[index],
            "remote": ends.remote[index],
            "remote_port": ends.remote_port[index],
            "timer": Timer.NONE if expires is None else Timer.KEEPALIVE,
            "expires": expires or 0.0,
            "last_data_sent": idle,
            "last_data_received": idle,
            "last_ack_received": idle,
            "read_at": 2000.0,
            "cgroup": cgroup,
        }
        for index, (cookie, (_, idle, expires, cgroup)) in enumerate(kinds.items())
    ]
    nowhere = LocalEndpoints(frozenset(), frozenset())
    return analyze(table(rows), HistoryRecorder(History(taken_at=1890)), PATHS, nowhere, 0.75)


def names(cgroups: Collection[int]) -> dict[int, str]:
    """
    Workload names by cgroup, with one that was not requested.
    """
    return {cgroup: NAMES[cgroup] for cgroup in cgroups} | {99: "of an earlier listing"}


def found(query: Query, *parts: AnalyzedConnections) -> list[int]:
    """
    The cookies of the selected connections, in order.
    """
    selection = Selection(query, PATHS, names)
    for part in parts or (judged(),):
        selection.add(NETNS, part)
    page = selection.page()
    return [] if page is None else page.judged.table.cookie.tolist()


def test_highest_risk_first() -> None:
    """By default only risky connections are selected, those closest to their timeout first."""
    assert found(Query()) == [1, 2, 3, 4]
    assert found(ALL) == [1, 2, 3, 4, 5, 6]


def test_closed_by_the_peer() -> None:
    """
    Connections that the peer has closed are selected after others, also on no path.
    """
    known = judged()
    state = np.where(np.isin(known.table.cookie, [1, 6]), 8, 1).astype(np.uint8)
    nowhere = LocalEndpoints(frozenset(), frozenset())
    recorder = HistoryRecorder(History())
    closed = analyze(replace(known.table, state=state), recorder, PATHS, nowhere, 0.75)
    assert found(Query(), closed) == [2, 3, 4, 1, 6]


def test_counts() -> None:
    """All connections are counted by risk, and the matching ones separately."""
    selection = Selection(Query(limit=1), PATHS, names)
    selection.add(NETNS, judged())
    assert selection.by_risk == Counter(
        {Risk.AT_RISK: 3, Risk.UNPROTECTED: 1, Risk.SAFE: 1, Risk.NO_PATH: 1}
    )
    assert selection.by_risk.total() == 6
    assert selection.matching == 4


@pytest.mark.parametrize(
    ("query", "cookies"),
    [
        (Query(path="office"), [3]),
        (Query(path="internet"), [1, 2, 4]),
        (Query(everything=True, path=NO_PATH), [6]),
        (Query(workload="a.service"), [1, 3]),
        (Query(workload="*/*"), [2, 4]),
        (Query(workload="?.service", path="office"), [3]),
        (Query(workload="b*"), []),
        (Query(everything=True, workload="(unknown)"), [5]),
        (Query(remote=parse_remote("203.0.113.1")), [1, 4]),
        (Query(remote=parse_remote(":443")), [1, 2]),
        (Query(remote=parse_remote("203.0.113.1:80")), [4]),
        (Query(everything=True, remote=Remote("private")), [3, 6]),
        (Query(everything=True, remote=Remote("public")), [1, 2, 4, 5]),
        (Query(remote=parse_remote("2001:db8::/32")), []),
    ],
)
def test_filters(query: Query, cookies: list[int]) -> None:
    """A connection must match every filter."""
    assert found(query) == cookies


@pytest.mark.parametrize(
    ("sort", "cookies"),
    [
        (Sort.RISK, [1, 2, 3, 4, 5, 6]),
        (Sort.IDLE, [6, 3, 1, 2, 5, 4]),
        (Sort.WORKLOAD, [5, 1, 3, 6, 2, 4]),
        (Sort.PATH, [3, 1, 2, 4, 5, 6]),
        (Sort.REMOTE, [3, 6, 4, 5, 1, 2]),
    ],
)
def test_orders(sort: Sort, cookies: list[int]) -> None:
    """Sort orders; among equals the highest risk is first."""
    assert found(Query(everything=True, sort=sort)) == cookies


def test_pages() -> None:
    """A page does not depend on how the connections are split into tables."""
    parts = [judged({cookie: kind}) for cookie, kind in KINDS.items()]
    for offset in range(8):
        for limit in (1, 2, 10):
            query = Query(everything=True, offset=offset, limit=limit)
            expected = [1, 2, 3, 4, 5, 6][offset : offset + limit]
            assert found(query) == found(query, *parts) == expected


def test_many() -> None:
    """Out of many tables, the first connections in order are kept, up to the limit."""
    kinds = {
        cookie: ("203.0.113.1:443", float(np.random.default_rng(cookie).uniform(0, 1000)), None, 1)
        for cookie in range(1, 3001)
    }
    ranked = sorted(kinds, key=lambda cookie: -kinds[cookie][1])
    parts = [
        judged({cookie: kinds[cookie] for cookie in range(first, first + 300)})
        for first in range(1, 3001, 300)
    ]
    assert found(Query(limit=20, offset=5), *parts) == ranked[5:25]


def test_namespaces() -> None:
    """Each connection has the label of its network namespace."""
    selection = Selection(Query(limit=3), PATHS, names)
    for netns, cookies in (("host", (4, 2)), ("web", (5, 1)), ("db", (3,))):
        selection.add(netns, judged({cookie: KINDS[cookie] for cookie in cookies}))
    page = selection.page()
    assert page is not None
    assert list(zip(page.judged.table.cookie.tolist(), page.netns, strict=True)) == [
        (1, "web"),
        (2, "host"),
        (3, "db"),
    ]


def test_decided_by_options() -> None:
    """
    A connection that probes at first sight is listed if its exact options show a problem. It is
    counted once: where its verdict was before, or where it is then.
    """
    probing = judged({1: KINDS[1], 5: KINDS[5]})
    unanswered = np.array([0, 1], np.uint8)
    nowhere = LocalEndpoints(frozenset(), frozenset())
    sample = replace(probing.table, unanswered=unanswered)
    judgement = analyze(sample, HistoryRecorder(History()), PATHS, nowhere, 0.75)
    late = SocketOptions(keepalive=True, time=60, interval=600, probes=9, user_timeout=0)
    for exact, listed, counts in (
        (None, [1], {Risk.AT_RISK: 1, Risk.UNKNOWN: 1}),
        (late, [1, 5], {Risk.AT_RISK: 1, Risk.UNPROTECTED: 1}),
    ):
        selection = Selection(Query(), PATHS, names)
        selection.add(NETNS, judgement)
        selection.decide(partial(_with_options, exact))
        page = selection.page()
        assert page is not None
        assert sorted(page.judged.table.cookie.tolist()) == listed
        assert selection.by_risk == Counter(counts)
        assert selection.matching == len(listed)


def _with_options(exact: SocketOptions | None, part: AnalyzedConnections) -> AnalyzedConnections:
    return with_options(part, [exact] * len(part.table), np.full(len(part.table), 240.0), 0.75)


def test_copy() -> None:
    """Adding to a copy does not change the original."""
    selection = Selection(Query(), PATHS, names)
    selection.add(NETNS, judged({1: KINDS[1]}))
    selection.copy().add(NETNS, judged({2: KINDS[2]}))
    page = selection.page()
    assert page is not None
    assert (page.judged.table.cookie.tolist(), page.netns) == ([1], [NETNS])
    assert selection.by_risk.total() == selection.matching == 1


def test_no_such_path() -> None:
    """An unknown path is an error that lists the allowed ones."""
    with pytest.raises(UnknownPathError, match=r"path 'azure'; .*office, internet, none"):
        Selection(Query(path="azure"), PATHS, names)


def test_nothing() -> None:
    """Without connections, there is no page."""
    selection = Selection(ALL, PATHS, names)
    assert selection.page() is None
    assert selection.by_risk.total() == selection.matching == 0
