"""
Sets of addresses hold what was put into them, and no more.
"""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from exporter.paths.addresses import Address, AddressSet, of_one_alone

HALVES = st.sampled_from((0, 1, 2, 0xFFFF00000001, 1 << 63, (1 << 64) - 1))
ADDRESSES = st.tuples(HALVES, HALVES)


def held(addresses: AddressSet, asked: list[Address]) -> list[bool]:
    """
    Which of those asked for the set holds.
    """
    holds: list[bool] = addresses.holds(np.array(asked, np.uint64).reshape(-1, 2)).tolist()
    return holds


@given(st.lists(ADDRESSES), st.lists(ADDRESSES))
def test_holds(addresses: list[Address], asked: list[Address]) -> None:
    """
    It holds what a set of Python's holds, however alike the halves of the addresses are.
    """
    assert held(AddressSet(addresses), asked) == [each in set(addresses) for each in asked]


def test_of_one_alone() -> None:
    """
    What two sets have belongs to neither: nobody could tell whose it is.
    """
    sets = [frozenset({(0, 1), (0, 2)}), frozenset({(0, 2), (1, 1)}), frozenset({(0, 3)})]
    asked = [(0, 1), (0, 2), (1, 1), (0, 3), (0, 4)]
    assert held(of_one_alone(sets), asked) == [True, False, True, True, False]
