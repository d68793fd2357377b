"""
Findings about other namespaces, connections already open, and unacknowledged data.
"""

from exporter.analysis.findings.phrases import differences
from exporter.analysis.findings.rule_context import Diagnosis, RuleContext
from exporter.model import Platform
from exporter.text.wording import listing, plural, seconds

_LONG_HANG = 300.0
_RTO_MIN, _RTO_MAX = 0.2, 120.0
"""Seconds between retransmissions: minimum between the first two, maximum between any two."""
_DOUBLINGS = 9
"""ilog2(_RTO_MAX / _RTO_MIN), after which the kernel stops doubling (tcp_model_timeout)."""
_RETRIES_OF_RFC_1122 = 8


def unlike_host(context: RuleContext) -> Diagnosis | None:
    """
    A namespace's settings differ from the host's.
    """
    differ = differences(context.settings, "host", context.host)
    if not differ:
        return None
    return Diagnosis(
        f"The namespace's settings differ from the host's: {listing(differ)}.",
        "No action is needed if this is intended. A new namespace starts with the kernel's"
        " defaults, not with the host's settings.",
    )


def stale_and_late(context: RuleContext) -> Diagnosis | None:
    """
    Open connections have a longer keepalive time than the setting, and it is too long for their
    path.
    """
    return _stale(
        context,
        context.stale_timers.late,
        "Their first probe is too late for the path.",
        "Restart the services that hold them (`tcp-keepalive-exporter connections` lists them), or"
        " shorten the keepalive time that those services set themselves.",
    )


def stale(context: RuleContext) -> Diagnosis | None:
    """
    Open connections have a longer keepalive time than the setting, but no path drops them.
    """
    return _stale(
        context,
        context.stale_timers.harmless,
        "No path drops them.",
        "No action is needed. New connections use the setting.",
    )


def _stale(context: RuleContext, count: int, effect: str, remedy: str) -> Diagnosis | None:
    time = context.settings.time
    if not count or time is None:
        return None
    return Diagnosis(
        f"At least {plural(count, 'open connection')} {'has' if count == 1 else 'have'} a keepalive"
        f" time of more than the {seconds(time)} now set: opened before the change, or by an"
        f" application that sets its own TCP_KEEPIDLE. {effect}",
        remedy,
    )


def long_hang(context: RuleContext) -> Diagnosis | None:
    """
    An application waits for many minutes while its data is not acknowledged.
    """
    retries = context.settings.data_retransmissions
    if context.settings.platform is not Platform.LINUX or retries is None:
        return None
    hang = _retransmitting(max(retries, 0))
    if hang < _LONG_HANG:
        return None
    shortest = _retransmitting(_RETRIES_OF_RFC_1122)
    return Diagnosis(
        f"With tcp_retries2 at {retries}, data on a dead connection is retransmitted for at least"
        f" {seconds(hang)} ({round(hang / 60)} minutes) before the application gets an error."
        " Keepalive does not help while data is unacknowledged.",
        "Set TCP_USER_TIMEOUT in the application, or net.ipv4.tcp_retries2 ="
        f" {_RETRIES_OF_RFC_1122} ({seconds(shortest)}), the minimum that RFC 1122 allows.",
    )


def _retransmitting(retries: int) -> float:
    """
    Seconds from the first send until Linux gives up (tcp_model_timeout in net/ipv4/tcp_timer.c).
    """
    doubling = min(retries, _DOUBLINGS)
    return ((2 << doubling) - 1) * _RTO_MIN + (retries - doubling) * _RTO_MAX
