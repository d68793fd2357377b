"""
Protection and idle state of every connection, at once.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from exporter.analysis.history_table import Rows
from exporter.analysis.observation import idle
from exporter.model import (
    AT_RISK_IDLE_STATES,
    AT_RISK_PROTECTIONS,
    BoolArray,
    ConnectionTable,
    FloatArray,
    IdleState,
    Protection,
    SocketOptions,
    Timer,
)

_TICK = 0.05
"""Seconds by which a keepalive time may be measured too short: a few jiffies on either side."""
_AT_RISK = np.array(
    [
        protection in AT_RISK_PROTECTIONS and idle_state in AT_RISK_IDLE_STATES
        for protection in Protection
        for idle_state in IdleState
    ]
)
"""By protection and idle state, which are numbered from 0: much faster than to compare each."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """
    Protection and IdleState, as numbers, of each row of a table.
    """

    protection: npt.NDArray[np.int8]
    idle_state: npt.NDArray[np.int8]

    @property
    def at_risk(self) -> BoolArray:
        """
        Near or over the limit with nothing that would refresh the mapping in time.
        """
        at_risk: BoolArray = _AT_RISK[self.protection * len(IdleState) + self.idle_state]
        return at_risk


def judge(
    table: ConnectionTable, known: Rows, idle_timeout: FloatArray, near_limit_ratio: float
) -> Verdicts:
    """
    idle_timeout is that of each connection's path in seconds, inf where it crosses none.
    """
    return Verdicts(
        protection=_protection(table, known, idle_timeout),
        idle_state=_idle_state(table, known, idle_timeout, near_limit_ratio * idle_timeout),
    )


def _protection(
    table: ConnectionTable, known: Rows, idle_timeout: FloatArray
) -> npt.NDArray[np.int8]:
    limit = idle_timeout - _TICK
    # Before its next check a connection's keepalive sends nothing, whatever its keepalive time is.
    visible = (table.timer == Timer.KEEPALIVE) & (table.unanswered == 0)
    late_now = visible & (idle(known) + table.expires >= limit)
    late = late_now | (known["keepalive_time"] >= limit)
    armed = known["armed"] == 1
    return np.select(
        [armed & ~late, known["peer_gap"] < limit, armed, known["armed"] == 0],
        [Protection.OWN, Protection.PEER, Protection.LATE, Protection.NONE],
        Protection.UNKNOWN,
    ).astype(np.int8)


def _idle_state(
    table: ConnectionTable, known: Rows, idle_timeout: FloatArray, near_limit: FloatArray
) -> npt.NDArray[np.int8]:
    seconds = idle(known)
    # One unanswered segment may be on its way, or lost; the next one, or the next sample, tells.
    unanswered = (table.unanswered > 1) | ((table.unanswered > 0) & known["lasting"])
    stalled = unanswered & (known["spell"] >= near_limit)
    return np.select(
        [stalled, seconds >= idle_timeout, seconds >= near_limit],
        [IdleState.STALLED, IdleState.OVER_LIMIT, IdleState.NEAR_LIMIT],
        IdleState.ACTIVE,
    ).astype(np.int8)


def protection_by_options(
    judged: Protection, options: SocketOptions, idle_timeout: float
) -> Protection:
    """
    The protection of a connection whose exact options are known, besides what was judged without.

    What was proven by its timer stands: options changed since may not have set that anew. While the
    peer answers, probes come every time or every interval, whichever is longer.
    """
    if judged in (Protection.LATE, Protection.PEER):
        return judged
    if not options.keepalive:
        return Protection.NONE
    period = max(options.time, options.interval)
    return Protection.LATE if period >= idle_timeout - _TICK else Protection.OWN
