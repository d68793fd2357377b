"""
Destroy events of sockets, and their history rows from earlier samples.

The values are those of real connections through a NAT on Linux 6.18.
"""

import socket
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np

from exporter.analysis.closure_reasons import ClosureVerdicts, classify_closures
from exporter.analysis.history_table import HistoryTable
from exporter.model import ConnectionTable

NAN = float("nan")
END = 100_000.0
"""When the kernel sent the event, in seconds on the monotonic clock."""
SINCE_ZERO = END - 300.0
"""Age of something that never happened: the kernel's tick counter starts five minutes before 0."""


@dataclass(frozen=True)
class Event:
    """
    The destroy event of one socket. Ages are seconds before END; late is the delay in seconds until
    the event was read; missed is how many seconds before END a sample first missed the connection.

    The defaults are those of an outbound connection that was idle for 200 s and then reset.
    """

    retransmits: int = 0
    probes: int = 0
    send_queue: int = 0
    receive_queue: int = 0
    sent: float = 200.0
    received: float = 200.0
    acked: float = 200.0
    segments_out: int = 6
    segments_in: int = 5
    bytes_acked: int = 3
    bytes_sent: int = 2
    bytes_retransmitted: int = 0
    late: float = 0.02
    missed: float = NAN
    inbound: bool = False


@dataclass(frozen=True)
class Row:
    """
    The history row of the last sample; the first four values are in seconds before END.

    The defaults are those of a connection that was idle for 190 s, without keepalive.
    """

    read: float = 10.0
    active: float = 200.0
    received: float = 200.0
    check: float = NAN
    unanswered: float = NAN
    spell: float = NAN
    spell_at_most: float = NAN
    unchanged_for: float = 175.0
    segments_in: int = 4
    armed: int = 0
    lasting: bool = False
    peer_closed: bool = False
    keepalive_time: float = NAN


CLOSED = Event(acked=0.0, segments_out=8, segments_in=6, bytes_acked=4)
RESET = Event()
REFUSED_WRITE = Event(sent=0.1, send_queue=1, segments_out=7, bytes_sent=3)
PROBED = Event(probes=8, sent=440.0, received=440.0, acked=440.0, segments_out=14, segments_in=4)
RETRANSMITTED = Event(
    retransmits=15,
    send_queue=1,
    sent=120.0,
    received=1124.0,
    acked=1124.0,
    segments_out=22,
    segments_in=4,
    bytes_sent=18,
    bytes_retransmitted=15,
)
FIN_UNANSWERED = Event(
    retransmits=8, send_queue=1, sent=300.0, received=300.0, acked=300.0, segments_in=4
)
ABORTED = Event(
    send_queue=65538,
    received=SINCE_ZERO,
    segments_out=0,
    segments_in=0,
    bytes_acked=0,
    bytes_sent=0,
)
NEVER = replace(ABORTED, send_queue=0, sent=SINCE_ZERO, acked=SINCE_ZERO)

IDLE = Row()
PROBING = Row(
    active=15.0,
    received=440.0,
    check=-20.0,
    unanswered=230.0,
    spell=200.0,
    armed=1,
    lasting=True,
)
HANGING = Row(active=120.0, received=1124.0, unanswered=910.0, spell=198.0, lasting=True)


def later(event: Event, seconds: float) -> Event:
    """
    The same closure with the event sent later by seconds, when the application closes the socket.
    """
    return replace(
        event,
        sent=event.sent + seconds,
        received=event.received + seconds,
        acked=event.acked + seconds,
        missed=seconds - 5,
    )


def earlier(row: Row, seconds: float) -> Row:
    """
    The same history row of a connection whose event is sent later by seconds.
    """
    return replace(
        row,
        read=row.read + seconds,
        active=row.active + seconds,
        received=row.received + seconds,
        check=row.check + seconds,
    )


def classified(event: Event, row: Row | None = None) -> ClosureVerdicts:
    """
    The verdict on one event; without a row, no sample had the connection.
    """
    return classified_together([event], [row])


def classified_together(events: Sequence[Event], known: Sequence[Row | None]) -> ClosureVerdicts:
    """
    The verdicts on several events.
    """
    return classify_closures(
        table(events),
        rows(known),
        np.array([END - event.missed for event in events]),
        np.array([event.inbound for event in events]),
    )


def table(events: Sequence[Event]) -> ConnectionTable:
    """
    The events as a table from the decoder.
    """
    columns: dict[str, Any] = {
        field.name: np.zeros(len(events), np.int64) for field in fields(ConnectionTable)
    }
    column = {name: np.array([asdict(event)[name] for event in events]) for name in asdict(Event())}
    columns |= {name: column[name] for name in column.keys() & columns.keys()}
    columns["read_at"] = END + column["late"]
    columns["cookie"] = np.arange(1, len(events) + 1, dtype=np.uint64)
    columns["family"] = np.full(len(events), socket.AF_INET)
    columns["last_data_sent"] = column["sent"]
    columns["last_data_received"] = column["received"]
    columns["last_ack_received"] = column["acked"]
    return ConnectionTable(**columns)


def rows(known: Sequence[Row | None]) -> HistoryTable:
    """
    The rows as returned by the history.
    """
    result = HistoryTable.unknown(len(known))
    for index, row in enumerate(known):
        if row is None:
            continue
        one = result[index : index + 1]
        values = {
            "cookie": index + 1,
            "read_at": END - row.read,
            "active_at": END - row.active,
            "received_at": END - row.received,
            "check_at": END - row.check,
            "unanswered_at": END - row.unanswered,
            "spell": row.spell,
            "spell_at_most": row.spell_at_most,
            "unchanged_for": row.unchanged_for,
            "segments_in": row.segments_in & 0xFFFFFFFF,
            "armed": row.armed,
            "lasting": row.lasting,
            "peer_closed": row.peer_closed,
            "keepalive_time": row.keepalive_time,
        }
        for name, value in values.items():
            one[name] = np.array([value])
    return result
