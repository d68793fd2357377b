"""
How a namespace's settings protect a connection with keepalive and without its own options.

Linux accepts odd values. On 6.18: with a negative time, no probe is sent; with time 0, the first
probe is sent immediately; with a negative interval, only one probe is sent; with interval 0, all
probes are sent within jiffies; with 0 probes, the connection is closed at the first check, without
a probe.

After an answered probe, Linux waits for the interval, and then until the connection has been idle
for the time (tcp_keepalive_timer in net/ipv4/tcp_timer.c). It therefore probes once per interval or
once per time, whichever is longer. Windows and macOS wait for the time again.
"""

import math
from enum import StrEnum

from exporter.model import Platform, Settings

TIMER_LATENESS = 8 / 63
"""Maximum delay of a Linux timer as a fraction of its time (levels of the timer wheel,
kernel/time/timer.c)."""


class Coverage(StrEnum):
    """
    How well settings cover a path's idle timeout.

    protected: two probes or more before the timeout, the first even with the maximum timer delay.
    single_probe: only one probe before the timeout; if it is lost, none. too_close: the timer may
    fire too late. lapses: the first probe is in time, later ones are not. unprotected: no probe is
    in time. unknown: a setting could not be read.
    """

    PROTECTED = "protected"
    SINGLE_PROBE = "single_probe"
    TOO_CLOSE = "too_close"
    LAPSES = "lapses"
    UNPROTECTED = "unprotected"
    UNKNOWN = "unknown"


def coverage(settings: Settings, idle_timeout: float) -> Coverage:
    """
    How well the settings cover a path with this idle timeout in seconds.
    """
    probes, period = probes_before_timeout(settings, idle_timeout), probing_period(settings)
    if probes is None or period is None:
        return Coverage.UNKNOWN
    if probes == 0:
        return Coverage.UNPROTECTED
    if period >= idle_timeout:
        return Coverage.LAPSES
    if latest(settings, period) >= idle_timeout:
        return Coverage.TOO_CLOSE
    return Coverage.SINGLE_PROBE if probes == 1 else Coverage.PROTECTED


def protects(settings: Settings, idle_timeout: float) -> bool | None:
    """
    Whether the first and all later probes are sent before the timeout; None if unknown.
    """
    coverage_ = coverage(settings, idle_timeout)
    if coverage_ is Coverage.UNKNOWN:
        return None
    return coverage_ not in (Coverage.UNPROTECTED, Coverage.LAPSES)


def probes_before_timeout(settings: Settings, idle_timeout: float) -> int | None:
    """
    The number of unanswered probes sent before a connection has been idle for idle_timeout seconds.
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


def probing_period(settings: Settings) -> float | None:
    """
    Seconds between the probes of an idle connection whose peer answers; inf if at most one is sent.
    """
    time, interval = settings.time, settings.interval
    if time is None or interval is None:
        return None
    if time < 0:
        return math.inf
    if settings.platform is not Platform.LINUX:
        return time
    return math.inf if interval < 0 else max(time, interval)


def latest(settings: Settings, seconds: float) -> float:
    """
    The maximum seconds until a keepalive timer set to seconds fires. On platforms other than Linux
    no delay is known.
    """
    return seconds * (1 + TIMER_LATENESS) if settings.platform is Platform.LINUX else seconds


def dead_peer_detection(settings: Settings) -> float | None:
    """
    Seconds from the last segment of a vanished peer until the connection is closed; inf if never.
    """
    time, interval, probes = settings.time, settings.interval, settings.probes
    if time is None or interval is None or probes is None:
        return None
    if time < 0 or (interval < 0 and probes > 0):
        return math.inf
    return time + interval * probes
