"""
How connections ended, and how long they had been idle before.

The kernel tells when a socket is freed, with its last tcp_info and no reason. The reasons below are
told apart by what that shows, and by what the samples before had shown.
"""

from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from exporter.analysis.history_table import Rows
from exporter.model import BoolArray, ConnectionTable, FloatArray, Reason

_JUST_NOW = 1.0
"""Seconds within which the last acknowledgement comes when a connection is closed in order."""
_SLACK = 0.1


@dataclass(frozen=True, slots=True)
class Closures:
    """
    Reason, as a number, and idle spell in seconds of each connection that ended.

    spell is the quiet time before the end or, where it began with something unanswered, before that
    was sent. Where they are known, NaN elsewhere: survived is how long the connection had been idle
    at least when it ended in order, fatal how long at most when the network or the peer ended it.
    counts tells which of the sockets had been connections at all.
    """

    reason: npt.NDArray[np.int8]
    spell: FloatArray
    survived: FloatArray
    fatal: FloatArray
    counts: BoolArray

    def rows(self, which: BoolArray) -> "Closures":
        """
        Those that which selects.
        """
        return Closures(*(getattr(self, column.name)[which] for column in fields(self)))


def judge_closures(
    table: ConnectionTable, known: Rows, gone_since: FloatArray, inbound: BoolArray
) -> Closures:
    """
    Judge sockets that were freed: table is what the kernel told then.

    known is what is remembered of them, gone_since when a sample missed them, inbound whether their
    local port was listened on.
    """
    remembered = known["cookie"] == table.cookie
    counted = remembered & (table.segments_in >= 0)
    came = counted & (table.segments_in != known["segments_in"].astype(np.int64))
    # A busy event loop reads late what the kernel told, so that ages seem to have begun later than
    # they did. Still, one that seems to have begun before the last sample has.
    received_age = np.fmin(table.last_data_received, table.last_ack_received)
    seen_at = np.fmax(known["received_at"] + _SLACK, known["read_at"] - _SLACK)
    unchanged = (table.read_at - received_age <= seen_at) | (counted & ~came)
    told_at = np.fmax(known["received_at"] + received_age, known["read_at"])
    table = replace(
        table, read_at=np.where(unchanged, np.fmin(told_at, table.read_at), table.read_at)
    )
    # Whatever came since the last sample without moving an age: a reset does.
    was_reset = came & unchanged
    reason = _reason(table, was_reset, inbound)
    end = np.fmin(table.read_at, gone_since)
    at_most = np.where(
        unchanged & ~np.isnan(known["spell"]), known["spell_at_most"], end - known["active_at"]
    )
    # A reset that did not come was sent by the application here; an abort clears the counters.
    from_outside = (reason != Reason.NORMAL) & ((reason != Reason.RESET) | was_reset)
    from_outside &= table.segments_in > 0
    return Closures(
        reason=reason,
        spell=_spell(table, known, end, unchanged, reason),
        survived=np.where(reason == Reason.NORMAL, known["still"], np.nan),
        fatal=np.where(from_outside, at_most, np.nan),
        counts=remembered | _was_established(table, inbound),
    )


def _reason(table: ConnectionTable, came: BoolArray, inbound: BoolArray) -> npt.NDArray[np.int8]:
    # Our FIN counts as one acknowledged byte, and so does the SYN of a connection we opened.
    beyond_data = table.bytes_acked - (table.bytes_sent - table.bytes_retransmitted)
    fin_acked = beyond_data > np.where(inbound, 0, 1)
    fin_acked = np.where(table.bytes_sent < 0, table.last_ack_received < _JUST_NOW, fin_acked)
    retransmitted = (table.retransmits > 0) | ((table.probes > 0) & (table.send_queue > 0))
    return np.select(
        [fin_acked, came, retransmitted, table.probes > 0],
        [Reason.NORMAL, Reason.RESET, Reason.RETRANSMIT_TIMEOUT, Reason.KEEPALIVE_TIMEOUT],
        Reason.RESET,
    ).astype(np.int8)


def _spell(
    table: ConnectionTable,
    known: Rows,
    end: FloatArray,
    unchanged: BoolArray,
    reason: npt.NDArray[np.int8],
) -> FloatArray:
    """
    Seconds; 0 where a death by timeout took a connection that no sample had seen.

    The socket may be freed long after its death, when its application lets go of it.
    """
    sent_at = table.read_at - table.last_data_sent
    received_at = table.read_at - np.fmin(table.last_data_received, table.last_ack_received)
    remembered_spell = np.where(unchanged, known["spell"], np.nan)
    active_at = np.where(np.isnan(remembered_spell), known["active_at"], np.nan)

    in_order = end - np.fmax(np.fmax(sent_at, table.read_at - table.last_data_received), active_at)
    unanswered_at = np.where((sent_at > received_at) & (sent_at < end), sent_at, end)
    by_reset = unanswered_at - np.fmax(received_at, active_at)
    probe_at = np.fmin(np.fmax(known["check_at"], known["read_at"]), end)
    by_probing = np.where(unchanged, probe_at - active_at, np.nan)
    by_sending = np.where(unchanged, known["read_at"] - active_at, np.nan)

    by_reset = np.where((table.probes > 0) & ~np.isnan(by_probing), by_probing, by_reset)
    spell: FloatArray = np.choose(reason, [in_order, by_reset, by_probing, by_sending])
    spell = np.where(
        (reason != Reason.NORMAL) & ~np.isnan(remembered_spell), remembered_spell, spell
    )
    return np.maximum(spell, 0.0, where=~np.isnan(spell), out=np.zeros(len(spell)))


def _was_established(table: ConnectionTable, inbound: BoolArray) -> BoolArray:
    """
    Which of the sockets that no sample has seen had been connections.

    One that was refused has received a reset but no acknowledgement of its SYN, one that was not
    answered has received nothing. An inbound one that has sent nothing was made on one CPU while
    another CPU made the connection's real socket. Of one that was aborted the kernel has cleared
    the counters and the time of the last data (tcp_disconnect), as it has of one that was nothing;
    but that one never received an acknowledgement, so that both ages reach back to tick 0.
    """
    answered = (table.bytes_acked > 0) | (inbound & (table.segments_out > 0))
    counted: BoolArray = (table.segments_in > 1) | ((table.segments_in > 0) & answered)
    cleared = (table.segments_in == 0) & (table.segments_out == 0)
    counted |= cleared & (table.last_ack_received != table.last_data_received)
    return counted
