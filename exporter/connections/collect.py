"""
Reads the connections of the configured network namespaces, and selects by a query.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from exporter.analysis.history import History, HistoryRecorder
from exporter.collectors.namespace_connections import read_connections
from exporter.collectors.namespace_visits import NamespaceProblem, NamespaceVisits
from exporter.collectors.operating_system import NamespaceSockets, read_settings
from exporter.collectors.state import State
from exporter.config.schema import Config
from exporter.connections.selection import Matches
from exporter.model import DiscoveredNamespaces, Namespace

Histories = dict[Namespace, History]


_Matches = TypeVar("_Matches", bound=Matches)


@dataclass(frozen=True, slots=True)
class CollectedConnections(Generic[_Matches]):
    """
    The matching connections, and each namespace's history for the next collection.

    times has the keepalive time settings in seconds, by `netns` label. problems has the reasons why
    namespaces could not be read.
    """

    matches: _Matches
    histories: Histories
    times: dict[str, float | None]
    problems: dict[str, NamespaceProblem]


def collect(
    matches: _Matches, config: Config, state: State, find: Callable[[], DiscoveredNamespaces]
) -> CollectedConnections[_Matches]:
    """
    Read the namespaces found. state, of earlier listings or samples, is not modified.

    Raises CollectorError if the exporter's own namespace cannot be read, StrandedError if the
    calling thread must not read again.
    """
    visits = NamespaceVisits(find())
    times: dict[str, float | None] = {}
    histories: Histories = {}

    def note_time(namespace: Namespace) -> None:
        times[namespace.name] = read_settings().time

    def note_history(
        namespace: Namespace, _: NamespaceSockets, recorder: HistoryRecorder, started: float
    ) -> None:
        histories[namespace] = recorder.finish(started, None)

    matches, _ = read_connections(
        visits,
        config,
        matches,
        history_of=state.history_of,
        may_redirect=True,
        on_entry=note_time,
        on_read=note_history,
    )
    return CollectedConnections(matches, histories, times, visits.problems)
