"""
Sets of addresses that hold many, looked into for many at once.
"""

from collections import Counter
from collections.abc import Iterable

import numpy as np

from exporter.model import AddressArray, BoolArray

Address = tuple[int, int]
"""The two 64-bit halves of an IPv6 address, IPv4 in its mapped form."""


class AddressSet:
    """
    A set that never changes.
    """

    def __init__(self, addresses: Iterable[Address] = ()) -> None:
        lower_halves: dict[int, list[int]] = {}
        for high, low in addresses:
            lower_halves.setdefault(high, []).append(low)
        # All of IPv4 has one upper half, and so has each network of IPv6: there are few.
        self._lower_halves = {
            high: np.array(sorted(halves), np.uint64) for high, halves in lower_halves.items()
        }

    def holds(self, addresses: AddressArray) -> BoolArray:
        """
        Which of the addresses are in the set.
        """
        held = np.zeros(len(addresses), np.bool_)
        for high, halves in self._lower_halves.items():
            rows = np.flatnonzero(addresses[:, 0] == high)
            low = addresses[rows, 1]
            place = np.minimum(np.searchsorted(halves, low), len(halves) - 1)
            held[rows] = halves[place] == low
        return held


def of_one_alone(sets: Iterable[frozenset[Address]]) -> AddressSet:
    """
    The addresses that are in exactly one of the sets.
    """
    times = Counter(address for addresses in sets for address in addresses)
    return AddressSet(address for address, number in times.items() if number == 1)
