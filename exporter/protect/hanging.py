"""
Finds connections that hang, and ends those that still do.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import structlog

from exporter.analysis.history import History
from exporter.analysis.history_table import HistoryTable
from exporter.analysis.observation import unanswered_for
from exporter.collectors.operating_system import inside
from exporter.collectors.state import State
from exporter.config.schema import Config
from exporter.connections import format as words
from exporter.connections.listing import ConnectionLister, ConnectionListing
from exporter.connections.query import Query
from exporter.connections.rows import Connection
from exporter.linux.netlink.destroy_request import Diagnostics, SocketId
from exporter.model import CollectorError, Risk, VanishedError
from exporter.protect.recheck import ResetOutcome, recheck
from exporter.text.escaping import printable

_HANGING = frozenset((Risk.STALLED, Risk.UNANSWERED))

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class HangingConnection:
    """
    A connection that hung when it was listed, and what became of it.

    hanging is the minimum number of seconds for which its segments had been unanswered. error is
    the reason why it could not be ended.
    """

    row: Connection
    hanging: float
    outcome: ResetOutcome = ResetOutcome.HANGS
    error: str | None = None


@dataclass(frozen=True, slots=True)
class HangingListing:
    """
    The connections that hang, as they were listed, and what became of them.

    listing has them in the same order. refusal is the reason why none could be ended by this
    process or kernel; None if they can.
    """

    listing: ConnectionListing
    connections: tuple[HangingConnection, ...]
    refusal: str | None

    @property
    def outcomes(self) -> Counter[ResetOutcome]:
        """
        The number of connections by outcome.
        """
        return Counter(each.outcome for each in self.connections)


def find_hanging(query: Query, config: Config) -> HangingListing:
    """
    The connections that match the query and hang. Changes nothing.

    Raises CollectorError and UnknownPathError.
    """
    query = replace(query, risks=_HANGING)
    found = ConnectionLister().list_connections(query, config, State())
    # Exact options, read last, may have changed the risk.
    rows = tuple(row for row in found.connections if row.risk in _HANGING)
    histories = _histories(found)
    hanging = (
        HangingConnection(row, float(unanswered_for(_row_of(row, histories[row.netns]))[0]))
        for row in rows
    )
    return HangingListing(replace(found, connections=rows), tuple(hanging), _refusal())


def end_hanging(found: HangingListing) -> HangingListing:
    """
    End each connection that still hangs, after asking the kernel for it once more, and log it.

    Raises StrandedError.
    """
    by_netns = defaultdict(list)
    for each in found.connections:
        by_netns[each.row.netns].append(each)
    histories = _histories(found.listing)
    ended = {
        after.row.cookie: after
        for netns, connections in by_netns.items()
        for after in _end_inside(found.listing, netns, connections, histories[netns])
    }
    after = tuple(ended[each.row.cookie] for each in found.connections)
    return replace(found, connections=after)


def _end_inside(
    listing: ConnectionListing, netns: str, connections: list[HangingConnection], history: History
) -> Iterator[HangingConnection]:
    """
    End the connections of one network namespace.
    """
    (namespace,) = [each for each in listing.histories if each.name == netns]
    done: list[HangingConnection] = []
    rest, error = ResetOutcome.FAILED, None
    try:
        with inside(namespace), Diagnostics() as diagnostics:
            done += (_end(each, history, diagnostics) for each in connections)
    except VanishedError:
        rest = ResetOutcome.CLOSED
    except CollectorError as reason:
        error = str(reason)
    yield from done
    for each in connections[len(done) :]:
        yield replace(each, outcome=rest, error=error)


def _end(
    hanging: HangingConnection, history: History, diagnostics: Diagnostics
) -> HangingConnection:
    row = hanging.row
    try:
        socket = diagnostics.find(
            SocketId(row.local, row.local_port, row.remote, row.remote_port, row.cookie)
        )
        if socket is None:
            return replace(hanging, outcome=ResetOutcome.CLOSED)
        outcome = recheck(socket.table, _row_of(row, history))
        if outcome is not ResetOutcome.HANGS:
            return replace(hanging, outcome=outcome)
        if not diagnostics.destroy(socket):
            return replace(hanging, outcome=ResetOutcome.CLOSED)
    except PermissionError as error:
        return replace(hanging, outcome=ResetOutcome.NOT_PERMITTED, error=str(error))
    except CollectorError as error:
        return replace(hanging, outcome=ResetOutcome.FAILED, error=str(error))
    _log.info("connection ended", **_details(hanging))
    return replace(hanging, outcome=ResetOutcome.ENDED)


def _details(hanging: HangingConnection) -> dict[str, object]:
    row = hanging.row
    return {
        "previous_state": row.idle_state.name.lower(),
        "netns": row.netns,
        "workload": printable(row.workload or "?"),
        "process": words.process(row),
        "local": words.endpoint(row.local, row.local_port),
        "remote": words.endpoint(row.remote, row.remote_port),
        "path": words.path(row),
        "unanswered": row.unanswered,
        "hanging_seconds": round(hanging.hanging, 1),
        "received_seconds": row.received and round(row.received, 1),
    }


def _refusal() -> str | None:
    try:
        with Diagnostics() as diagnostics:
            diagnostics.require_destroy()
    except (CollectorError, PermissionError) as error:
        return str(error)
    return None


def _histories(listing: ConnectionListing) -> dict[str, History]:
    return {namespace.name: history for namespace, history in listing.histories.items()}


def _row_of(row: Connection, history: History) -> HistoryTable:
    return history.recall(np.array([row.cookie], np.uint64))
