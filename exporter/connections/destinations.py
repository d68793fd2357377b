"""
Connections grouped by destination: a remote address and port.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from exporter.analysis.analyze import AnalyzedConnections
from exporter.connections.query import Query
from exporter.connections.selection import Indices, Matches, Names
from exporter.model import AddressArray, Columns, IdleState, Path
from exporter.paths.matching import to_text

_MOST_WORKLOADS = 3


@dataclass(frozen=True, slots=True)
class Destination:
    """
    The connections to a remote address and port on one path; path is None if they cross none.

    near_limit and over_limit are the numbers of those in these idle states. workloads has the names
    of those with the most connections, and their numbers, largest first; empty if workloads have no
    names.
    """

    remote: str
    remote_port: int
    path: Path | None
    connections: int
    near_limit: int
    over_limit: int
    workloads: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class _Rows(Columns):
    """
    What a group needs of each connection.
    """

    remote: AddressArray
    remote_port: npt.NDArray[np.uint16]
    path_of: npt.NDArray[np.int16]
    idle_state: npt.NDArray[np.int8]
    cgroup: npt.NDArray[np.uint32]


class Destinations(Matches):
    """
    Keeps what is needed to group the connections by destination and path.
    """

    def __init__(self, query: Query, paths: Sequence[Path], names: Names) -> None:
        super().__init__(query, paths, names)
        self._paths = paths
        self._kept: tuple[_Rows, ...] = ()  # never modified in place

    def cgroups(self) -> set[int]:
        """
        The cgroups of the matching connections.
        """
        return {cgroup for part in self._kept for cgroup in part.cgroup.tolist()}

    def most_connections(self, names: Mapping[int, str]) -> tuple[list[Destination], int]:
        """
        The destinations with the most connections, highest number first, up to the query's limit,
        and the number of all destinations. names has the workload names by cgroup.
        """
        if not self._kept:
            return [], 0
        rows, starts = _grouped(_Rows.concatenate(self._kept))
        sizes = np.diff(starts, append=len(rows.cgroup))
        near_limit, over_limit = (
            np.add.reduceat(rows.idle_state == state, starts, dtype=np.int64)
            for state in (IdleState.NEAR_LIMIT, IdleState.OVER_LIMIT)
        )
        end = None if self._query.limit is None else self._query.offset + self._query.limit
        first = np.argsort(-sizes, kind="stable")[self._query.offset : end]
        found = []
        for group in first.tolist():
            start, size = int(starts[group]), int(sizes[group])
            path = int(rows.path_of[start])
            found.append(
                Destination(
                    remote=to_text(rows.remote[start]),
                    remote_port=int(rows.remote_port[start]),
                    path=self._paths[path] if path >= 0 else None,
                    connections=size,
                    near_limit=int(near_limit[group]),
                    over_limit=int(over_limit[group]),
                    workloads=_largest(rows.cgroup[start : start + size].tolist(), names),
                )
            )
        return found, len(starts)

    def _keep(self, netns: str, connections: AnalyzedConnections, which: Indices) -> None:  # noqa: ARG002  destinations are those of all namespaces
        rows = _Rows(
            connections.table.remote[which],
            connections.table.remote_port[which],
            connections.path_of[which],
            connections.verdicts.idle_state[which],
            connections.known["cgroup"][which],
        )
        self._kept = (*self._kept, rows)


def _grouped(rows: _Rows) -> tuple[_Rows, Indices]:
    """
    The rows (at least one) sorted by destination and path, and where each group begins.
    """
    keys = (rows.remote[:, 0], rows.remote[:, 1], rows.remote_port, rows.path_of)
    order = np.lexsort(keys[::-1])
    begins = np.zeros(len(order), np.bool_)
    begins[0] = True
    for key in keys:
        ordered = key[order]
        begins[1:] |= ordered[1:] != ordered[:-1]
    return rows.rows(order), np.flatnonzero(begins)


def _largest(cgroups: Sequence[int], names: Mapping[int, str]) -> tuple[tuple[str, int], ...]:
    """
    The workloads with the most connections, given the cgroup of each connection.
    """
    counts = Counter(names[cgroup] for cgroup in cgroups if cgroup in names)
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_MOST_WORKLOADS])
