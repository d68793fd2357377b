"""
Sets of addresses.
"""

import ipaddress

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from exporter.paths.addresses import Address, AddressSet, endpoint_keys, in_exactly_one
from tests.tables import connections

HALVES = st.sampled_from((0, 1, 2, 0xFFFF00000001, 1 << 63, (1 << 64) - 1))
ADDRESSES = st.tuples(HALVES, HALVES)


def held(addresses: AddressSet, asked: list[Address]) -> list[bool]:
    """
    Whether the set has each of the addresses.
    """
    contains: list[bool] = addresses.contains(np.array(asked, np.uint64).reshape(-1, 2)).tolist()
    return contains


@given(st.lists(ADDRESSES), st.lists(ADDRESSES))
def test_contains(addresses: list[Address], asked: list[Address]) -> None:
    """
    An AddressSet has the same addresses as a Python set, also if addresses share halves.
    """
    assert held(AddressSet(addresses), asked) == [each in set(addresses) for each in asked]


def test_in_exactly_one() -> None:
    """
    Addresses in two sets are left out, because they cannot be attributed to one of them.
    """
    sets = [frozenset({(0, 1), (0, 2)}), frozenset({(0, 2), (1, 1)}), frozenset({(0, 3)})]
    asked = [(0, 1), (0, 2), (1, 1), (0, 3), (0, 4)]
    assert held(in_exactly_one(sets), asked) == [True, False, True, True, False]


def test_keys_of_ipv4_are_unique() -> None:
    """
    IPv4 addresses and ports that differ in any bits have different keys.
    """
    addresses = [ipaddress.IPv4Address(1 << bit) for bit in range(32)]
    endpoints = [f"{address}:{1 << bit}" for address in addresses for bit in range(16)]
    ends = connections(*((endpoint, endpoint) for endpoint in endpoints))
    assert len(set(endpoint_keys(ends.remote, ends.remote_port).tolist())) == len(endpoints)


def test_keys_of_ipv6_differ() -> None:
    """
    IPv6 addresses of different networks and hosts have different keys.
    """
    endpoints = [f"[2001:db8:0:{network}::{host}]:443" for network in range(9) for host in range(9)]
    ends = connections(*((endpoint, endpoint) for endpoint in endpoints))
    assert len(set(endpoint_keys(ends.remote, ends.remote_port).tolist())) == len(endpoints)
