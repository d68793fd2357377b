"""
Connections grouped by destination.
"""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.analysis.analyze import analyze
from exporter.analysis.exact_options import with_options
from exporter.analysis.history import History, HistoryRecorder
from exporter.connections.destinations import Destination, Destinations
from exporter.connections.query import Query, parse_remote
from exporter.model import SocketOptions
from exporter.paths.matching import LocalEndpoints
from tests.connections.test_selection import ALL, NETNS, PATHS, judged, names

OFFICE, INTERNET = PATHS
NAMES = {1: "a.service", 2: "shop/cart", 3: "(unknown)", 4: "b.service"}
REMOTES = (
    "203.0.113.1:443",
    "203.0.113.1:80",
    "203.0.113.2:443",
    "10.0.0.9:443",
    "192.168.0.1:443",
)
Kind = tuple[str, float, float | None, int]
PROBING: Kind = ("203.0.113.1:443", 100.0, 20.0, 3)
KINDS = st.tuples(
    st.sampled_from(REMOTES),
    st.sampled_from((5.0, 200.0, 300.0, 500.0)),
    st.just(None),
    st.integers(1, 4),
)


def grouped(query: Query, *parts: list[Kind]) -> tuple[list[Destination], int]:
    """
    The destinations of these connections, and the number of all, in tables of several namespaces.
    """
    matches = Destinations(query, PATHS, names)
    for number, part in enumerate(parts):
        matches.add(f"{NETNS}{number}", judged(dict(enumerate(part, 1))))
    assert matches.cgroups() <= NAMES.keys()
    return matches.most_connections(NAMES)


def test_nothing() -> None:
    """
    Without a match there are no destinations.
    """
    assert grouped(ALL) == ([], 0)
    assert grouped(Query(), [("192.168.0.1:22", 5.0, None, 1)]) == ([], 0)


def test_a_destination() -> None:
    """
    A destination has the numbers of connections of all namespaces, and the workloads with most.
    """
    here: list[Kind] = [
        ("203.0.113.1:443", 300.0, None, 2),
        ("203.0.113.1:443", 200.0, None, 2),
        ("10.0.0.9:443", 5.0, None, 1),
        ("203.0.113.1:443", 250.0, None, 1),
    ]
    there: list[Kind] = [("203.0.113.1:443", 5.0, None, cgroup) for cgroup in (1, 2, 3, 4)]
    first, second = grouped(ALL, here, there)[0]
    assert first == Destination(
        remote="203.0.113.1",
        remote_port=443,
        path=INTERNET,
        connections=7,
        near_limit=1,
        over_limit=2,
        workloads=(("shop/cart", 3), ("a.service", 2), ("(unknown)", 1)),
    )
    assert (second.path, second.connections) == (OFFICE, 1)


@given(st.lists(st.lists(KINDS, max_size=9), max_size=3))
def test_every_connection_is_counted_once(parts: list[list[Kind]]) -> None:
    """
    The numbers are those of a count one by one; the highest is first.
    """
    found, number = grouped(ALL, *parts)
    expected = Counter(remote for part in parts for remote, *_ in part)
    assert {f"{each.remote}:{each.remote_port}": each.connections for each in found} == expected
    assert number == len(expected)
    numbers = [each.connections for each in found]
    assert numbers == sorted(numbers, reverse=True)


def test_limit() -> None:
    """
    A limit applies to the destinations, all of which are still numbered.
    """
    many: list[Kind] = [(f"203.0.113.1:{port}", 5.0, None, 1) for port in (1, 2, 3, 3)]
    found, number = grouped(replace(ALL, limit=2), many)
    assert [(each.remote_port, each.connections) for each in found] == [(3, 2), (1, 1)]
    assert number == 3


@pytest.mark.parametrize(
    ("query", "ports"),
    [
        (Query(), {1}),  # the other one is on no path
        (ALL, {1, 2}),
        (Query(everything=True, remote=parse_remote(":2")), {2}),
        (Query(everything=True, path="internet"), {1}),
        (Query(everything=True, workload="shop/*"), {2}),
    ],
)
def test_filters(query: Query, ports: set[int]) -> None:
    """
    The filters are those of the list of connections.
    """
    kinds: list[Kind] = [("203.0.113.1:1", 300.0, None, 1), ("192.168.0.1:2", 5.0, None, 2)]
    assert {each.remote_port for each in grouped(query, kinds)[0]} == ports


def test_decided_by_options() -> None:
    """
    A connection whose exact options show a problem counts in its destination.
    """
    table = replace(judged({1: PROBING}).table, unanswered=np.array([1], np.uint8))
    nowhere = LocalEndpoints(frozenset(), frozenset())
    probing = analyze(table, HistoryRecorder(History()), PATHS, nowhere, 0.75)
    late = SocketOptions(keepalive=True, time=60, interval=600, probes=9, user_timeout=0)
    matches = Destinations(Query(), PATHS, names)
    matches.add(NETNS, probing)
    assert matches.most_connections(NAMES) == ([], 0)
    matches.decide(lambda part: with_options(part, [late], np.array([240.0]), 0.75))
    (found,), _ = matches.most_connections(NAMES)
    assert (found.remote, found.connections) == ("203.0.113.1", 1)


def test_copies_are_independent() -> None:
    """
    What is added to a copy is not in the original.
    """
    matches = Destinations(ALL, PATHS, names)
    other = matches.copy()
    other.add(NETNS, judged({1: PROBING}))
    assert matches.most_connections(NAMES) == ([], 0)
    assert other.most_connections(NAMES)[1] == other.matching == 1
