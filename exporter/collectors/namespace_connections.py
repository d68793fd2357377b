"""
Reads and analyzes the connections of all network namespaces, one namespace after the other.

Shared by the sampler and the `connections` command.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Protocol, Self, TypeVar

import numpy as np

from exporter.analysis.analyze import AnalyzedConnections, analyze
from exporter.analysis.history import History, HistoryRecorder
from exporter.collectors.namespace_visits import NamespaceVisits
from exporter.collectors.operating_system import NamespaceSockets, read_sockets
from exporter.config.schema import Config
from exporter.model import InterruptedReadError, Namespace
from exporter.paths.addresses import in_exactly_one
from exporter.paths.redirects import ConnectionsWithin, EndpointSet

_ATTEMPTS = 3

_T = TypeVar("_T")


class ConnectionSink(Protocol):
    """
    Collects the connections of one namespace after the other.
    """

    def copy(self) -> Self:
        """
        An independent copy. To exclude a namespace that fails, the copy made before it is used.
        """

    def add(self, netns: str, connections: AnalyzedConnections) -> None:
        """
        Add connections of the namespace with this `netns` label.
        """


_Sink = TypeVar("_Sink", bound=ConnectionSink)

OnRead = Callable[[Namespace, NamespaceSockets, HistoryRecorder, float], None]
"""Called inside a namespace after it was read completely, with the monotonic start time."""


def read_connections(  # noqa: PLR0913  the differences between the two callers
    visits: NamespaceVisits,
    config: Config,
    sink: _Sink,
    *,
    history_of: Callable[[Namespace], History],
    may_redirect: bool,
    on_entry: Callable[[Namespace], None],
    on_read: OnRead,
) -> tuple[_Sink, bool]:
    """
    The sink with the connections of every namespace that could be read completely, and whether this
    host may have redirected some of them.

    Each namespace is entered twice, because matching needs the addresses of all namespaces; with
    may_redirect, once more to find redirected connections first. Raises CollectorError if the
    exporter's own namespace cannot be read; errors of other namespaces are noted in visits.
    """

    def survey(namespace: Namespace) -> NamespaceSockets:
        on_entry(namespace)
        return _until_complete(read_sockets)

    def read(namespace: Namespace, sockets: NamespaceSockets, before: _Sink) -> _Sink:
        started, after = time.monotonic(), before.copy()
        recorder = HistoryRecorder(history_of(namespace))
        for table in sockets.tables:
            analyzed = analyze(table, recorder, paths, sockets.endpoints, config.near_limit_ratio)
            after.add(namespace.name, analyzed)
            within.add(table, analyzed.path_of < 0)
        on_read(namespace, sockets, recorder, started)
        return after

    paths = config.paths
    found: dict[Namespace, NamespaceSockets] = {}
    for namespace in visits.found.namespaces:
        if alone := visits.inside(namespace, partial(survey, namespace)):
            found[namespace] = alone
    neighbours = in_exactly_one(each.endpoints.own_addresses for each in found.values())
    within, redirected = ConnectionsWithin(neighbours), EndpointSet()
    if may_redirect:
        redirected = _find_redirected(visits, found, ConnectionsWithin(neighbours))
    for namespace, alone in found.items():
        endpoints = replace(alone.endpoints, neighbours=neighbours, redirected=redirected)
        sockets = replace(alone, endpoints=endpoints)
        attempt = partial(read, namespace, sockets, sink)
        sink = visits.inside(namespace, partial(_until_complete, attempt)) or sink
    return sink, bool(within.redirected())


def _find_redirected(
    visits: NamespaceVisits,
    found: Mapping[Namespace, NamespaceSockets],
    within: ConnectionsWithin,
) -> EndpointSet:
    """
    The ends from which redirected connections were opened, which any of the namespaces may have
    accepted.
    """

    def read(sockets: NamespaceSockets) -> None:
        for table in sockets.addresses:
            within.add(table, np.ones(len(table), np.bool_))

    for namespace, sockets in found.items():
        visits.inside(namespace, partial(_until_complete, partial(read, sockets)))
    return within.redirected()


def _until_complete(read: Callable[[], _T]) -> _T:
    """
    The result of read, called again if the kernel's tables changed during the dump.
    """
    for _ in range(_ATTEMPTS - 1):
        with suppress(InterruptedReadError):
            return read()
    return read()
