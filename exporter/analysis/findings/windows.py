"""
Findings about registry values that Windows interprets differently than intended.
"""

from exporter.analysis.findings.remedies import apply_recommended
from exporter.analysis.findings.rule_context import Diagnosis, RuleContext
from exporter.model import Platform
from exporter.text.wording import listing, plural, seconds

_SHORT_TIME = 10_000
"""Milliseconds; Windows' default of two hours, written in seconds (7200), is below it."""
_SHORT_INTERVAL = 1000
"""Milliseconds, Windows' default; a shorter interval is not plausible."""


def seconds_for_milliseconds(context: RuleContext) -> Diagnosis | None:
    """
    Values in milliseconds look like seconds, as old instructions have them.
    """
    settings = context.settings
    if settings.platform is not Platform.WINDOWS:
        return None
    suspicious = []
    time, interval = _milliseconds(settings.time), _milliseconds(settings.interval)
    # A multiple of 1000 is taken as deliberate.
    if 0 < time < _SHORT_TIME and time % 1000:
        suspicious.append(("KeepAliveTime", time))
    if 0 < interval < _SHORT_INTERVAL:
        suspicious.append(("KeepAliveInterval", interval))
    if not suspicious:
        return None
    effect = ""
    if context.values is not None:
        first, pause, probes = context.values
        effect = (
            f" Connections are probed after {seconds(first)} of idle time and closed after"
            f" {seconds(pause * probes)} without an answer."
        )
    written = listing([f"{name} is {value}" for name, value in suspicious])
    intended = listing([f"{value} s is {value * 1000}" for _, value in suspicious])
    return Diagnosis(
        f"{written}. The unit is milliseconds.{effect} If seconds were intended: {intended}.",
        apply_recommended(context),
    )


def _milliseconds(seconds: float | None) -> int:
    return 0 if seconds is None else round(seconds * 1000)


def retransmissions_for_probes(context: RuleContext) -> Diagnosis | None:
    """
    TcpMaxDataRetransmissions is set, but it does not set the number of probes.
    """
    settings = context.settings
    if (
        settings.platform is not Platform.WINDOWS
        or "data_retransmissions" not in settings.configured
        or settings.data_retransmissions is None
        or settings.probes is None
    ):
        return None
    return Diagnosis(
        f"TcpMaxDataRetransmissions is {settings.data_retransmissions}. It limits data"
        " retransmissions, not keepalive probes: Windows always closes a connection after"
        f" {plural(settings.probes, 'unanswered probe')}.",
        "Delete the value, unless it is intended for data retransmissions.",
    )
