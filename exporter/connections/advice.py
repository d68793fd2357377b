"""
What to change about a connection that is at risk: one sentence for each kind of risk.
"""

from collections.abc import Iterable
from enum import StrEnum

from exporter.config.schema import Config
from exporter.model import Path, Protection, Risk, SocketOptions


class Advice(StrEnum):
    """
    Kinds of risk, by what is to be done.

    LATE is for a connection whose exact options could not be read.
    """

    STALLED = "stalled"
    NO_KEEPALIVE = "no_keepalive"
    OWN_TIME_LATE = "own_time_late"
    SETTING_LATE = "setting_late"
    INTERVAL_LATE = "interval_late"
    ARMED_BEFORE_CHANGE = "armed_before_change"
    LATE = "late"


def advise(
    risk: Risk,
    protection: Protection,
    options: SocketOptions | None,
    path: Path | None,
    setting: float | None,
) -> Advice | None:
    """
    What to do about a connection; None where nothing is to be done.

    setting is the keepalive time of its namespace, where that is known.
    """
    if risk is Risk.STALLED:
        return Advice.STALLED
    if path is None or risk not in (Risk.AT_RISK, Risk.UNPROTECTED):
        return None
    if protection is Protection.NONE:
        return Advice.NO_KEEPALIVE
    return Advice.LATE if options is None else _why_late(options, path.idle_timeout, setting)


def _why_late(options: SocketOptions, idle_timeout: float, setting: float | None) -> Advice:
    if options.time >= idle_timeout:
        return Advice.SETTING_LATE if options.time == setting else Advice.OWN_TIME_LATE
    if options.interval >= idle_timeout:
        return Advice.INTERVAL_LATE
    return Advice.ARMED_BEFORE_CHANGE


def sentences(given: Iterable[Advice], config: Config) -> dict[Advice, str]:
    """
    The advice given, in words, the most urgent first.
    """
    chosen = set(given)
    time = _at_most_half(config.recommended.time, config)
    interval = _at_most_half(config.recommended.interval, config)
    words = {
        Advice.STALLED: (
            "What they send is not answered: the path has most likely forgotten them. Close and"
            " reopen them, or restart the client. By itself a sender hangs for about 15 minutes:"
            " set TCP_USER_TIMEOUT, or lower net.ipv4.tcp_retries2, to have it end sooner."
        ),
        Advice.NO_KEEPALIVE: (
            f"Keepalive is off. Switch SO_KEEPALIVE on in the application, with a time of {time} s:"
            " docs/cures.md has the words for libpq, JDBC, Redis, nginx, HAProxy and others. Or"
            " have it close idle connections before the path forgets them."
        ),
        Advice.OWN_TIME_LATE: (
            "The application sets a keepalive time of its own, which comes after the path's"
            f" timeout; the sysctl does not change that. Set TCP_KEEPIDLE to {time} s there."
        ),
        Advice.SETTING_LATE: (
            "Keepalive is on, with the sysctl's time, which comes after the path's timeout. Set"
            f" net.ipv4.tcp_keepalive_time = {time} in the connection's network namespace, then"
            " restart the service: open connections keep their timers."
        ),
        Advice.INTERVAL_LATE: (
            "The first keepalive probe comes in time, but Linux sends the one after it only when"
            " the keepalive interval is over, which is after the path's timeout. Set TCP_KEEPINTVL"
            f" in the application, or net.ipv4.tcp_keepalive_intvl, to {interval} s."
        ),
        Advice.ARMED_BEFORE_CHANGE: (
            "The keepalive time is right now, but the timer was started with an older, later one."
            " Restart the service, or have it open its connections anew."
        ),
        Advice.LATE: (
            "The first keepalive probe comes after the path's timeout. Set"
            f" net.ipv4.tcp_keepalive_time = {time} and restart the service or, if the application"
            f" sets a time of its own (TCP_KEEPIDLE), set that to {time} s. Which of the two it is"
            " can be told as root."
        ),
    }
    return {advice: text for advice, text in words.items() if advice in chosen}


def _at_most_half(recommended: float, config: Config) -> int:
    """
    The recommended seconds, or fewer where that is no help on every path of the configuration.
    """
    shortest = min((path.idle_timeout for path in config.paths), default=float("inf"))
    return int(max(1, min(recommended, shortest / 2)))
