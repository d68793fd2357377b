"""
The busiest destination of each path with snat_ports. A destination is a remote address and port.
"""

import copy
from collections.abc import Sequence
from typing import Self

import numpy as np

from exporter.model import BoolArray, ConnectionTable, Path
from exporter.paths.addresses import Keys, endpoint_keys


class DestinationCounter:
    """
    Counts one sample's connections by destination, table by table, for each path with snat_ports.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        names = [path.name for path in paths if path.snat_ports is not None]
        # Never modified in place, so that a copy is independent.
        self._destinations: dict[str, tuple[Keys, ...]] = dict.fromkeys(names, ())

    def copy(self) -> Self:
        """
        A counter with the same connections, independent of this one.
        """
        return copy.copy(self)

    def add(self, table: ConnectionTable, translated: BoolArray) -> None:
        """
        Count the connections of a table; translated is as returned by Routes.translated().
        """
        if not self._destinations:
            return
        keys = endpoint_keys(table.remote, table.remote_port)
        self._destinations = {
            name: (*before, keys[crosses])
            for (name, before), crosses in zip(
                self._destinations.items(), translated.T, strict=True
            )
        }

    def busiest(self) -> dict[str, int]:
        """
        The number of connections to the destination that has most of them, by path name.
        """
        return {name: _longest_run(keys) for name, keys in self._destinations.items()}


def _longest_run(parts: Sequence[Keys]) -> int:
    """
    The number of occurrences of the most frequent key; 0 without keys.
    """
    keys = np.sort(np.concatenate((*parts, np.empty(0, np.uint64))))
    if not len(keys):
        return 0
    starts = np.flatnonzero(keys[1:] != keys[:-1]) + 1
    return int(np.diff(starts, prepend=0, append=len(keys)).max())
