"""
Registry values that were meant otherwise than Windows reads them.
"""

from exporter.analysis.findings.phrases import listing, plural, seconds
from exporter.analysis.findings.remedies import apply_recommended
from exporter.analysis.findings.rule_context import Facts, Found
from exporter.model import Platform

_SHORT_TIME = 10_000
"""Milliseconds; even Windows' default of two hours, 7200, is less when written in seconds."""
_SHORT_INTERVAL = 1000
"""Milliseconds, Windows' default; nobody probes more often than that on purpose."""


def seconds_for_milliseconds(facts: Facts) -> Found | None:
    """
    Values that look like seconds in fields of milliseconds, as old instructions give them.
    """
    settings = facts.settings
    if settings.platform is not Platform.WINDOWS:
        return None
    trapped = []
    time, interval = _milliseconds(settings.time), _milliseconds(settings.interval)
    # Whole thousands were written by somebody who knows the unit.
    if 0 < time < _SHORT_TIME and time % 1000:
        trapped.append(("KeepAliveTime", time))
    if 0 < interval < _SHORT_INTERVAL:
        trapped.append(("KeepAliveInterval", interval))
    if not trapped:
        return None
    literally = ""
    if facts.values is not None:
        first, pause, probes = facts.values
        literally = (
            f", so that connections are probed after {seconds(first)} of idling and given up after"
            f" {seconds(pause * probes)} without an answer"
        )
    written = listing([f"{name} is {value}" for name, value in trapped])
    meant = listing([f"{value} s are {value * 1000}" for _, value in trapped])
    return Found(
        f"{written}. The unit is milliseconds{literally}. Should seconds have been meant: {meant}.",
        apply_recommended(facts),
    )


def _milliseconds(seconds: float | None) -> int:
    return 0 if seconds is None else round(seconds * 1000)


def retransmissions_for_probes(facts: Facts) -> Found | None:
    """
    TcpMaxDataRetransmissions is set, which does not set the number of probes.
    """
    settings = facts.settings
    if (
        settings.platform is not Platform.WINDOWS
        or "data_retransmissions" not in settings.configured
        or settings.data_retransmissions is None
        or settings.probes is None
    ):
        return None
    return Found(
        f"TcpMaxDataRetransmissions is {settings.data_retransmissions}. It rules how often data is"
        f" sent again, not keepalive: Windows gives a connection up after"
        f" {plural(settings.probes, 'unanswered probe')}, whatever is set.",
        "Delete the value, unless it was set for the sake of data.",
    )
