"""
Sets of many addresses, with vectorized lookup, and keys of addresses with ports.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from exporter.model import AddressArray, BoolArray

Address = tuple[int, int]
"""The two 64-bit halves of an IPv6 address; IPv4 addresses are in mapped form."""


Unsigned = npt.NDArray[np.unsignedinteger[Any]]

Keys = npt.NDArray[np.uint64]

_PORT_SHIFT = np.uint64(48)
_SCATTER = np.uint64(0x9E3779B97F4A7C15)


class AddressSet:
    """
    An immutable set of addresses.
    """

    def __init__(self, addresses: Iterable[Address] = ()) -> None:
        lower_halves: dict[int, list[int]] = {}
        for high, low in addresses:
            lower_halves.setdefault(high, []).append(low)
        # All IPv4 addresses share one upper half, as do the addresses of an IPv6 /64, so there are
        # few upper halves.
        self._lower_halves = {
            high: np.array(sorted(halves), np.uint64) for high, halves in lower_halves.items()
        }

    def contains(self, addresses: AddressArray) -> BoolArray:
        """
        Whether each address is in the set.
        """
        contained = np.zeros(len(addresses), np.bool_)
        for high, halves in self._lower_halves.items():
            rows = np.flatnonzero(addresses[:, 0] == high)
            contained[rows] = is_any_of(addresses[rows, 1], halves)
        return contained


def in_exactly_one(sets: Iterable[frozenset[Address]]) -> AddressSet:
    """
    The addresses that are in exactly one of the sets.
    """
    times = Counter(address for addresses in sets for address in addresses)
    return AddressSet(address for address, number in times.items() if number == 1)


def is_any_of(values: Unsigned, known: Unsigned) -> BoolArray:
    """
    Whether each value is one of the known ones, which are sorted. np.isin() would import numpy.ma.
    """
    if not len(known):
        return np.zeros(len(values), np.bool_)
    place = np.minimum(np.searchsorted(known, values), len(known) - 1)
    found: BoolArray = known[place] == values
    return found


def address_keys(addresses: AddressArray) -> Keys:
    """
    A number for each address: unique for IPv4, for IPv6 a hash of 64 bits.
    """
    keys: Keys = addresses[:, 1] ^ (addresses[:, 0] * _SCATTER)
    return keys


def endpoint_keys(addresses: AddressArray, ports: npt.NDArray[np.uint16]) -> Keys:
    """
    A number for each address with its port: unique for IPv4, for IPv6 a hash of 64 bits.
    """
    # The upper 16 bits of IPv4 addresses in mapped form are 0, as is their upper half.
    return address_keys(addresses) ^ (ports.astype(np.uint64) << _PORT_SHIFT)
