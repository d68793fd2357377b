"""
Connections whose keepalive timers follow another time than their namespace's present setting.

Changing the sysctl re-arms no timer: a connection opened before keeps its keepalive time, and so
does one that sets TCP_KEEPIDLE. The two look alike from outside.
"""

import numpy as np

from exporter.analysis.history_table import Rows
from exporter.analysis.verdicts import Verdicts
from exporter.model import ConnectionTable, Protection, Settings, StaleTimers, Timer

_SLACK = 0.5
"""Seconds by which a keepalive time, in whole seconds, may be measured too long."""


def count_stale(
    table: ConnectionTable, known: Rows, verdicts: Verdicts, settings: Settings | None
) -> StaleTimers:
    """
    How many connections have a keepalive time longer than the setting, as far as is known.

    A timer that is due no later than the setting would have it proves nothing, so they are at least
    as many.
    """
    if settings is None or settings.time is None or settings.interval is None or settings.time < 0:
        return StaleTimers()
    # After a probe that was answered the timer runs for the interval, which may be the longer one.
    limit = max(settings.time, settings.interval) + _SLACK
    running = (table.timer == Timer.KEEPALIVE) & (table.expires > limit)
    stale = running | (known["keepalive_time"] > limit)
    late = int(np.count_nonzero(stale & (verdicts.protection == Protection.LATE)))
    return StaleTimers(late=late, harmless=int(np.count_nonzero(stale)) - late)
