"""
Which connections follow their namespace's settings, and which keep a longer keepalive time.
"""

from collections.abc import Sequence

import numpy as np

from exporter.analysis.analyze import AnalyzedConnections
from exporter.analysis.history_table import HistoryTable
from exporter.analysis.verdicts import Verdicts
from exporter.model import (
    NO_PATH,
    BoolArray,
    ConnectionTable,
    Exposure,
    Path,
    Protection,
    Settings,
    StaleTimers,
    Timer,
)

_SLACK = 0.5
"""Maximum error in seconds of an observed keepalive time, which is set in whole seconds."""


def count_exposed(
    connections: AnalyzedConnections, paths: Sequence[Path], settings: Settings | None
) -> Exposure:
    """
    The connections that depend on their namespace's settings, or are at risk. settings is None if
    they could not be read.
    """
    table, known, verdicts = connections.table, connections.known, connections.verdicts
    # If no sample has shown the timer, whether keepalive is on is unknown: data was in flight each
    # time. Such a connection counts only if it hangs. Any other one must first go idle before a
    # path drops it, and shows its timer then; counting it now would count almost every connection
    # of a busy application, most of which have keepalive off.
    keepalive = (known["armed"] == 1) | ((known["armed"] < 0) & verdicts.hangs)
    own_time = _is_longer(table, known, settings) | _is_shorter(known, settings)
    dependent = keepalive & ~own_time & ~known["peer_closed"]
    exposed = connections.path_of[dependent | verdicts.at_risk]
    # NO_PATH is last, which is the element at index -1.
    names = [*(path.name for path in paths), NO_PATH]
    counts = np.bincount(exposed % len(names), minlength=len(names)).tolist()
    return Exposure(
        dependent=int(np.count_nonzero(dependent)),
        by_path={name: count for name, count in zip(names, counts, strict=True) if count},
    )


def count_stale(
    table: ConnectionTable, known: HistoryTable, verdicts: Verdicts, settings: Settings | None
) -> StaleTimers:
    """
    The minimum number of connections whose keepalive time is longer than the setting.

    A timer that is due within the setting proves nothing, so there may be more.
    """
    stale = _is_longer(table, known, settings)
    late = int(np.count_nonzero(stale & (verdicts.without_peer == Protection.LATE)))
    return StaleTimers(late=late, harmless=int(np.count_nonzero(stale)) - late)


def _is_longer(table: ConnectionTable, known: HistoryTable, settings: Settings | None) -> BoolArray:
    """
    Whether each connection's keepalive time is certainly longer than the setting.
    """
    if settings is None or settings.time is None or settings.interval is None or settings.time < 0:
        return np.zeros(len(table), np.bool_)
    # After an answered probe the timer runs for the interval, which may be longer than the time.
    limit = max(settings.time, settings.interval) + _SLACK
    running = (table.timer == Timer.KEEPALIVE) & (table.expires > limit)
    longer: BoolArray = running | (known["keepalive_time"] > limit)
    return longer


def _is_shorter(known: HistoryTable, settings: Settings | None) -> BoolArray:
    """
    Whether each connection's keepalive time is certainly shorter than the setting.
    """
    if settings is None or settings.time is None:
        return np.zeros(len(known), np.bool_)
    shorter: BoolArray = known["keepalive_at_most"] < settings.time - _SLACK
    return shorter
