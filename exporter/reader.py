"""
The connections of all network namespaces: read, joined with what is remembered, judged, counted.
"""

import copy
import dataclasses
import time
from collections.abc import Callable

from exporter.addresses import of_one_alone
from exporter.config import Config
from exporter.judge.history import Recorder
from exporter.judge.observation import observe
from exporter.judge.sums import ConnectionCounter
from exporter.judge.verdicts import judge
from exporter.memory import Memory
from exporter.model import (
    ConnectionSums,
    InterruptedReadError,
    Namespace,
    NamespaceReading,
)
from exporter.paths import (
    Surroundings,
    assign,
    idle_timeouts,
    is_listened_on,
    stays_on_host,
)
from exporter.sockets import NamespaceSockets, read_connections, read_namespace
from exporter.tour import Tour

_ATTEMPTS = 3

Follow = Callable[[Namespace, Memory], None]
"""Called inside each namespace with what is remembered of it, to listen to its closures."""


class Reader:
    """
    Reads connections, and keeps what the next reading needs of the last, for each namespace.
    """

    def __init__(self, config: Config, memory: Memory, follow: Follow | None = None) -> None:
        self._paths = config.paths
        self._timeouts = idle_timeouts(config.paths)
        self._near_limit_ratio = config.near_limit_ratio
        self._own = memory
        self._others: dict[int, Memory] = {}
        self._follow = follow

    def read(self, tour: Tour) -> tuple[ConnectionSums, dict[str, NamespaceReading]]:
        """
        All connections together, and each namespace by its label. Raises CollectorError where the
        own one cannot be read; others are noted by the tour.
        """
        namespaces = tour.found.namespaces
        self._others = {
            each.inode: self._others.get(each.inode, Memory()) for each in namespaces[1:]
        }
        found: dict[Namespace, NamespaceSockets] = {}
        for namespace in namespaces:
            with tour.inside(namespace):
                if self._follow is not None:
                    self._follow(namespace, self._memory(namespace))
                found[namespace] = read_namespace()
        neighbours = of_one_alone(each.surroundings.own_addresses for each in found.values())

        total = ConnectionCounter(self._paths)
        readings = {}
        for namespace, sockets in found.items():
            surroundings = dataclasses.replace(sockets.surroundings, neighbours=neighbours)
            with tour.inside(namespace):
                counter = self._count(self._memory(namespace), surroundings, total)
                at_risk = counter.at_risk - total.at_risk
                readings[namespace.name] = NamespaceReading(sockets.counters, at_risk)
                total = counter
        return total.sums(), readings

    def _memory(self, namespace: Namespace) -> Memory:
        return self._own if namespace.is_own else self._others[namespace.inode]

    def _count(
        self, memory: Memory, surroundings: Surroundings, before: ConnectionCounter
    ) -> ConnectionCounter:
        """
        Count the connections of the calling thread's namespace on top of those counted before.
        """
        attempts = _ATTEMPTS
        while True:
            attempts -= 1
            try:
                return self._try_to_count(memory, surroundings, before)
            except InterruptedReadError:
                if not attempts:
                    raise

    def _try_to_count(
        self, memory: Memory, surroundings: Surroundings, before: ConnectionCounter
    ) -> ConnectionCounter:
        started = time.monotonic()
        counter = copy.deepcopy(before)  # where reading fails, nothing of it may stay counted
        recorder = Recorder(memory.history)
        for table in read_connections():
            known = recorder.room(len(table))
            observe(table, recorder.recall(table.cookie), known)
            known["inbound"] |= is_listened_on(table, surroundings)
            on_host = stays_on_host(table, surroundings)
            path_of = assign(table, self._paths, inbound=known["inbound"], on_host=on_host)
            verdicts = judge(table, known, self._timeouts[path_of], self._near_limit_ratio)
            counter.add(table, known, verdicts, path_of)
        ended = memory.take_ended() if self._follow is not None else None
        memory.history = recorder.finish(started, ended)
        memory.surroundings = surroundings
        return counter
