"""
The connections that a query asks for, picked out of tables as they come and put in order.
"""

import copy
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from exporter.analysis.judged import Judged
from exporter.analysis.observation import idle
from exporter.connections.query import Query, Sort, UnknownPathError
from exporter.model import NO_PATH, BoolArray, Path, Risk
from exporter.paths.matching import idle_timeouts, lead_to

_SHOWN = (Risk.STALLED, Risk.AT_RISK, Risk.UNPROTECTED)

Names = Callable[[Collection[int]], dict[int, str]]
"""The workloads of cgroups."""


@dataclass(frozen=True, slots=True)
class Page:
    """
    Connections in order, and the label of each one's network namespace.
    """

    judged: Judged
    netns: list[str]


class Selection:
    """
    Counts all connections by risk, and keeps those asked for.

    Raises UnknownPathError.
    """

    def __init__(self, query: Query, paths: Sequence[Path], names: Names) -> None:
        self._query = query
        self._timeouts = idle_timeouts(paths)
        self._path_names = [*(path.name for path in paths), NO_PATH]
        if query.path is not None and query.path not in self._path_names:
            known = ", ".join(self._path_names)
            raise UnknownPathError(f"there is no path {query.path!r}; there are {known}")
        self._names = names
        self._kept: list[Judged] = []
        self._netns: list[str] = []
        self.by_risk: Counter[Risk] = Counter()
        self.matching = 0

    def add(self, netns: str, judged: Judged) -> None:
        """
        Take note of a table of connections in a network namespace.
        """
        risk = judged.risk
        numbers = np.bincount(risk, minlength=len(Risk)).tolist()
        self.by_risk.update(dict(zip(Risk, numbers, strict=True)))
        wanted = np.flatnonzero(self._wanted(judged, risk))
        if len(wanted):
            self.matching += len(wanted)
            first = self._first(judged, wanted)
            self._kept.append(judged.rows(first))
            self._netns += [netns] * len(first)

    def copy(self) -> Self:
        """
        Another one, which goes on from here without changing this one.
        """
        other = copy.copy(self)
        for name in ("_kept", "_netns", "by_risk"):
            setattr(other, name, copy.copy(getattr(self, name)))
        return other

    def page(self) -> Page | None:
        """
        What is asked for, in order; None if there is nothing.
        """
        if not self._kept:
            return None
        judged = Judged.concatenate(self._kept)
        first = self._first(judged, np.arange(len(judged)))[self._query.offset :]
        return Page(judged.rows(first), [self._netns[index] for index in first.tolist()])

    def _wanted(self, judged: Judged, risk: npt.NDArray[np.int8]) -> BoolArray:
        query = self._query
        wanted: BoolArray = risk <= max(Risk if query.everything else _SHOWN)
        if query.path is not None:
            # NO_PATH is last, where an index of -1 leads.
            wanted &= judged.path_of % len(self._path_names) == self._path_names.index(query.path)
        if query.remote is not None:
            wanted &= lead_to(judged.table.remote, query.remote.network)
            if query.remote.port is not None:
                wanted &= judged.table.remote_port == query.remote.port
        if query.workload is not None and wanted.any():
            names = self._names(set(judged.known["cgroup"][wanted].tolist()))
            matching = [
                cgroup for cgroup, name in names.items() if fnmatchcase(name, query.workload)
            ]
            wanted &= _is_any_of(judged.known["cgroup"], matching)
        return wanted

    def _first(self, judged: Judged, which: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        """
        Those of the rows that a page may need, in order.
        """
        order = np.lexsort([key[which] for key in reversed(self._keys(judged))])
        end = None if self._query.limit is None else self._query.offset + self._query.limit
        return which[order[:end]]

    def _keys(self, judged: Judged) -> list[npt.NDArray[Any]]:
        """
        What the connections are sorted by, the first key first.
        """
        table, seconds = judged.table, np.nan_to_num(idle(judged.known))
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

    def _workload_ranks(self, cgroup: npt.NDArray[np.uint32]) -> npt.NDArray[np.intp]:
        cgroups = sorted(set(cgroup.tolist()))
        names = self._names(cgroups)
        ranks = {name: rank for rank, name in enumerate(sorted(set(names.values())))}
        of_cgroup = np.array([ranks[names[each]] for each in cgroups], np.intp)
        return of_cgroup[np.searchsorted(np.array(cgroups, np.uint32), cgroup)]


def _is_any_of(values: npt.NDArray[np.uint32], wanted: Collection[int]) -> BoolArray:
    """
    As np.isin(), which would import numpy.ma.
    """
    known = np.array(sorted(wanted), np.uint32)
    if not len(known):
        return np.zeros(len(values), np.bool_)
    place = np.minimum(np.searchsorted(known, values), len(known) - 1)
    found: BoolArray = known[place] == values
    return found
