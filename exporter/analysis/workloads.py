"""
Connections counted by workload: first by cgroup, then by its name, then those that matter most.
"""

from collections.abc import Collection, Iterable, Mapping

import numpy as np
import numpy.typing as npt

from exporter.model import OTHER_WORKLOADS, BoolArray, WorkloadSums

_AT_RISK_WEIGHT = 1000
"""How many other connections one at risk outweighs."""
_DECAY = 0.95
"""What is left of a workload's weight after a sample, unless it has it anew."""
_NO_WEIGHT = 0.5
_LEAD = 2
"""How many times as heavy a workload must be to take another one's place."""

_GUESSES = 1 << 16

Count = tuple[int, int]
"""How many connections, and how many of them at risk."""


class CgroupCounter:
    """
    Counts one sample's connections by cgroup, table by table.
    """

    def __init__(self, expected: Iterable[int] = ()) -> None:
        """
        The cgroups expected, such as those of the last sample, are counted a little faster.
        """
        self._know({0, *expected})
        self._counts = np.zeros((len(self._cgroups), 2), np.int64)

    def add(self, cgroup: npt.NDArray[np.uint64], at_risk: BoolArray) -> None:
        """
        Count connections, given the cgroup of each and whether it is at risk.
        """
        cgroup = cgroup.astype(np.uint32)  # the lower half, as in Rows
        place = self._guesses[cgroup % _GUESSES]
        wrong = self._cgroups[place] != cgroup
        if wrong.any():
            self._learn(cgroup[wrong])
            place = np.searchsorted(self._cgroups, cgroup)
        size = self._counts.size
        self._counts += np.bincount(2 * place + at_risk, minlength=size).reshape(-1, 2)

    def counts(self) -> dict[int, Count]:
        """
        What has been counted, of cgroups that have any connections.
        """
        return {
            cgroup: (safe + at_risk, at_risk)
            for cgroup, (safe, at_risk) in zip(
                self._cgroups.tolist(), self._counts.tolist(), strict=True
            )
            if safe + at_risk
        }

    def _know(self, cgroups: Collection[int]) -> None:
        self._cgroups = np.array(sorted(cgroups), np.uint32)
        # Most cgroups differ in their lowest bits, so that they need not be searched for.
        self._guesses = np.zeros(_GUESSES, np.intp)
        self._guesses[self._cgroups % _GUESSES] = np.arange(len(self._cgroups))

    def _learn(self, cgroup: npt.NDArray[np.uint32]) -> None:
        before, counts = self._cgroups, self._counts
        self._know({*before.tolist(), *cgroup.tolist()})  # np.unique() would import numpy.ma
        self._counts = np.zeros((len(self._cgroups), 2), np.int64)
        self._counts[np.searchsorted(self._cgroups, before)] = counts


def by_workload(counts: Mapping[int, Count], names: Mapping[int, str]) -> dict[str, Count]:
    """
    The counts by cgroup as counts by workload, given the names of the cgroups' workloads.
    """
    sums: dict[str, Count] = {}
    for cgroup, (connections, at_risk) in counts.items():
        before = sums.get(names[cgroup], (0, 0))
        sums[names[cgroup]] = (before[0] + connections, before[1] + at_risk)
    return sums


class TopWorkloads:
    """
    Chooses the workloads that get a label of their own, so that they seldom change.

    A workload's weight is what it has now or, as that fades, had before. While there is room, every
    one gets in; then one gets in that is clearly heavier than the lightest. It stays for a while
    after its last connection: for 14 samples if that was its only one, for 150 if it had a thousand
    or one at risk.
    """

    def __init__(self, most: int) -> None:
        """
        Choose so many at most, which may be changed from one sample to the next.
        """
        self.most = most
        self._weights: dict[str, float] = {}
        self._risky: set[str] = set()

    def choose(self, counts: Mapping[str, Count]) -> dict[str, WorkloadSums]:
        """
        One sample's counts: those of the workloads chosen, and OTHER_WORKLOADS for all others.
        """
        self._weigh(counts)
        self._risky = {
            name for name in self._weights if name in self._risky or counts.get(name, (0, 0))[1]
        }
        rest = dict(counts)
        sums = {}
        for name in sorted(self._weights):
            connections, at_risk = rest.pop(name, (0, 0))
            sums[name] = WorkloadSums(connections, at_risk if name in self._risky else None)
        sums[OTHER_WORKLOADS] = WorkloadSums(
            connections=sum(connections for connections, _ in rest.values()),
            at_risk=sum(at_risk for _, at_risk in rest.values()),
        )
        return sums

    def _weigh(self, counts: Mapping[str, Count]) -> None:
        now = {
            name: float(connections + _AT_RISK_WEIGHT * at_risk)
            for name, (connections, at_risk) in counts.items()
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
