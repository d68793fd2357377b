"""
Advice for connections with a problem: one text per kind of problem.
"""

import math
from collections.abc import Iterable
from enum import StrEnum

from exporter.config.schema import Config
from exporter.model import AT_RISK_PROTECTIONS, Path, Protection, Risk, SocketOptions
from exporter.remedies.values import at_most_half
from exporter.text.documentation import documentation

_SHORT_OUTAGE = 15.0
"""Seconds. Routes and virtual machines that move interrupt connections for about as long."""


class Advice(StrEnum):
    """
    Kinds of advice.

    LATE is for connections whose exact options could not be read. FRAGILE is a note on connections
    with exact options and no other advice, whatever their risk is.
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
    FRAGILE = "fragile"


HANGING = (Advice.STALLED, Advice.UNANSWERED)
"""Advice for connections that hang."""


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
    if path is not None and risk in (Risk.AT_RISK, Risk.UNPROTECTED):
        return why_unprotected(protection, options, path, setting)
    return Advice.FRAGILE if options is not None and _is_fragile(options) else None


def why_unprotected(
    protection: Protection, options: SocketOptions | None, path: Path | None, setting: float | None
) -> Advice | None:
    """
    The advice for an unprotected connection, whatever its idle state; None if it is protected.
    """
    if path is None or protection not in AT_RISK_PROTECTIONS:
        return None
    if protection is Protection.NONE:
        return Advice.NO_KEEPALIVE
    return Advice.LATE if options is None else _why_late(options, path.idle_timeout, setting)


def _is_fragile(options: SocketOptions) -> bool:
    """
    Whether keepalive ends an idle connection within _SHORT_OUTAGE of the first unanswered probe.

    With TCP_USER_TIMEOUT, it does so once nothing was received for as long, after at least one
    interval (tcp_keepalive_timer in net/ipv4/tcp_timer.c).
    """
    interval, probes = options.interval, options.probes
    if options.user_timeout and interval:  # an interval of 0 can be set by sysctl
        probes = max(1, math.ceil((options.user_timeout - options.time) / interval))
    gives_up_after = interval * probes
    return options.keepalive and gives_up_after < _SHORT_OUTAGE


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
    shortest = min((path.idle_timeout for path in config.paths), default=math.inf)
    time = at_most_half(config.recommended.time, shortest)
    interval = at_most_half(config.recommended.interval, shortest)
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
            " Alternatively, close idle connections before the path's timeout."
            " `tcp-keepalive-exporter fix --for CLIENT` prints the settings of databases, drivers,"
            f" proxies and languages (all of them: {documentation('cures.md')} )."
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
        Advice.FRAGILE: (
            "Keepalive gives up soon after the first unanswered probe: an outage of less than"
            f" {_SHORT_OUTAGE:g} s ends an idle connection that is otherwise healthy. Set"
            f" TCP_KEEPINTVL to {interval} s in the application, or let it reopen such connections."
        ),
    }
    return {advice: text for advice, text in words.items() if advice in chosen}
