"""
What a namespace's settings do for a connection that has keepalive and no options of its own.

Linux accepts odd values. On 6.18: with a negative time no probe is ever sent; with time 0 the first
one follows at once; with a negative interval the first probe is the only one; with interval 0 all
follow within jiffies; with 0 probes the connection is ended at the first check, unprobed.

After a probe that was answered, Linux waits for the interval, and then until the connection has
been idle for the time (tcp_keepalive_timer in net/ipv4/tcp_timer.c): it probes every interval or
every time, whichever is longer. Windows and macOS wait for the time again.
"""

import math
from enum import StrEnum

from exporter.model import Platform, Settings

TIMER_LATENESS = 8 / 63
"""By what part of its time a Linux timer may be late (kernel/time/timer.c, the wheel's levels)."""


class Cover(StrEnum):
    """
    How well settings cover a path's idle timeout.

    protected: two probes or more, the first in time however late its timer fires. single_probe: one
    in time, and if that is lost, none. too_close: it may fire too late. lapses: the first probe is
    in time, those after it are not. unprotected: none is. unknown: a setting could not be read.
    """

    PROTECTED = "protected"
    SINGLE_PROBE = "single_probe"
    TOO_CLOSE = "too_close"
    LAPSES = "lapses"
    UNPROTECTED = "unprotected"
    UNKNOWN = "unknown"


def cover(settings: Settings, idle_timeout: float) -> Cover:
    """
    How well the settings cover a path that forgets after idle_timeout seconds.
    """
    probes, period = probes_before_timeout(settings, idle_timeout), probing_period(settings)
    if probes is None or period is None:
        return Cover.UNKNOWN
    if probes == 0:
        return Cover.UNPROTECTED
    if period >= idle_timeout:
        return Cover.LAPSES
    if latest(settings, period) >= idle_timeout:
        return Cover.TOO_CLOSE
    return Cover.SINGLE_PROBE if probes == 1 else Cover.PROTECTED


def protects(settings: Settings, idle_timeout: float) -> bool | None:
    """
    Whether probes go out before the timeout, the first one and those after it.
    """
    covered = cover(settings, idle_timeout)
    if covered is Cover.UNKNOWN:
        return None
    return covered not in (Cover.UNPROTECTED, Cover.LAPSES)


def probes_before_timeout(settings: Settings, idle_timeout: float) -> int | None:
    """
    How many probes go out, unanswered, before a connection has been idle for idle_timeout seconds.
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
    Seconds between the probes of an idle connection whose peer answers; inf: there is one at most.
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
    When a keepalive timer set to so many seconds fires at the latest, as far as is known.
    """
    return seconds * (1 + TIMER_LATENESS) if settings.platform is Platform.LINUX else seconds


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
