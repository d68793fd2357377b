"""
Findings about settings that are wrong or unusual on any path.

They matter to every connection that depends on the settings, whatever path it crosses.
"""

from dataclasses import replace

from exporter.analysis.coverage import probing_period
from exporter.analysis.findings.phrases import differences
from exporter.analysis.findings.remedies import apply_recommended
from exporter.analysis.findings.rule_context import Diagnosis, RuleContext
from exporter.model import Platform
from exporter.text.wording import listing, number, seconds, sentence

_LONGEST = 32767
"""Seconds, the maximum of TCP_KEEPIDLE and TCP_KEEPINTVL on Linux (include/net/tcp.h)."""
_OFTEN = 5.0
"""Seconds between probes; more frequent probes are a noticeable load."""
_CROWD = 1000

_ON_LINUX = {
    ("time", -1): "no probe is ever sent",
    ("time", 0): "the first probe is sent immediately",
    ("time", 1): "the unit is seconds, not milliseconds",
    ("interval", -1): "only one probe is sent",
    ("interval", 0): "all probes are sent at once",
    ("interval", 1): "the unit is seconds, not milliseconds",
}
"""The effect on Linux of negative values (-1), zero (0) and values that are too large (1)."""


def not_recommended(context: RuleContext) -> Diagnosis | None:
    """
    A setting differs from the recommended one.
    """
    settings = context.settings
    if settings.platform is Platform.WINDOWS:
        settings = replace(settings, probes=None)  # always 10, they cannot be set
    differ = differences(settings, "recommended", context.recommended)
    return Diagnosis(sentence(listing(differ)), apply_recommended(context)) if differ else None


def out_of_range(context: RuleContext) -> Diagnosis | None:
    """
    The time or the interval is outside the range of TCP_KEEPIDLE and TCP_KEEPINTVL.
    """
    odd = []
    for name, value in (("time", context.settings.time), ("interval", context.settings.interval)):
        if value is not None and not 0 < value <= _LONGEST:
            side = (value > 0) - (value < 0)
            on_linux = context.settings.platform is Platform.LINUX
            effect = f" ({_ON_LINUX[name, side]})" if on_linux else ""
            odd.append(f"the {name} is {seconds(value)}{effect}")
    if not odd:
        return None
    return Diagnosis(
        sentence(f"{listing(odd)}; expected: 1 to {_LONGEST} s"),
        apply_recommended(context),
        context.is_affected(),
    )


def too_often(context: RuleContext) -> Diagnosis | None:
    """
    Probes are so frequent that they cause load, and more frequent than recommended.
    """
    period = probing_period(context.settings)
    usual = probing_period(context.with_values(context.recommended))
    if period is None or usual is None or period >= min(_OFTEN, usual):
        return None
    often = (
        f"every {seconds(period)}: {_CROWD} idle connections send"
        f" {number(round(_CROWD / period))} probes per second and receive as many answers"
        if period > 0
        else "continuously"
    )
    return Diagnosis(
        f"An idle connection is probed {often}.", apply_recommended(context), context.is_affected()
    )


def ends_healthy(context: RuleContext) -> Diagnosis | None:
    """
    Idle connections are closed before their peer has had time to answer.
    """
    if context.values is None or context.settings.platform is not Platform.LINUX:
        return None
    time, interval, probes = context.values
    if time < 0 or (probes > 0 and interval != 0):
        return None
    how = (
        "without a probe"
        if probes == 0
        else f"unless the peer answers immediately: with an interval of 0 s, all {probes} probes"
        " are sent within hundredths of a second"
    )
    return Diagnosis(
        f"Healthy connections that have been idle for {seconds(time)} are closed {how}.",
        apply_recommended(context),
        context.is_affected(),
    )
