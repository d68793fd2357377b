"""
Which end opened a connection, and whether it leaves the host.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from exporter.analysis.history_table import HistoryTable
from exporter.model import BoolArray, ConnectionTable, IntArray
from exporter.paths.matching import (
    LocalEndpoints,
    is_listened_on,
    is_redirected,
    stays_on_host,
)

OPENED_HERE, ACCEPTED, UNKNOWN_OPENER = 1, 0, -1


def opener(table: ConnectionTable) -> npt.NDArray[np.int8]:
    """
    OPENED_HERE, ACCEPTED or UNKNOWN_OPENER for each connection.

    A SYN counts as one acknowledged byte of the end that sent it, a SYN-ACK does not
    (tcp_snd_una_update in net/ipv4/tcp_input.c). So with nothing in flight, the end that opened the
    connection has one acknowledged byte more than it has sent, and the other end has none. Unknown
    while something is in flight, and before Linux 4.19.
    """
    at_rest = (table.unacked == 0) & (table.send_queue == 0) & (table.bytes_sent >= 0)
    beyond_data = acked_beyond_data(table)
    return np.select(
        [at_rest & (beyond_data == 1), at_rest & (beyond_data == 0)],
        [OPENED_HERE, ACCEPTED],
        UNKNOWN_OPENER,
    ).astype(np.int8)


def acked_beyond_data(table: ConnectionTable) -> IntArray:
    """
    The acknowledged bytes that were not data, less the data in flight: one for this end's SYN, and
    one for its FIN. Meaningless before Linux 4.19, where bytes_sent is negative.
    """
    beyond_data: IntArray = table.bytes_acked - (table.bytes_sent - table.bytes_retransmitted)
    return beyond_data


def is_inbound(known: HistoryTable, listened_on: BoolArray) -> BoolArray:
    """
    Whether the peer opened each connection; listened_on is true if its local port has been listened
    on, which decides if the opener is unknown.
    """
    opened = known["opener"]
    inbound: BoolArray = np.where(opened == UNKNOWN_OPENER, listened_on, opened == ACCEPTED)
    return inbound


@dataclass(frozen=True, slots=True)
class Course:
    """
    For each connection: whether its local port has been listened on, whether the peer opened it,
    whether it has been redirected to a server on this host, and whether it stays on this host.
    """

    listened_on: BoolArray
    inbound: BoolArray
    redirected: BoolArray
    on_host: BoolArray


def course(table: ConnectionTable, known: HistoryTable, endpoints: LocalEndpoints) -> Course:
    """
    The course of connections, from what is known of them and from the host's endpoints now.
    """
    listened_on = known["listened_on"] | is_listened_on(table, endpoints)
    inbound = is_inbound(known, listened_on)
    redirected = known["redirected"] | is_redirected(table, endpoints, inbound)
    return Course(listened_on, inbound, redirected, redirected | stays_on_host(table, endpoints))
