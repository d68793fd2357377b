"""
Selects connections by a query, table by table, and sorts them.
"""

import copy
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from exporter.analysis.analyze import AnalyzedConnections
from exporter.analysis.exact_options import may_change
from exporter.connections.query import Query, Sort, UnknownPathError
from exporter.model import NO_PATH, BoolArray, Path, Risk
from exporter.paths.addresses import is_any_of
from exporter.paths.matching import idle_timeouts, lead_to

Names = Callable[[Collection[int]], dict[int, str]]
"""Returns workload names by cgroup."""


@dataclass(frozen=True, slots=True)
class Page:
    """
    Connections in order, and the `netns` label of each.
    """

    judged: AnalyzedConnections
    netns: list[str]


Indices = npt.NDArray[np.intp]

Parts = tuple[tuple[str, AnalyzedConnections], ...]
"""Connections with the `netns` label of their network namespace."""

_MOST_UNDECIDED = 10_000
"""Maximum number of undecided connections of a namespace, which limits the time to read options."""


class Matches(ABC):
    """
    Counts all connections by risk, and keeps those that match a query. Raises UnknownPathError.

    undecided has those that match only if their exact options, which were not read, show one of the
    query's risks.
    """

    def __init__(self, query: Query, paths: Sequence[Path], names: Names) -> None:
        self._query = query
        risks = Risk if query.everything else query.risks
        self._is_listed = np.array([risk in risks for risk in Risk])
        self._path_names = [*(path.name for path in paths), NO_PATH]
        if query.path is not None and query.path not in self._path_names:
            known = ", ".join(self._path_names)
            raise UnknownPathError(f"unknown path {query.path!r}; allowed: {known}")
        self._names = names
        # Never modified in place, so that a copy is independent.
        self.undecided: Parts = ()
        self.by_risk: Counter[Risk] = Counter()
        self.matching = 0

    def copy(self) -> Self:
        """
        The same matches, independent of these.
        """
        return copy.copy(self)

    def add(self, netns: str, connections: AnalyzedConnections) -> None:
        """
        Count connections of a network namespace, and keep those that match.
        """
        connections = connections.presuming_no_peer()
        risk = connections.risk
        self.by_risk = self.by_risk + _by_risk(risk)
        matching = self._match(connections)
        listed = self._is_listed[risk]
        self._keep_matching(netns, connections, matching & listed)
        undecided = np.flatnonzero(matching & ~listed & may_change(connections))
        if len(undecided):
            # Those that may hang first, then the idlest.
            keys = (-connections.idle[undecided], connections.table.unanswered[undecided] == 0)
            undecided = undecided[np.lexsort(keys)[:_MOST_UNDECIDED]]
            self.undecided = (*self.undecided, (netns, connections.rows(undecided)))

    def decide(self, decide: Callable[[AnalyzedConnections], AnalyzedConnections]) -> None:
        """
        Decide on the undecided connections: decide returns them with the verdicts that follow from
        their exact options.
        """
        for netns, before in self.undecided:
            after = decide(before)
            self.by_risk = self.by_risk - _by_risk(before.risk) + _by_risk(after.risk)
            self._keep_matching(netns, after, self._is_listed[after.risk])
        self.undecided = ()

    @abstractmethod
    def _keep(self, netns: str, connections: AnalyzedConnections, which: Indices) -> None:
        """
        Keep these connections of a network namespace, which match.
        """

    def _keep_matching(
        self, netns: str, connections: AnalyzedConnections, which: BoolArray
    ) -> None:
        matching = np.flatnonzero(which)
        if len(matching):
            self.matching += len(matching)
            self._keep(netns, connections, matching)

    def _match(self, judged: AnalyzedConnections) -> BoolArray:
        query = self._query
        matching: BoolArray = np.ones(len(judged), np.bool_)
        if query.path is not None:
            # NO_PATH is last, which is index -1.
            matching &= judged.path_of % len(self._path_names) == self._path_names.index(query.path)
        if query.remote is not None:
            matching &= lead_to(judged.table.remote, query.remote.network)
            if query.remote.port is not None:
                matching &= judged.table.remote_port == query.remote.port
        if query.workload is not None and matching.any():
            names = self._names(set(judged.known["cgroup"][matching].tolist()))
            cgroups = sorted(
                cgroup for cgroup, name in names.items() if fnmatchcase(name, query.workload)
            )
            matching &= is_any_of(judged.known["cgroup"], np.array(cgroups, np.uint32))
        return matching


class Selection(Matches):
    """
    Keeps the connections themselves, in the order of the query.
    """

    def __init__(self, query: Query, paths: Sequence[Path], names: Names) -> None:
        super().__init__(query, paths, names)
        self._timeouts = idle_timeouts(paths)
        self._kept: Parts = ()  # never modified in place

    def page(self) -> Page | None:
        """
        The matching connections in order, or None without any.
        """
        if not self._kept:
            return None
        judged = AnalyzedConnections.concatenate([each for _, each in self._kept])
        netns = [label for label, each in self._kept for _ in range(len(each))]
        first = self._first(judged, np.arange(len(judged)))[self._query.offset :]
        return Page(judged.rows(first), [netns[index] for index in first.tolist()])

    def _keep(self, netns: str, connections: AnalyzedConnections, which: Indices) -> None:
        kept = connections.rows(self._first(connections, which))
        self._kept = (*self._kept, (netns, kept))

    def _first(self, judged: AnalyzedConnections, which: Indices) -> Indices:
        """
        The rows that a page may need, in order.
        """
        order = np.lexsort([key[which] for key in reversed(self._keys(judged))])
        end = None if self._query.limit is None else self._query.offset + self._query.limit
        return which[order[:end]]

    def _keys(self, judged: AnalyzedConnections) -> list[npt.NDArray[Any]]:
        """
        The sort keys, the primary key first.
        """
        table, seconds = judged.table, np.nan_to_num(judged.idle)
        nearness = seconds / self._timeouts[judged.path_of]
        by_risk: list[npt.NDArray[Any]] = [judged.risk, -nearness, -seconds, table.cookie]
        match self._query.sort:
            case Sort.IDLE:
                return [-seconds, table.cookie]
            case Sort.WORKLOAD:
                return [self._workload_ranks(judged.known["cgroup"]), *by_risk]
            case Sort.PATH:
                return [judged.path_of % len(self._path_names), *by_risk]
            case Sort.REMOTE:
                return [table.remote[:, 0], table.remote[:, 1], table.remote_port, *by_risk]
        return by_risk

    def _workload_ranks(self, cgroup: npt.NDArray[np.uint32]) -> Indices:
        cgroups = sorted(set(cgroup.tolist()))
        names = self._names(cgroups)
        ranks = {name: rank for rank, name in enumerate(sorted(set(names.values())))}
        of_cgroup = np.array([ranks[names[each]] for each in cgroups], np.intp)
        return of_cgroup[np.searchsorted(np.array(cgroups, np.uint32), cgroup)]


def _by_risk(risk: npt.NDArray[np.int8]) -> Counter[Risk]:
    numbers = np.bincount(risk, minlength=len(Risk)).tolist()
    return Counter(dict(zip(Risk, numbers, strict=True)))
