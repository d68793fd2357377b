"""
The busiest destination of each path with SNAT ports.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from exporter.analysis.destinations import DestinationCounter
from exporter.model import Direction, OnTimeout, Path
from tests.tables import connections

PATHS = tuple(
    Path(name, Direction.ANY, ("any",), 240.0, OnTimeout.DROP, snat_ports=ports)
    for name, ports in (("nat", 1024), ("unlimited", None), ("gateway", 64))
)
REMOTES = st.sampled_from(
    ("203.0.113.1:443", "203.0.113.1:80", "203.0.113.2:443", "[2001:db8::1]:443", "[2001:db8::2]:1")
)
CONNECTIONS = st.lists(st.tuples(REMOTES, st.booleans(), st.booleans()), max_size=20)
"""The remote end of each, and whether it crosses the paths nat and gateway."""


def add(counter: DestinationCounter, remotes: Sequence[str], *crosses: Sequence[bool]) -> None:
    """
    Count connections to these remotes; crosses has for each whether it crosses nat and gateway.
    """
    table = connections(*(("[fd00::1]:1" if "[" in to else "10.0.0.4:1", to) for to in remotes))
    counter.add(table, np.array(crosses, np.bool_).reshape(-1, 2))


@given(st.lists(CONNECTIONS, max_size=4))
def test_largest_number(tables: list[list[tuple[str, bool, bool]]]) -> None:
    """
    Over all tables together, the number is that of a count by address and port.
    """
    counter = DestinationCounter(PATHS)
    expected: list[Counter[str]] = [Counter(), Counter()]
    for rows in tables:
        add(counter, [remote for remote, *_ in rows], *(crosses for _, *crosses in rows))
        for remote, *crosses in rows:
            for count, crossed in zip(expected, crosses, strict=True):
                count[remote] += crossed
    largest = [max(count.values(), default=0) for count in expected]
    assert counter.busiest() == {"nat": largest[0], "gateway": largest[1]}


def test_without_ports() -> None:
    """
    Without a path with SNAT ports, nothing is counted.
    """
    counter = DestinationCounter(PATHS[1:2])
    counter.add(connections(("10.0.0.4:1", "203.0.113.1:443")), np.zeros((1, 0), np.bool_))
    assert counter.busiest() == {}


def test_copies_are_independent() -> None:
    """
    What is added to a copy, or to the original afterwards, is not in the other.
    """
    counter = DestinationCounter(PATHS)
    add(counter, ["203.0.113.1:443"], (True, False))
    other = counter.copy()
    add(other, ["203.0.113.1:443"] * 2, (True, True), (True, True))
    add(counter, ["203.0.113.2:443"], (False, True))
    assert counter.busiest() == {"nat": 1, "gateway": 1}
    assert other.busiest() == {"nat": 3, "gateway": 2}
