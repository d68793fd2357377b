"""
Counts of connections by workload: by cgroup, then by workload name, then for the top workloads.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from exporter.analysis.verdicts import Verdicts
from exporter.model import OTHER_WORKLOADS, WorkloadSums

_PROBLEM_WEIGHT = 1000
"""Weight of a connection at risk or hanging, relative to other connections."""
_DECAY = 0.95
"""Factor by which the weight of a workload decreases per sample, down to its current weight."""
_NO_WEIGHT = 0.5
_LEAD = 2
"""Minimum ratio of weights for a workload to replace another."""

_GUESSES = 1 << 16


class Count(NamedTuple):
    """
    The number of connections, of those at risk, and of those that hang.
    """

    connections: int = 0
    at_risk: int = 0
    stalled: int = 0

    def plus(self, other: "Count") -> "Count":
        """
        The sum of both.
        """
        return Count(*(mine + others for mine, others in zip(self, other, strict=True)))


_KINDS = 3
"""Neither, at risk, hanging: a connection at risk does not hang."""


class CgroupCounter:
    """
    Counts one sample's connections by cgroup, table by table.
    """

    def __init__(self, expected: Iterable[int] = ()) -> None:
        """
        Expected cgroups, such as those of the last sample, are counted faster.
        """
        self._set_cgroups({0, *expected})
        self._counts = np.zeros((len(self._cgroups), _KINDS), np.int64)

    def add(self, cgroup: npt.NDArray[np.uint64], verdicts: Verdicts) -> None:
        """
        Count connections, given the cgroup of each and the verdicts on them.
        """
        kind = verdicts.at_risk + np.uint8(2) * verdicts.hangs
        cgroup = cgroup.astype(np.uint32)  # the lower half, as in HistoryTable
        place = self._guesses[cgroup % _GUESSES]
        wrong = self._cgroups[place] != cgroup
        if wrong.any():
            self._add_cgroups(cgroup[wrong])
            place = np.searchsorted(self._cgroups, cgroup)
        size = self._counts.size
        self._counts += np.bincount(_KINDS * place + kind, minlength=size).reshape(-1, _KINDS)

    def counts(self) -> dict[int, Count]:
        """
        The counts of cgroups that have connections.
        """
        return {
            cgroup: Count(sum(kinds), *kinds[1:])
            for cgroup, kinds in zip(self._cgroups.tolist(), self._counts.tolist(), strict=True)
            if any(kinds)
        }

    def _set_cgroups(self, cgroups: Collection[int]) -> None:
        self._cgroups = np.array(sorted(cgroups), np.uint32)
        # Most cgroups differ in their lowest bits, which makes a search unnecessary.
        self._guesses = np.zeros(_GUESSES, np.intp)
        self._guesses[self._cgroups % _GUESSES] = np.arange(len(self._cgroups))

    def _add_cgroups(self, cgroup: npt.NDArray[np.uint32]) -> None:
        before, counts = self._cgroups, self._counts
        self._set_cgroups({*before.tolist(), *cgroup.tolist()})  # np.unique() would import numpy.ma
        self._counts = np.zeros((len(self._cgroups), _KINDS), np.int64)
        self._counts[np.searchsorted(self._cgroups, before)] = counts


def by_workload(counts: Mapping[int, Count], names: Mapping[int, str]) -> dict[str, Count]:
    """
    Counts by workload from counts by cgroup; names has the workload name of each cgroup.
    """
    sums: dict[str, Count] = {}
    for cgroup, count in counts.items():
        sums[names[cgroup]] = sums.get(names[cgroup], Count()).plus(count)
    return sums


class TopWorkloads:
    """
    Chooses the workloads with their own series, so that the choice is stable.

    The weight of a workload is its current weight or, if larger, its decaying earlier weight. While
    there is room, every workload is added. After that, a workload replaces the lightest one if it
    is clearly heavier. It is kept for some time after its last connection: 14 samples if it had one
    connection, 150 if it had a thousand, or one at risk or hanging.
    """

    def __init__(self, most: int) -> None:
        """
        Choose at most this many; most may be changed between samples.
        """
        self.most = most
        self._weights: dict[str, float] = {}
        self._risky: set[str] = set()
        self._hung: set[str] = set()

    def choose(self, counts: Mapping[str, Count]) -> dict[str, WorkloadSums]:
        """
        The sums of the chosen workloads in one sample, and of OTHER_WORKLOADS for all others.
        """
        self._weigh(counts)
        here = self._weights.keys()
        self._risky = {name for name in here if name in self._risky or _of(counts, name).at_risk}
        self._hung = {name for name in here if name in self._hung or _of(counts, name).stalled}
        rest = Count()
        for name in counts.keys() - here:
            rest = rest.plus(counts[name])
        sums = {
            name: WorkloadSums(
                connections=_of(counts, name).connections,
                at_risk=_of(counts, name).at_risk if name in self._risky else None,
                stalled=_of(counts, name).stalled if name in self._hung else None,
            )
            for name in sorted(here)
        }
        return sums | {OTHER_WORKLOADS: WorkloadSums(*rest)}

    def _weigh(self, counts: Mapping[str, Count]) -> None:
        now = {
            name: float(count.connections + _PROBLEM_WEIGHT * (count.at_risk + count.stalled))
            for name, count in counts.items()
        }
        weights = {
            name: max(now.pop(name, 0.0), weight * _DECAY) for name, weight in self._weights.items()
        }
        lightest_first = sorted(weights, key=weights.__getitem__)
        for name in lightest_first[: max(len(weights) - self.most, 0)]:
            del weights[name]
        weights = {name: weight for name, weight in weights.items() if weight >= _NO_WEIGHT}
        for name, weight in sorted(now.items(), key=lambda item: (-item[1], item[0])):
            if len(weights) >= self.most:
                lightest = min(weights, key=weights.__getitem__, default=None)
                if lightest is None or weight < _LEAD * weights[lightest]:
                    break
                del weights[lightest]
            weights[name] = weight
        self._weights = weights


def _of(counts: Mapping[str, Count], name: str) -> Count:
    return counts.get(name, Count())
