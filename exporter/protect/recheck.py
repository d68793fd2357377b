"""
Whether a connection that was found hanging still hangs, from a new reading of its socket.
"""

from enum import StrEnum

import numpy as np

from exporter.analysis.history_table import HistoryTable
from exporter.model import ConnectionTable, TcpState

_SLACK = 0.1
"""Error of the kernel's ages and of times of reading, in seconds."""


class ResetOutcome(StrEnum):
    """
    What became of a connection that was found hanging.

    HANGS: it was not touched. RECOVERED: its peer has answered since. CLOSED: it has been closed
    since, by either end or by a timeout. NOT_PERMITTED, FAILED: it could not be ended.
    """

    HANGS = "hangs"
    ENDED = "ended"
    RECOVERED = "recovered"
    CLOSED = "closed"
    NOT_PERMITTED = "not_permitted"
    FAILED = "failed"


def recheck(now: ConnectionTable, before: HistoryTable) -> ResetOutcome:
    """
    HANGS, RECOVERED or CLOSED. now has the connection as it is now, before what was known of it
    when it was found hanging: one row each.

    It still hangs if something is unanswered and no segment was received since. The counter of
    received segments includes probes from the peer, which change none of the kernel's ages.
    """
    if now.state[0] != TcpState.ESTABLISHED:
        return ResetOutcome.CLOSED
    received = np.uint32(now.segments_in[0] & 0xFFFFFFFF) != before["segments_in"][0]
    age = np.fmin(now.last_data_received, now.last_ack_received)[0]
    since_then = now.read_at[0] - before["received_at"][0]
    # Not "younger than": an unknown age is no proof that it hangs.
    if received or not age >= since_then - _SLACK or not now.unanswered[0]:
        return ResetOutcome.RECOVERED
    return ResetOutcome.HANGS
