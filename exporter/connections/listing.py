"""
A listing: read the sockets, analyze them, select by a query, and find their owners or group them.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from exporter.analysis.exact_options import with_options
from exporter.collectors.namespace_visits import NamespaceProblem
from exporter.collectors.operating_system import namespace_finder
from exporter.collectors.state import State
from exporter.config.schema import Config, Namespaces
from exporter.connections.advice import Advice, sentences
from exporter.connections.collect import CollectedConnections, Histories, collect
from exporter.connections.destinations import Destination, Destinations
from exporter.connections.query import Query, Sort
from exporter.connections.rows import Connection, Owners, make_rows
from exporter.connections.selection import Matches, Selection
from exporter.linux.borrowed_sockets import KnownSocket, find_sockets, read_options
from exporter.linux.procfs.cgroups import WorkloadNames
from exporter.linux.procfs.processes import ProcessFinder, read_command
from exporter.model import (
    CollectorError,
    DiscoveredNamespaces,
    Risk,
    SocketOptions,
)
from exporter.paths.matching import idle_timeouts
from exporter.text.wording import plural

_Matches = TypeVar("_Matches", bound=Matches)


@dataclass(frozen=True, slots=True)
class Listing:
    """
    What every listing has.

    by_risk counts all connections, matching those selected by the query. histories is for the next
    listing. unnamed is the reason why workloads have no names, unread the reasons why network
    namespaces were not read. timestamp is in seconds since 1970.
    """

    timestamp: float
    by_risk: Counter[Risk]
    matching: int
    histories: Histories
    unnamed: str | None
    unread: dict[str, NamespaceProblem]


@dataclass(frozen=True, slots=True)
class ConnectionListing(Listing):
    """
    One page of the matching connections, and advice for them.
    """

    connections: tuple[Connection, ...]
    advice: dict[Advice, str]


@dataclass(frozen=True, slots=True)
class DestinationListing(Listing):
    """
    The destinations with the most matching connections; number is that of all destinations.
    """

    destinations: tuple[Destination, ...]
    number: int


class ConnectionLister:
    """
    Creates listings, and caches owners from one to the next.
    """

    def __init__(self) -> None:
        self._workloads = WorkloadNames()
        self._processes = ProcessFinder()
        self._finders: dict[Namespaces, Callable[[], DiscoveredNamespaces]] = {}

    def list_connections(self, query: Query, config: Config, state: State) -> ConnectionListing:
        """
        List the connections of the configured network namespaces.

        state is of earlier listings or of the sampler, and is not modified. Blocks for as long as a
        sample takes, or a few times longer. Raises CollectorError, UnknownPathError and, if the
        calling thread must not read again, StrandedError.
        """
        timestamp = time.time()
        empty = Selection(query, config.paths, self._workloads.names)
        found = self._collect(empty, config, state)
        options = self._decide(found.matches, config)
        by_risk, rows, unnamed = found.matches.by_risk, list[Connection](), None
        page = found.matches.page()
        if page is not None:
            cgroups = set(page.judged.known["cgroup"].tolist())
            workloads, unnamed = self._name_workloads(cgroups)
            sockets = find_sockets([page.judged.table], self._processes)
            unread = [each for inode, each in sockets.items() if inode not in options]
            processes = {inode: each.holder for inode, each in sockets.items()}
            commands = {pid: read_command(pid) for pid in {each.pid for each in processes.values()}}
            owners = Owners(processes, options | _read_options(unread), workloads, commands)
            rows = make_rows(page, config, found.times, owners)
            # Exact options may have changed the risk that was counted.
            by_risk = by_risk - Counter(map(Risk, page.judged.risk.tolist()))
            by_risk.update(row.risk for row in rows)
            if query.sort is Sort.RISK:
                rows.sort(key=lambda row: row.risk)
        return ConnectionListing(
            timestamp=timestamp,
            connections=tuple(rows),
            by_risk=by_risk,
            matching=found.matches.matching,
            histories=found.histories,
            advice=sentences((row.advice for row in rows if row.advice), config),
            unnamed=unnamed,
            unread=found.problems,
        )

    def list_destinations(self, query: Query, config: Config, state: State) -> DestinationListing:
        """
        Group the same connections by destination; the query's limit is that of destinations, and
        its sort order does not apply.
        """
        timestamp = time.time()
        empty = Destinations(query, config.paths, self._workloads.names)
        found = self._collect(empty, config, state)
        self._decide(found.matches, config)
        workloads, unnamed = self._name_workloads(found.matches.cgroups())
        destinations, number = found.matches.most_connections(workloads)
        return DestinationListing(
            timestamp=timestamp,
            destinations=tuple(destinations),
            number=number,
            by_risk=found.matches.by_risk,
            matching=found.matches.matching,
            histories=found.histories,
            unnamed=unnamed,
            unread=found.problems,
        )

    def _collect(
        self, empty: _Matches, config: Config, state: State
    ) -> CollectedConnections[_Matches]:
        which = config.namespaces
        find = self._finders.setdefault(which, namespace_finder(which))
        return collect(empty, config, state, find)

    def _decide(self, matches: Matches, config: Config) -> dict[int, SocketOptions]:
        """
        Read the options of connections whose verdicts may change by them; returns them by inode.
        """
        if not matches.undecided:
            return {}
        undecided = [part.table for _, part in matches.undecided]
        options = _read_options(find_sockets(undecided, self._processes).values())
        timeouts = idle_timeouts(config.paths)
        matches.decide(
            lambda part: with_options(
                part,
                [options.get(inode) for inode in part.table.inode.tolist()],
                timeouts[part.path_of],
                config.near_limit_ratio,
            )
        )
        return options

    def _name_workloads(self, cgroups: set[int]) -> tuple[dict[int, str], str | None]:
        """
        The workloads by cgroup, or none and the reason if they cannot be named.
        """
        try:
            return self._workloads.names(cgroups), None
        except CollectorError as error:  # connections are shown without names
            return {}, str(error)


def _read_options(sockets: Iterable[KnownSocket]) -> dict[int, SocketOptions]:
    borrowed = read_options(sockets)
    return {inode: each.options for inode, each in borrowed.items() if each.options is not None}


def keep_histories(found: Listing | CollectedConnections[Any], state: State) -> None:
    """
    Store the histories in state, for the next listing.
    """
    state.keep(found.histories)
    for namespace, history in found.histories.items():
        state.of(namespace).history = history


def notes(listing: ConnectionListing) -> list[str]:
    """
    Sentences about data that is missing or could not be read.
    """
    found = []
    if any(row.presumed for row in listing.connections):
        found.append(
            "Protection none? and late? may be peer: these connections have not been watched for"
            " long enough to see keepalive probes from their peers, and their idle time may be"
            " shorter than shown. --watch, or the exporter's own page, shows which."
        )
    found += unread_notes(listing)
    rows = listing.connections
    if any(not row.keepalive.exact and row.keepalive.on for row in rows):
        found.append("Keepalive times with >= are lower bounds until a timer was observed to fire.")
    if without := sum(row.process is None for row in rows):
        found.append(
            f"The process of {without} of the {len(rows)} connections shown is unknown. Processes"
            " of other users require root, or CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH. Processes"
            " outside this container require the host's PID namespace."
        )
    if without := sum(row.process is not None and not row.keepalive.exact for row in rows):
        found.append(
            f"The socket options of {without} of the {len(rows)} connections shown are unreadable."
            " Reading them requires root or CAP_SYS_PTRACE, and Linux 5.6 or newer."
        )
    return found


def unread_notes(listing: Listing) -> list[str]:
    """
    Sentences about workloads without names and network namespaces that were not read.
    """
    return unread_sentences(listing.unnamed, listing.unread)


def unread_sentences(unnamed: str | None, unread: Mapping[str, NamespaceProblem]) -> list[str]:
    """
    The same, given the reasons.
    """
    found = []
    if unnamed:
        found.append(f"{unnamed[0].upper()}{unnamed[1:]}.")
    for why, problem in unread.items():
        number = plural(len(problem.names) + problem.untried, "network namespace")
        names = f" (including {min(problem.names)})" if problem.names else ""
        found.append(f"{number} could not be read{names}: {why}.")
    return found
