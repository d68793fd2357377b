"""
Settings that are not what they seem: other namespaces, open connections, data in flight.
"""

from exporter.analysis.findings.phrases import (
    differences,
    listing,
    plural,
    seconds,
)
from exporter.analysis.findings.rule_context import Facts, Found
from exporter.model import Platform

_LONG_HANG = 300.0
_RTO_MIN, _RTO_MAX = 0.2, 120.0
"""Seconds between retransmissions: the first two at the least, and any at the most."""
_DOUBLINGS = 9
"""ilog2(_RTO_MAX / _RTO_MIN), after which the kernel stops doubling (tcp_model_timeout)."""
_RETRIES_OF_RFC_1122 = 8


def unlike_host(facts: Facts) -> Found | None:
    """
    A namespace's settings are not those of the host.
    """
    differ = differences(facts.settings, "host", facts.host)
    if not differ:
        return None
    return Found(
        f"The namespace has settings of its own: {listing(differ)}.",
        "Nothing need be done if that is meant. A new namespace starts at the kernel's defaults,"
        " whatever the host has.",
    )


def stale_and_late(facts: Facts) -> Found | None:
    """
    Open connections have a longer keepalive time than the setting, too long for their path.
    """
    return _stale(
        facts,
        facts.stale_timers.late,
        "The first probe comes too late for the path.",
        "Restart the services that hold them, which `tcp-keepalive-exporter connections` names, or"
        " shorten the times that they set themselves.",
    )


def stale(facts: Facts) -> Found | None:
    """
    Open connections have a longer keepalive time than the setting, which harms none of them.
    """
    return _stale(
        facts,
        facts.stale_timers.harmless,
        "No path would end them.",
        "Nothing need be done. Connections opened from now on follow the setting.",
    )


def _stale(facts: Facts, count: int, effect: str, remedy: str) -> Found | None:
    time = facts.settings.time
    if not count or time is None:
        return None
    return Found(
        f"At least {plural(count, 'open connection')} {'has' if count == 1 else 'have'} a keepalive"
        f" time of more than the {seconds(time)} now set: opened before the change, or by an"
        f" application that sets TCP_KEEPIDLE itself. {effect}",
        remedy,
    )


def long_hang(facts: Facts) -> Found | None:
    """
    Data that nobody acknowledges keeps an application waiting for many minutes.
    """
    retries = facts.settings.data_retransmissions
    if facts.settings.platform is not Platform.LINUX or retries is None:
        return None
    hang = _retransmitting(max(retries, 0))
    if hang < _LONG_HANG:
        return None
    shortest = _retransmitting(_RETRIES_OF_RFC_1122)
    return Found(
        f"With tcp_retries2 at {retries}, data on a dead connection is sent again for at least"
        f" {seconds(hang)} ({round(hang / 60)} minutes) before the application is told. Keepalive"
        " does not help while data is unanswered.",
        "Set TCP_USER_TIMEOUT in the application, or net.ipv4.tcp_retries2 ="
        f" {_RETRIES_OF_RFC_1122} ({seconds(shortest)}), the least that RFC 1122 allows.",
    )


def _retransmitting(retries: int) -> float:
    """
    Seconds from the first send until Linux gives up (tcp_model_timeout in net/ipv4/tcp_timer.c).
    """
    doubling = min(retries, _DOUBLINGS)
    return ((2 << doubling) - 1) * _RTO_MIN + (retries - doubling) * _RTO_MAX
