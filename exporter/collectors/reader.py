"""
The connections of all network namespaces: read, joined with what is remembered, judged, counted.
"""

import copy
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol, TypeVar

from exporter.analysis.history import Recorder
from exporter.analysis.judged import judge_table
from exporter.analysis.stale import count_stale
from exporter.analysis.sums import ConnectionCounter
from exporter.analysis.survivals import Survivals
from exporter.analysis.workloads import CgroupCounter, Count
from exporter.collectors.namespace_visits import Tour
from exporter.collectors.state import Memory, NamespaceMemory
from exporter.config.schema import Config
from exporter.linux import NamespaceSockets, read_sockets
from exporter.model import (
    ConnectionSums,
    InterruptedReadError,
    Namespace,
    NamespaceReading,
    Settings,
    StaleTimers,
)
from exporter.paths.addresses import of_one_alone

_ATTEMPTS = 3

_T = TypeVar("_T")


class Follower(Protocol):
    """
    Who listens to the closures of the namespaces that are read.
    """

    def keep(self, inodes: Collection[int]) -> None:
        """
        These namespaces are read from now on, and no others.
        """

    def follow(self, namespace: Namespace, memory: NamespaceMemory) -> None:
        """
        The calling thread is inside this namespace, of which that is remembered.
        """


@dataclass(frozen=True, slots=True)
class Reading:
    """
    The connections of all namespaces together, by cgroup too, and what each namespace has.
    """

    connections: ConnectionSums
    cgroups: dict[int, Count]
    survivals: Survivals
    namespaces: dict[str, NamespaceReading]


class Reader:
    """
    Reads connections, and keeps what the next reading needs of the last, for each namespace.
    """

    def __init__(self, memory: Memory, follower: Follower | None = None) -> None:
        self._memory = memory
        self._follower = follower
        self._cgroups: dict[int, Count] = {}

    def read(self, tour: Tour, config: Config, settings: Mapping[str, Settings]) -> Reading:
        """
        Read all namespaces; settings are theirs by label, as far as they are known.

        Raises CollectorError where the own one cannot be read; the others' errors the tour notes.
        """
        found = self._look_around(tour)
        neighbours = of_one_alone(each.surroundings.own_addresses for each in found.values())
        counted = _Counted(
            ConnectionCounter(config.paths), CgroupCounter(self._cgroups), Survivals(config.paths)
        )
        namespaces = {}
        for namespace, sockets in found.items():
            surroundings = replace(sockets.surroundings, neighbours=neighbours)
            visit = _Visit(
                config,
                settings.get(namespace.name),
                replace(sockets, surroundings=surroundings),
                self._memory.of(namespace),
                listens=self._follower is not None,
            )
            if result := tour.inside(namespace, partial(whole, partial(visit.count, counted))):
                before, (counted, stale_timers) = counted, result
                namespaces[namespace.name] = NamespaceReading(
                    sockets.counters, counted.at_risk - before.at_risk, stale_timers
                )
        self._cgroups = counted.cgroups.counts()
        return Reading(counted.connections.sums(), self._cgroups, counted.survivals, namespaces)

    def _look_around(self, tour: Tour) -> dict[Namespace, NamespaceSockets]:
        """
        What each namespace is like; only when all have been seen are this host's addresses known.
        """
        namespaces = tour.found.namespaces
        self._memory.keep(namespaces)
        if self._follower is not None:
            self._follower.keep([namespace.inode for namespace in namespaces])
        found = {}
        for namespace in namespaces:
            if sockets := tour.inside(namespace, partial(self._look, namespace)):
                found[namespace] = sockets
        return found

    def _look(self, namespace: Namespace) -> NamespaceSockets:
        if self._follower is not None:
            self._follower.follow(namespace, self._memory.of(namespace))
        return whole(read_sockets)


@dataclass(slots=True)
class _Counted:
    """
    The connections of the namespaces read so far.
    """

    connections: ConnectionCounter
    cgroups: CgroupCounter
    survivals: Survivals

    @property
    def at_risk(self) -> int:
        return self.connections.at_risk


@dataclass(frozen=True, slots=True)
class _Visit:
    """
    One namespace about to be read; listens is whether its connections' ends are told.
    """

    config: Config
    settings: Settings | None
    sockets: NamespaceSockets
    memory: NamespaceMemory
    listens: bool

    def count(self, before: _Counted) -> tuple[_Counted, StaleTimers]:
        """
        What was counted before, which stays as it is, with the connections of this namespace; and
        its stale timers.
        """
        started = time.monotonic()
        counted, stale_timers = copy.deepcopy(before), StaleTimers()
        recorder = Recorder(self.memory.history)
        config, surroundings = self.config, self.sockets.surroundings
        for table in self.sockets.tables:
            judged = judge_table(
                table, recorder, config.paths, surroundings, config.near_limit_ratio
            )
            counted.connections.add(table, judged.known, judged.verdicts, judged.path_of)
            counted.cgroups.add(table.cgroup, judged.verdicts.at_risk)
            counted.survivals.add(judged.path_of, judged.survived)
            stale_timers += count_stale(table, judged.known, judged.verdicts, self.settings)
        ended = self.memory.take_ended() if self.listens else None
        self.memory.history = recorder.finish(started, ended)
        self.memory.surroundings = surroundings
        return counted, stale_timers


def whole(read: Callable[[], _T]) -> _T:
    """
    What read returns; it is tried again as long as what it reads changes meanwhile.
    """
    for _ in range(_ATTEMPTS - 1):
        with suppress(InterruptedReadError):
            return read()
    return read()
