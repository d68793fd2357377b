"""
Keepalive values that protect a connection on its path. Pure.
"""

from exporter.analysis.coverage import TIMER_LATENESS
from exporter.analysis.exact_options import protection_by_options
from exporter.config.schema import RecommendedSection
from exporter.model import KeepaliveValues, Protection, SocketOptions

_MOST_SECONDS, _MOST_PROBES = 32767, 127
"""Limits of setsockopt() (MAX_TCP_KEEPIDLE, MAX_TCP_KEEPCNT in include/net/tcp.h)."""


def protective_values(
    options: SocketOptions, idle_timeout: float, recommended: RecommendedSection
) -> KeepaliveValues | None:
    """
    The recommended values, or half the idle timeout in seconds where they are too late; None if the
    timeout is too short for any.

    If keepalive is on, they are never later than the application's own: neither the first probe nor
    the next ones, nor the time until a dead peer is found.
    """
    time = _in_time(recommended.time, idle_timeout)
    interval = _in_time(recommended.interval, idle_timeout)
    probes = min(recommended.probes, _MOST_PROBES)
    if options.keepalive:
        time = min(time, max(int(options.time), 1))
        if options.interval <= interval:
            interval, probes = max(int(options.interval), 1), max(options.probes, 1)
        else:
            probes = max(1, min(probes, int(options.interval * options.probes / interval)))
    values = KeepaliveValues(time, interval, min(probes, _MOST_PROBES))
    return values if is_protected(values, idle_timeout) else None


def is_protected(values: KeepaliveValues, idle_timeout: float) -> bool:
    """
    Whether a connection with these values is protected on a path with this idle timeout.
    """
    options = SocketOptions(
        keepalive=True,
        time=values.time,
        interval=values.interval,
        probes=values.probes,
        user_timeout=0,
    )
    return protection_by_options(Protection.UNKNOWN, options, idle_timeout) is Protection.OWN


def _in_time(recommended: float, idle_timeout: float) -> int:
    """
    Whole seconds, at least 1.
    """
    is_late = recommended * (1 + TIMER_LATENESS) >= idle_timeout
    seconds = idle_timeout / 2 if is_late else recommended
    return int(max(1, min(seconds, _MOST_SECONDS)))
