"""
Close reasons of connections, and their idle spells before.

The kernel's event of a freed socket has its last tcp_info, but no reason. The reason is derived
from that and from earlier samples.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from exporter.analysis.direction import acked_beyond_data
from exporter.analysis.history_table import HistoryTable
from exporter.model import (
    IDLE_DROP_REASONS,
    BoolArray,
    Columns,
    ConnectionTable,
    FloatArray,
    Reason,
)

_JUST_NOW = 1.0
"""Maximum age in seconds of the last acknowledgement when a connection is closed in order."""
_SLACK = 0.1
_MAY_BE_DROP = np.array([reason in IDLE_DROP_REASONS for reason in Reason])
_TIMED_OUT = _MAY_BE_DROP & np.array([reason is not Reason.RESET for reason in Reason])


@dataclass(frozen=True, slots=True)
class ClosureVerdicts(Columns):
    """
    Reason, as a number, and idle spell in seconds of each closed connection.

    spell is the idle time before the closure, or before the first unanswered segment if that led to
    it. survived is the minimum idle time of a connection closed in order; fatal is the maximum idle
    time of one ended by the network or the peer. lost_at is the upper bound of the time when that
    began, with the first unanswered segment. NaN means unknown. counts is true for sockets that had
    been established connections.
    """

    reason: npt.NDArray[np.int8]
    spell: FloatArray
    survived: FloatArray
    fatal: FloatArray
    lost_at: FloatArray
    counts: BoolArray

    def idle_drops(self, near_limit: FloatArray) -> BoolArray:
        """
        Which are idle drops; near_limit is that of each one's path in seconds.
        """
        drops: BoolArray = _MAY_BE_DROP[self.reason] & (self.spell >= near_limit)
        return drops

    def unexplained(self, near_limit: FloatArray) -> BoolArray:
        """
        Which timed out after an idle spell that was certainly shorter than near_limit.
        """
        timed_out: BoolArray = _TIMED_OUT[self.reason] & (self.fatal < near_limit)
        return timed_out


def classify_closures(
    table: ConnectionTable, known: HistoryTable, missing_since: FloatArray, inbound: BoolArray
) -> ClosureVerdicts:
    """
    Classify freed sockets: table has the kernel's events.

    known has their history rows, missing_since the time of the first sample without them; inbound
    is true if their local port was listened on.
    """
    remembered = known["cookie"] == table.cookie
    counted = remembered & (table.segments_in >= 0)
    received = counted & (table.segments_in != known["segments_in"].astype(np.int64))
    # A busy event loop reads events late, which makes the start of ages appear later than it was.
    # A start that appears to be before the last sample is therefore certain to be.
    received_age = np.fmin(table.last_data_received, table.last_ack_received)
    seen_at = np.fmax(known["received_at"] + _SLACK, known["read_at"] - _SLACK)
    unchanged = (table.read_at - received_age <= seen_at) | (counted & ~received)
    sent_at = np.fmax(known["received_at"] + received_age, known["read_at"])  # by the kernel
    table = replace(
        table, read_at=np.where(unchanged, np.fmin(sent_at, table.read_at), table.read_at)
    )
    # A segment was received since the last sample without changing an age: a reset does that.
    was_reset = received & unchanged
    fin_acked = _is_fin_acked(table, inbound)
    reason = _reason(table, known, fin_acked, received, unchanged)
    half_closed = fin_acked & (reason != Reason.NORMAL)
    end = np.fmin(table.read_at, missing_since)
    hung = unchanged & ~np.isnan(known["unanswered_at"])
    at_most = np.where(hung, known["spell_at_most"], end - known["active_at"])
    ended_by_other = _MAY_BE_DROP[reason] & ((reason != Reason.RESET) | was_reset)
    in_order = (reason == Reason.NORMAL) & (fin_acked | ~known["peer_closed"])
    spell = _spell(table, known, end, unchanged, reason)
    return ClosureVerdicts(
        reason=reason,
        # A probe of a half-closed connection, which no dump has, is sent after the keepalive time.
        spell=np.where(half_closed, known["keepalive_time"], spell),
        survived=np.where(in_order, known["unchanged_for"], np.nan),
        fatal=np.where(ended_by_other & ~half_closed, at_most, np.nan),
        lost_at=np.where(hung, known["unanswered_at"], end),
        counts=remembered | _was_established(table, inbound),
    )


def _is_fin_acked(table: ConnectionTable, inbound: BoolArray) -> BoolArray:
    """
    Whether the peer has acknowledged the local FIN.
    """
    acked: BoolArray = acked_beyond_data(table) > np.where(inbound, 0, 1)
    return np.where(table.bytes_sent < 0, table.last_ack_received < _JUST_NOW, acked)


def _reason(
    table: ConnectionTable,
    known: HistoryTable,
    fin_acked: BoolArray,
    received: BoolArray,
    unchanged: BoolArray,
) -> npt.NDArray[np.int8]:
    """
    The Reason, as a number. received: since the last sample; unchanged: without changing an age.

    tcp_close() leaves what was not read in the count of received bytes; the peer's FIN is one byte
    of it. If there is more, or SO_LINGER is 0 s, it sends a reset. For SO_LINGER, tcp_disconnect()
    also clears the counters, but not that of retransmissions. Multipath TCP calls it for the
    subflows of a connection that was closed in order.
    """
    peer_closed = known["peer_closed"] | (table.receive_queue == 1)
    disconnected = (table.segments_in == 0) & (table.segments_out == 0)
    hung = unchanged & known["lasting"]
    retransmitted = (table.retransmits > 0) | ((table.probes > 0) & (table.send_queue > 0))
    # After a FIN, only the timeout of a half-closed connection leaves unanswered probes. If that
    # is the first one, a reset has answered it.
    half_closed = fin_acked & (table.probes > 0)
    unread = table.receive_queue > 1
    remembered = known["cookie"] == table.cookie
    silent = remembered & (table.segments_in >= 0) & ~received
    return np.select(
        [
            peer_closed | (fin_acked & ~half_closed),
            half_closed & (table.probes == 1),
            half_closed,
            disconnected & (table.retransmits > 1),  # a single one may be a lost segment
            disconnected & hung,
            disconnected & known["mptcp"],
            disconnected,
            received & unchanged,
            retransmitted,
            table.probes > 0,
            unread | silent,
        ],
        [
            Reason.NORMAL,
            Reason.RESET,
            Reason.KEEPALIVE_TIMEOUT,
            Reason.RETRANSMIT_TIMEOUT,
            Reason.KEEPALIVE_TIMEOUT,
            Reason.NORMAL,
            Reason.ABORT,
            Reason.RESET,
            Reason.RETRANSMIT_TIMEOUT,
            Reason.KEEPALIVE_TIMEOUT,
            Reason.ABORT,
        ],
        Reason.RESET,
    ).astype(np.int8)


def _spell(
    table: ConnectionTable,
    known: HistoryTable,
    end: FloatArray,
    unchanged: BoolArray,
    reason: npt.NDArray[np.int8],
) -> FloatArray:
    """
    Seconds; NaN if a connection without history timed out.

    The socket may be freed long after the connection ended, when its application closes it.
    """
    sent_at = table.read_at - table.last_data_sent
    received_at = table.read_at - np.fmin(table.last_data_received, table.last_ack_received)
    hung = unchanged & ~np.isnan(known["unanswered_at"])
    active_at = np.where(hung, np.nan, known["active_at"])

    in_order = end - np.fmax(np.fmax(sent_at, table.read_at - table.last_data_received), active_at)
    unanswered_at = np.where((sent_at > received_at) & (sent_at < end), sent_at, end)
    by_reset = unanswered_at - np.fmax(received_at, active_at)
    probe_at = np.fmin(np.fmax(known["check_at"], known["read_at"]), end)
    by_probing = np.where(unchanged, probe_at - active_at, np.nan)
    by_sending = np.where(unchanged, known["read_at"] - active_at, np.nan)

    by_reset = np.where((table.probes > 0) & ~np.isnan(by_probing), by_probing, by_reset)
    spell: FloatArray = np.choose(reason, [in_order, by_reset, by_reset, by_probing, by_sending])
    spell = np.where((reason != Reason.NORMAL) & hung, known["spell"], spell)
    return np.maximum(spell, 0.0)


def _was_established(table: ConnectionTable, inbound: BoolArray) -> BoolArray:
    """
    Which of the sockets without history had been established connections.

    A refused one has received a reset but no acknowledgement of its SYN. An unanswered one has
    received nothing. An inbound one that has sent nothing is a duplicate, made on one CPU while
    another CPU made the connection's socket. The kernel clears the counters and the time of the
    last data of an aborted connection (tcp_disconnect), as for a socket that was never connected.
    The latter never received an acknowledgement, so that both of its ages go back to tick 0.
    """
    answered = (table.bytes_acked > 0) | (inbound & (table.segments_out > 0))
    counted: BoolArray = (table.segments_in > 1) | ((table.segments_in > 0) & answered)
    cleared = (table.segments_in == 0) & (table.segments_out == 0)
    counted |= cleared & (table.last_ack_received != table.last_data_received)
    return counted
