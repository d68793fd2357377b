"""
Connections that are redirected on this host.
"""

import ipaddress
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from exporter.model import TcpState
from exporter.paths.addresses import AddressSet
from exporter.paths.matching import LocalEndpoints, halves, is_redirected
from exporter.paths.redirects import ConnectionsWithin, EndpointSet
from tests.tables import connections

HOST, HOST6 = "10.0.0.4", "[fd00::4]"
APPLICATION = (f"{HOST}:40000", "203.0.113.1:443")
REDIRECTED = ("127.0.0.1:15001", f"{HOST}:40000")
TPROXIED = ("203.0.113.1:443", f"{HOST}:40000")
CASES = {
    "a proxy has accepted it": ([APPLICATION, REDIRECTED], [True, False]),
    "a proxy has accepted it with its own addresses": ([TPROXIED, APPLICATION], [False, True]),
    "IPv6": (
        [(f"{HOST6}:40000", "[2001:db8::1]:443"), ("[::1]:15001", f"{HOST6}:40000")],
        [True, False],
    ),
    "another port": ([APPLICATION, ("127.0.0.1:15001", f"{HOST}:40001")], [False, False]),
    "another address": ([APPLICATION, ("127.0.0.1:15001", "10.0.0.5:40000")], [False, False]),
    "IPv6 of the same lower half": (
        [("[fd00::4]:40000", "[2001:db8::1]:443"), ("[::1]:15001", "[fd01::4]:40000")],
        [False, False],
    ),
    "the same port also leads to a server on this host": (
        [APPLICATION, (f"{HOST}:40000", f"{HOST}:80"), (f"{HOST}:80", f"{HOST}:40000")],
        [False, False, False],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_redirected(case: str) -> None:
    """
    A connection is redirected if a socket that is not its peer was accepted from its local end.
    """
    ends, expected = CASES[case]
    assert redirected(ends) == expected


def test_inbound() -> None:
    """
    A connection from elsewhere is not redirected, even if this host connects to the same port of
    its own through another address.
    """
    ends = [(f"{HOST}:80", "203.0.113.1:50000"), (f"{HOST}:40000", f"{HOST}:80")]
    assert redirected(ends, inbound=[True, False]) == [False, False]


def test_peer_closed() -> None:
    """
    The other end of a connection that the peer has closed is not in a dump: that it is missing says
    nothing.
    """
    state = np.array([TcpState.ESTABLISHED, TcpState.CLOSE_WAIT], np.uint8)
    assert redirected([APPLICATION, REDIRECTED], state=state) == [False, False]


def test_several_tables() -> None:
    """
    The ends may be in different tables, such as those of two namespaces.
    """
    within = ConnectionsWithin(own_addresses())
    for end in ((f"{HOST}:80", f"{HOST}:40000"), REDIRECTED, (f"{HOST}:40000", f"{HOST}:80")):
        within.add(connections(end), np.ones(1, np.bool_))
    assert len(within.redirected()) == 1


def test_candidates() -> None:
    """
    Only the candidates are added.
    """
    within = ConnectionsWithin(own_addresses())
    within.add(connections(REDIRECTED, TPROXIED), np.array([False, True]))
    within.add(connections(REDIRECTED), np.array([False]))
    assert len(within.redirected()) == 1


def test_nothing() -> None:
    """
    Without connections, none is redirected.
    """
    found = ConnectionsWithin(own_addresses()).redirected()
    assert not found
    table = connections(APPLICATION)
    assert found.contains(table.local, table.local_port).tolist() == [False]
    assert not EndpointSet()


def own_addresses() -> AddressSet:
    """
    The host's addresses.
    """
    texts = (HOST, HOST6.strip("[]"), "fd01::4")
    return AddressSet(halves(ipaddress.ip_address(text)) for text in texts)


def redirected(
    ends: list[tuple[str, str]], inbound: list[bool] | None = None, **columns: Any
) -> list[bool]:
    """
    Whether each connection is redirected, with all of them in one table.
    """
    table = replace(connections(*ends), **columns)
    within = ConnectionsWithin(own_addresses())
    within.add(table, np.ones(len(table), np.bool_))
    endpoints = LocalEndpoints(frozenset(), frozenset(), redirected=within.redirected())
    is_inbound = np.array(inbound or [False] * len(ends))
    found: list[bool] = is_redirected(table, endpoints, is_inbound).tolist()
    return found
