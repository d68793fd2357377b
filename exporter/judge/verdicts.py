"""
Protection and idle state of every connection, at once.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from exporter.judge.history import Rows, idle
from exporter.model import (
    AT_RISK_IDLE_STATES,
    AT_RISK_PROTECTIONS,
    BoolArray,
    ConnectionTable,
    FloatArray,
    IdleState,
    Protection,
    Timer,
)

_TICK = 0.05
"""Seconds by which a keepalive time may be measured too short: a few jiffies on either side."""


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
        return np.isin(self.idle_state, AT_RISK_IDLE_STATES) & np.isin(
            self.protection, AT_RISK_PROTECTIONS
        )


def judge(
    table: ConnectionTable, known: Rows, idle_timeout: FloatArray, near_limit_ratio: float
) -> Verdicts:
    """
    idle_timeout is that of each connection's path in seconds, inf where it crosses none.
    """
    return Verdicts(
        protection=_protection(table, known, idle_timeout),
        idle_state=_idle_state(idle(known), idle_timeout, near_limit_ratio),
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
    seconds: FloatArray, idle_timeout: FloatArray, near_limit_ratio: float
) -> npt.NDArray[np.int8]:
    return np.select(
        [seconds >= idle_timeout, seconds >= near_limit_ratio * idle_timeout],
        [IdleState.OVER_LIMIT, IdleState.NEAR_LIMIT],
        IdleState.ACTIVE,
    ).astype(np.int8)
