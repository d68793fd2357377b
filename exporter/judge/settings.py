"""
What a namespace's settings do for a connection that has keepalive and no options of its own.

The kernel accepts odd values. On Linux 6.18: with a negative time no probe is ever sent; with time
0 the first one follows at once; with a negative interval the first probe is the only one; with
0 probes the connection is ended at the first check, unprobed.
"""

import math

from exporter.model import Settings


def probes_before_timeout(settings: Settings, idle_timeout: float) -> int | None:
    """
    How many probes go out before a connection has been idle for idle_timeout seconds.
    """
    time, interval, probes = settings.time, settings.interval, settings.probes
    if time is None or interval is None or probes is None:
        return None
    if time < 0 or time >= idle_timeout or probes == 0:
        return 0
    if interval < 0:
        return 1
    if interval == 0:
        return probes
    return min(probes, math.ceil((idle_timeout - time) / interval))


def protects(settings: Settings, idle_timeout: float) -> bool | None:
    """
    Whether the first probe goes out before the timeout.
    """
    probes = probes_before_timeout(settings, idle_timeout)
    return None if probes is None else probes > 0


def dead_peer_detection(settings: Settings) -> float | None:
    """
    Seconds from the last segment of a peer that vanished to the connection's end; inf: never.
    """
    time, interval, probes = settings.time, settings.interval, settings.probes
    if time is None or interval is None or probes is None:
        return None
    if time < 0 or (interval < 0 and probes > 0):
        return math.inf
    return time + interval * probes
