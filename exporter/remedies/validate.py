"""
Checks whether values protect the configured paths.
"""

from exporter.analysis.findings import RuleContext, find
from exporter.analysis.findings.remedies import better_recommended
from exporter.model import Path, Platform, Recommended, Settings, Severity, StaleTimers
from exporter.remedies.render import flags
from exporter.text.wording import seconds


def problems(
    values: Recommended, platform: Platform, paths: tuple[Path, ...], recommended: Recommended
) -> list[str]:
    """
    Warnings of `check` for a host with these values, and sufficient values if there are any.
    """
    broken = [
        f"{name} of {seconds(value)} cannot be set; allowed: whole seconds."
        for name, value in (("time", values.time), ("interval", values.interval))
        if value % 1
    ]
    if broken:
        return broken
    settings = Settings(
        time=values.time,
        interval=values.interval,
        probes=values.probes,
        data_retransmissions=None,
        configured=frozenset(),
        platform=platform,
    )
    # Without a name: for the host's, find() also reports problems of the recommended values.
    context = RuleContext("", settings, settings, recommended, paths, StaleTimers())
    found = [each.problem for each in find(context) if each.severity is not Severity.INFO]
    if found and paths and (better := better_recommended(context)):
        found.append(f"Sufficient values: {flags(better, platform)}")
    return found
