"""
Verdicts on connections whose exact options were read.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from exporter.analysis.analyze import AnalyzedConnections
from exporter.analysis.coverage import TIMER_LATENESS
from exporter.analysis.history_table import HistoryTable
from exporter.analysis.verdicts import TICK, evaluate_idle_state
from exporter.model import (
    BoolArray,
    ConnectionTable,
    FloatArray,
    Protection,
    Risk,
    SocketOptions,
    Timer,
)


def may_change(connections: AnalyzedConnections) -> BoolArray:
    """
    Which connections may turn out to have a problem once their options are known.
    """
    unknown: BoolArray = connections.risk == Risk.UNKNOWN
    return unknown | (_is_probing_unknown(connections) & (connections.path_of >= 0))


def with_options(
    connections: AnalyzedConnections,
    options: Sequence[SocketOptions | None],
    idle_timeout: FloatArray,
    near_limit_ratio: float,
) -> AnalyzedConnections:
    """
    The connections with the verdicts that follow from their exact options, None where unknown.

    idle_timeout is that of each connection's path in seconds; inf if it crosses no path.
    """
    protection = connections.verdicts.protection.copy()
    idle_state = connections.verdicts.idle_state.copy()
    known = connections.known
    peer_closed, probing = known["peer_closed"], _is_probing_unknown(connections)
    for row, exact in enumerate(options):
        timeout = float(idle_timeout[row])
        if exact is not None and not peer_closed[row] and timeout < np.inf:
            observed = Protection(protection[row])
            protection[row] = protection_by_options(observed, exact, timeout)
    rows = [row for row in np.flatnonzero(probing).tolist() if options[row] is not None]
    if rows:
        exact_options = [each for row in rows if (each := options[row]) is not None]
        known = known[np.arange(len(known))]  # a copy
        _fill_spell(connections.table, known, np.array(rows), exact_options)
        near_limit = near_limit_ratio * idle_timeout
        evaluated = evaluate_idle_state(connections.table, known, idle_timeout, near_limit)
        idle_state[rows] = evaluated[rows]
    verdicts = replace(connections.verdicts, protection=protection, idle_state=idle_state)
    return replace(connections, known=known, verdicts=verdicts)


def _is_probing_unknown(connections: AnalyzedConnections) -> BoolArray:
    """
    Which connections have unanswered probes after an unknown idle time.
    """
    table = connections.table
    probing = (table.timer == Timer.KEEPALIVE) & (table.unanswered > 0)
    known = connections.known
    unknown: BoolArray = probing & np.isnan(known["spell"]) & ~known["peer_closed"]
    return unknown


def _fill_spell(
    table: ConnectionTable,
    known: HistoryTable,
    rows: npt.NDArray[np.intp],
    options: Sequence[SocketOptions],
) -> None:
    """
    Fill in spell and unanswered_at of rows with unanswered probes, whose options are given.

    The first probe was sent when nothing had been received for the keepalive time, and each further
    one after an interval, or a little later (tcp_keepalive_timer in net/ipv4/tcp_timer.c). Unless
    that agrees with the time of the last receipt, the options were changed meanwhile.
    """
    time = np.array([each.time for each in options])
    interval = np.array([each.interval for each in options])
    since_first = table.unanswered[rows] * interval - table.expires[rows]
    received = np.fmin(table.last_data_received, table.last_ack_received)[rows]
    agrees = (since_first >= 0) & (received >= time + since_first - TICK)
    known["spell"][rows[agrees]] = time[agrees]
    unanswered_at = known["unanswered_at"]
    unanswered_at[rows[agrees]] = (table.read_at[rows] - since_first)[agrees]
    known["unanswered_at"] = unanswered_at


def protection_by_options(
    observed: Protection, options: SocketOptions, idle_timeout: float
) -> Protection:
    """
    The protection of a connection with known options; observed is the verdict without them.

    A verdict proven by the timer is kept, because options changed later may not have re-armed it.
    While the peer answers, a probe is sent once per time or interval, whichever is longer.
    """
    if observed in (Protection.LATE, Protection.PEER):
        return observed
    if not options.keepalive:
        return Protection.NONE
    period = max(options.time, options.interval)
    if period >= idle_timeout - TICK:
        return Protection.LATE
    in_time = period * (1 + TIMER_LATENESS) < idle_timeout - TICK
    return Protection.OWN if in_time else Protection.UNKNOWN
