"""
Advice for connections with a problem: one text per kind of problem.
"""

from collections.abc import Iterable
from enum import StrEnum

from exporter.config.schema import Config
from exporter.model import Path, Protection, Risk, SocketOptions


class Advice(StrEnum):
    """
    Kinds of advice.

    LATE is for connections whose exact options could not be read.
    """

    STALLED = "stalled"
    UNANSWERED = "unanswered"
    NO_KEEPALIVE = "no_keepalive"
    OWN_TIME_LATE = "own_time_late"
    SETTING_LATE = "setting_late"
    INTERVAL_LATE = "interval_late"
    ARMED_BEFORE_CHANGE = "armed_before_change"
    LATE = "late"
    PEER_CLOSED = "peer_closed"


def advise(
    risk: Risk,
    protection: Protection,
    options: SocketOptions | None,
    path: Path | None,
    setting: float | None,
) -> Advice | None:
    """
    The advice for a connection, or None if nothing needs to change.

    setting is the keepalive time in seconds of its namespace, None if unknown.
    """
    if risk is Risk.STALLED:
        return Advice.STALLED
    if risk is Risk.UNANSWERED:
        return Advice.UNANSWERED
    if risk is Risk.PEER_CLOSED:
        return Advice.PEER_CLOSED
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
    The texts of the given advice, most urgent first.
    """
    chosen = set(given)
    time = _at_most_half(config.recommended.time, config)
    interval = _at_most_half(config.recommended.interval, config)
    words = {
        Advice.STALLED: (
            "Sent data or probes are unanswered; most likely the path has dropped the connection."
            " Reopen it or restart the client. Without a change, a sender hangs for about 15"
            " minutes. Set TCP_USER_TIMEOUT or lower net.ipv4.tcp_retries2 to detect this sooner."
        ),
        Advice.UNANSWERED: (
            "Sent data or probes are unanswered. The configured timeout does not explain it: the"
            " peer has vanished, the network is interrupted, or the path's timeout is shorter than"
            " configured. If several were idle for a similar time before, measure the path with"
            " `tcp-keepalive-exporter probe`. To end the hang, restart the client or reopen its"
            " connections."
        ),
        Advice.NO_KEEPALIVE: (
            f"Keepalive is off. Enable SO_KEEPALIVE in the application, with a time of {time} s."
            " docs/cures.md has the settings for libpq, JDBC, Redis, nginx, HAProxy and others."
            " Alternatively, close idle connections before the path's timeout."
        ),
        Advice.OWN_TIME_LATE: (
            "The application sets its own keepalive time, which is too long for the path's timeout."
            f" The sysctl does not change it. Set TCP_KEEPIDLE to {time} s in the application."
        ),
        Advice.SETTING_LATE: (
            "Keepalive is on with the sysctl's time, which is too long for the path's timeout. Set"
            f" net.ipv4.tcp_keepalive_time = {time} in the connection's network namespace, then"
            " restart the service: open connections keep their timers."
        ),
        Advice.INTERVAL_LATE: (
            "The first keepalive probe is in time. Linux sends the next one after the keepalive"
            " interval, which is too long for the path's timeout. Set TCP_KEEPINTVL in the"
            f" application, or net.ipv4.tcp_keepalive_intvl, to {interval} s."
        ),
        Advice.ARMED_BEFORE_CHANGE: (
            "The keepalive time is short enough now, but the running timer has an older, longer"
            " one. Restart the service or reopen its connections."
        ),
        Advice.LATE: (
            "The first keepalive probe is too late for the path's timeout. If the application sets"
            f" TCP_KEEPIDLE, set that to {time} s. Otherwise set net.ipv4.tcp_keepalive_time ="
            f" {time} and restart the service. Root can see which of the two applies."
        ),
        Advice.PEER_CLOSED: (
            "The peer has closed the connection, but the application has not closed its socket."
            " Keepalive does not help. A pool closes such a connection when it uses it next: let it"
            " close idle ones sooner than the server does. If their number grows, the application"
            " leaks them: it never closes what it no longer uses."
        ),
    }
    return {advice: text for advice, text in words.items() if advice in chosen}


def _at_most_half(recommended: float, config: Config) -> int:
    """
    The recommended seconds, but at most half the shortest configured idle timeout, at least 1.
    """
    shortest = min((path.idle_timeout for path in config.paths), default=float("inf"))
    return int(max(1, min(recommended, shortest / 2)))
