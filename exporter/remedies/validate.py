"""
Why some values had better not be set.
"""

from exporter.analysis.findings import Facts, find
from exporter.analysis.findings.phrases import seconds
from exporter.analysis.findings.remedies import better_recommended
from exporter.model import Path, Platform, Recommended, Settings, Severity, StaleTimers
from exporter.remedies.render import flags


def objections(
    values: Recommended, platform: Platform, paths: tuple[Path, ...], recommended: Recommended
) -> list[str]:
    """
    What `check` would warn of if a host had these values, and better ones if there are any.
    """
    broken = [
        f"{seconds(value)} cannot be set as {name}, only whole seconds can."
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
    # It has no name, least of all the host's, of which is also said what is wrong with recommended.
    facts = Facts("", settings, settings, recommended, paths, StaleTimers())
    problems = [each.problem for each in find(facts) if each.severity is not Severity.INFO]
    if problems and paths and (better := better_recommended(facts)):
        problems.append(f"These would do: {flags(better, platform)}")
    return problems
