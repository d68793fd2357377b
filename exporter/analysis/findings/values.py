"""
Settings that are odd by themselves, whatever the paths.
"""

from dataclasses import replace

from exporter.analysis.coverage import probing_period
from exporter.analysis.findings.phrases import (
    differences,
    listing,
    number,
    seconds,
    sentence,
)
from exporter.analysis.findings.remedies import apply_recommended
from exporter.analysis.findings.rule_context import Facts, Found
from exporter.model import Platform

_LONGEST = 32767
"""Seconds, the most that Linux accepts as TCP_KEEPIDLE and TCP_KEEPINTVL (include/net/tcp.h)."""
_OFTEN = 5.0
"""Seconds: who probes more often than that makes a load of it."""
_CROWD = 1000

_ON_LINUX = {
    ("time", -1): "no probe is ever sent",
    ("time", 0): "the first probe follows at once",
    ("time", 1): "the unit is seconds, should milliseconds have been meant",
    ("interval", -1): "the first probe is the only one",
    ("interval", 0): "all probes follow one another at once",
    ("interval", 1): "the unit is seconds, should milliseconds have been meant",
}
"""What Linux makes of values below, at and above what is sensible."""


def not_recommended(facts: Facts) -> Found | None:
    """
    A setting differs from the recommended one.
    """
    settings = facts.settings
    if settings.platform is Platform.WINDOWS:
        settings = replace(settings, probes=None)  # they are 10, whatever is set
    differ = differences(settings, "recommended", facts.recommended)
    return Found(sentence(listing(differ)), apply_recommended(facts)) if differ else None


def out_of_range(facts: Facts) -> Found | None:
    """
    The time or the interval is no sensible number of seconds.
    """
    odd = []
    for name, value in (("time", facts.settings.time), ("interval", facts.settings.interval)):
        if value is not None and not 0 < value <= _LONGEST:
            side = (value > 0) - (value < 0)
            on_linux = facts.settings.platform is Platform.LINUX
            effect = f" ({_ON_LINUX[name, side]})" if on_linux else ""
            odd.append(f"the {name} is {seconds(value)}{effect}")
    if not odd:
        return None
    return Found(
        sentence(f"{listing(odd)}; sensible are 1 to {_LONGEST} s"), apply_recommended(facts)
    )


def too_often(facts: Facts) -> Found | None:
    """
    Probes are so frequent that they are a load, and more frequent than recommended.
    """
    period = probing_period(facts.settings)
    usual = probing_period(facts.having(facts.recommended))
    if period is None or usual is None or period >= min(_OFTEN, usual):
        return None
    often = (
        f"every {seconds(period)}: {_CROWD} idle connections make"
        f" {number(round(_CROWD / period))} probes a second and as many answers"
        if period > 0
        else "without a pause"
    )
    return Found(f"An idle connection is probed {often}.", apply_recommended(facts))


def ends_healthy(facts: Facts) -> Found | None:
    """
    Idle connections are ended before their peer has had time to answer.
    """
    if facts.values is None or facts.settings.platform is not Platform.LINUX:
        return None
    time, interval, probes = facts.values
    if time < 0 or (probes > 0 and interval != 0):
        return None
    how = (
        "without a probe"
        if probes == 0
        else f"unless the peer answers at once: the interval of 0 s lets {probes} probes follow one"
        " another within hundredths of a second"
    )
    return Found(
        f"Healthy connections that have been idle for {seconds(time)} are ended {how}.",
        apply_recommended(facts),
    )
