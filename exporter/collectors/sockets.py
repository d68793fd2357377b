"""
The sockets collector: counts the connections of all network namespaces.
"""

import copy
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol, Self

from exporter.analysis.analyze import AnalyzedConnections
from exporter.analysis.destinations import DestinationCounter
from exporter.analysis.exposure import count_exposed, count_stale
from exporter.analysis.history import HistoryRecorder
from exporter.analysis.losses import SampledLosses
from exporter.analysis.sums import ConnectionCounter
from exporter.analysis.survivals import Survivals
from exporter.analysis.workloads import CgroupCounter, Count
from exporter.collectors.namespace_connections import read_connections
from exporter.collectors.namespace_visits import NamespaceVisits
from exporter.collectors.operating_system import NamespaceSockets
from exporter.collectors.state import NamespaceState, State
from exporter.config.schema import Config
from exporter.model import (
    ConnectionSums,
    Counters,
    Exposure,
    Namespace,
    NamespaceReading,
    Settings,
    StaleTimers,
)


class ClosureSubscriber(Protocol):
    """
    Subscribes to the closures of the namespaces that are read.
    """

    def keep(self, inodes: Collection[int]) -> None:
        """
        Keep the subscriptions of these namespaces, and end all others.
        """

    def subscribe(self, namespace: Namespace, state: NamespaceState) -> None:
        """
        Subscribe to this namespace. The calling thread must be inside it.
        """


@dataclass(frozen=True, slots=True)
class CollectedSockets:
    """
    The sums over all namespaces, also by cgroup, and the readings of each namespace.

    busiest_destinations is as in SocketsReading.
    """

    connections: ConnectionSums
    busiest_destinations: dict[str, int]
    cgroups: dict[int, Count]
    survivals: Survivals
    losses: SampledLosses
    namespaces: dict[str, NamespaceReading]


class SocketCollector:
    """
    Counts connections, and keeps the state of each namespace for the next sample.
    """

    def __init__(self, state: State, subscriber: ClosureSubscriber | None = None) -> None:
        self._state = state
        self._subscriber = subscriber
        self._cgroups: dict[int, Count] = {}
        self._may_redirect = True

    def read(
        self, visits: NamespaceVisits, config: Config, settings: Mapping[str, Settings]
    ) -> CollectedSockets:
        """
        Read all namespaces; settings are the known ones, by `netns` label.

        Raises CollectorError if the exporter's own namespace cannot be read; errors of other
        namespaces are noted in visits.
        """
        self._state.keep(visits.found.namespaces)
        if self._subscriber is not None:
            self._subscriber.keep([namespace.inode for namespace in visits.found.namespaces])
        counters: dict[str, Counters] = {}

        def note(
            namespace: Namespace,
            sockets: NamespaceSockets,
            recorder: HistoryRecorder,
            started: float,
        ) -> None:
            state = self._state.of(namespace)
            ended = state.take_ended() if self._subscriber is not None else None
            state.history = recorder.finish(started, ended)
            state.endpoints = sockets.endpoints
            counters[namespace.name] = sockets.counters

        totals, self._may_redirect = read_connections(
            visits,
            config,
            _Totals(config, self._cgroups, settings, self._state.losses.watched_peers()),
            history_of=lambda namespace: self._state.of(namespace).history,
            may_redirect=self._may_redirect,
            on_entry=self._subscribe,
            on_read=note,
        )
        self._cgroups = totals.cgroups.counts()
        return CollectedSockets(
            totals.connections.sums(),
            totals.destinations.busiest(),
            self._cgroups,
            totals.survivals,
            totals.losses,
            {
                netns: NamespaceReading(
                    each,
                    totals.at_risk.get(netns, 0),
                    totals.stale.get(netns, StaleTimers()),
                    totals.exposure.get(netns, Exposure()),
                )
                for netns, each in counters.items()
            },
        )

    def _subscribe(self, namespace: Namespace) -> None:
        if self._subscriber is not None:
            self._subscriber.subscribe(namespace, self._state.of(namespace))


class _Totals:
    """
    Sums over the namespaces read so far; at_risk, stale and exposure are by `netns` label.
    """

    def __init__(
        self,
        config: Config,
        expected_cgroups: Collection[int],
        settings: Mapping[str, Settings],
        watched_peers: frozenset[int],
    ) -> None:
        self.connections = ConnectionCounter(config.paths)
        self.destinations = DestinationCounter(config.paths)
        self.cgroups = CgroupCounter(expected_cgroups)
        self.survivals = Survivals(config.paths)
        self.losses = SampledLosses(config.paths, config.near_limit_ratio, watched_peers)
        self.at_risk: dict[str, int] = {}
        self.stale: dict[str, StaleTimers] = {}
        self.exposure: dict[str, Exposure] = {}
        self._paths = config.paths
        self._settings = settings

    def copy(self) -> Self:
        other = copy.copy(self)
        counters = (self.connections, self.cgroups, self.survivals)
        other.connections, other.cgroups, other.survivals = copy.deepcopy(counters)
        other.destinations = self.destinations.copy()
        other.losses = self.losses.copy()
        # Their values never change. Copying them too would cost the square of the namespaces.
        other.at_risk, other.stale = dict(self.at_risk), dict(self.stale)
        other.exposure = dict(self.exposure)
        return other

    def add(self, netns: str, connections: AnalyzedConnections) -> None:
        table, known, verdicts = connections.table, connections.known, connections.verdicts
        at_risk = verdicts.at_risk
        self.connections.add(table, known, verdicts, connections.path_of)
        self.destinations.add(table, connections.translated)
        self.cgroups.add(table.cgroup, verdicts)
        self.survivals.add(connections.path_of, connections.survived)
        self.losses.add(connections)
        settings = self._settings.get(netns)
        stale = count_stale(table, known, verdicts, settings)
        self.stale[netns] = self.stale.get(netns, StaleTimers()) + stale
        exposure = count_exposed(connections, self._paths, settings)
        self.exposure[netns] = self.exposure.get(netns, Exposure()) + exposure
        self.at_risk[netns] = self.at_risk.get(netns, 0) + int(at_risk.sum())
