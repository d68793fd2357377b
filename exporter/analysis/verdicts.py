"""
Protection and idle state of all connections of a table.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from exporter.analysis.coverage import TIMER_LATENESS
from exporter.analysis.history_table import HistoryTable
from exporter.analysis.observation import since_last_segment, unanswered_for
from exporter.model import (
    AT_RISK_IDLE_STATES,
    AT_RISK_PROTECTIONS,
    HANGING_IDLE_STATES,
    BoolArray,
    Columns,
    ConnectionTable,
    FloatArray,
    IdleState,
    Protection,
    Timer,
)

TICK = 0.05
"""Seconds by which an observed keepalive time may be too short: a few jiffies at either end."""
_UNANSWERED_FOR = 30.0
"""Seconds after which unanswered segments are taken for more than a short disturbance."""
_IS_AT_RISK = np.array([protection in AT_RISK_PROTECTIONS for protection in Protection])
_HANGS = np.array([idle_state in HANGING_IDLE_STATES for idle_state in IdleState])
_AT_RISK = np.array(
    [
        protection in AT_RISK_PROTECTIONS and idle_state in AT_RISK_IDLE_STATES
        for protection in Protection
        for idle_state in IdleState
    ]
)
"""Indexed by protection and idle state, which start at 0; much faster than comparing each."""


@dataclass(frozen=True, slots=True)
class Verdicts(Columns):
    """
    Protection and IdleState, as numbers, of each row of a table.

    without_peer is the protection if the peer does not probe, which is certain only if
    is_peer_excluded(); until then, none and late are unknown.
    """

    protection: npt.NDArray[np.int8]
    idle_state: npt.NDArray[np.int8]
    without_peer: npt.NDArray[np.int8]

    @property
    def at_risk(self) -> BoolArray:
        """
        Whether each is near or over the limit and nothing refreshes the mapping in time.
        """
        at_risk: BoolArray = _AT_RISK[self.protection * len(IdleState) + self.idle_state]
        return at_risk

    @property
    def hangs(self) -> BoolArray:
        """
        Whether sends or probes of each go unanswered.
        """
        hangs: BoolArray = _HANGS[self.idle_state]
        return hangs


def evaluate(
    table: ConnectionTable, known: HistoryTable, idle_timeout: FloatArray, near_limit_ratio: float
) -> Verdicts:
    """
    The verdicts on a table. idle_timeout is that of each connection's path in seconds; inf if it
    crosses no path.
    """
    near_limit = near_limit_ratio * idle_timeout
    without_peer = _without_peer(table, known, idle_timeout)
    may_probe = _IS_AT_RISK[without_peer] & ~is_peer_excluded(known, near_limit)
    protection = np.where(may_probe, np.int8(Protection.UNKNOWN), without_peer)
    idle_state = evaluate_idle_state(table, known, idle_timeout, near_limit)
    # Refreshing the mapping no longer matters: only the application can end the connection.
    peer_closed = known["peer_closed"]
    protection[peer_closed], idle_state[peer_closed] = Protection.NONE, IdleState.PEER_CLOSED
    return Verdicts(protection, idle_state, np.where(peer_closed, protection, without_peer))


def _without_peer(
    table: ConnectionTable, known: HistoryTable, idle_timeout: FloatArray
) -> npt.NDArray[np.int8]:
    """
    The protection of each connection, if peers whose probes were not observed send none.
    """
    limit = idle_timeout - TICK
    # No probe is sent before the next check of the timer, even if the keepalive time is shorter.
    # The time since the last segment is exact if that changed an age; a peer's probe does not.
    visible = (table.timer == Timer.KEEPALIVE) & (table.unanswered == 0)
    idle_for = since_last_segment(known)
    age = np.fmin(np.fmin(table.last_data_sent, table.last_data_received), table.last_ack_received)
    late_now = visible & (idle_for + table.expires >= limit) & (age <= idle_for + TICK)
    late = late_now | (known["keepalive_time"] >= limit)
    latest = known["keepalive_at_most"] * (1 + TIMER_LATENESS)
    in_time = ~late & ((latest < limit) | np.isinf(limit))
    armed = known["armed"] == 1
    unarmed = known["armed"] == 0
    return np.select(
        [
            armed & in_time,
            known["peer_gap"] < limit,
            armed & late,
            unarmed,
        ],
        [Protection.OWN, Protection.PEER, Protection.LATE, Protection.NONE],
        Protection.UNKNOWN,
    ).astype(np.int8)


def is_peer_excluded(known: HistoryTable, near_limit: FloatArray) -> BoolArray:
    """
    Whether each connection was watched for long enough to see a probe from a peer that protects it.

    A connection opened before the first sample may have been kept alive by its peer until then.
    """
    watched_for = known["read_at"] - known["watched_since"]
    excluded: BoolArray = known["watched_from_start"] | (watched_for >= near_limit)
    return excluded | np.isinf(near_limit)


def neared_limit(known: HistoryTable, past: HistoryTable, near_limit: FloatArray) -> BoolArray:
    """
    Whether each connection may have been idle for near_limit since it is watched, between samples
    too; past has the rows of the previous sample.
    """
    idle_for = np.fmax(since_last_segment(known), known["read_at"] - past["active_at"])
    neared: BoolArray = past["neared_limit"] | (idle_for >= near_limit)
    return neared


def is_refreshed_by_data(known: HistoryTable, idle_timeout: FloatArray) -> BoolArray:
    """
    Whether each connection was watched for at least its path's timeout and never idle for
    near_limit, as with heartbeats of the application (WebSocket and gRPC pings).
    """
    refreshed: BoolArray = known["read_at"] - known["watched_since"] >= idle_timeout
    return refreshed & ~known["neared_limit"]


def evaluate_idle_state(
    table: ConnectionTable, known: HistoryTable, idle_timeout: FloatArray, near_limit: FloatArray
) -> npt.NDArray[np.int8]:
    """
    The IdleState of each connection, as a number, unless its peer has closed it.
    """
    seconds = since_last_segment(known)
    # A single unanswered segment may still be answered. A second one, the next sample or the time
    # decides.
    unanswered = (table.unanswered > 0) & (unanswered_for(known) >= _UNANSWERED_FOR)
    repeated = (table.unanswered > 1) | ((table.unanswered > 0) & known["lasting"]) | unanswered
    stalled = repeated & (known["spell"] >= near_limit)
    return np.select(
        [stalled, unanswered, seconds >= idle_timeout, seconds >= near_limit],
        [IdleState.STALLED, IdleState.UNANSWERED, IdleState.OVER_LIMIT, IdleState.NEAR_LIMIT],
        IdleState.ACTIVE,
    ).astype(np.int8)


def idle(known: HistoryTable, verdicts: Verdicts) -> FloatArray:
    """
    Upper bound of the seconds since the last segment in either direction; of connections that hang,
    lower bound of the idle time before the unanswered segments. NaN if unknown.
    """
    return np.where(verdicts.hangs, known["spell"], since_last_segment(known))
