"""
Tests of the findings: when each applies, and the facts in its text.
"""

from exporter.analysis.findings import RuleContext, find
from exporter.model import (
    HOST_NETNS,
    Direction,
    Exposure,
    Finding,
    OnTimeout,
    Path,
    Platform,
    Recommended,
    Role,
    Settings,
    Severity,
    StaleTimers,
)

AZURE = Path("azure", Direction.ANY, ("any",), 240.0, OnTimeout.DROP, Role.PROFILE)


def path(name: str, idle_timeout: float) -> Path:
    """
    A path for all connections, with the given timeout.
    """
    return Path(name, Direction.ANY, ("any",), idle_timeout, OnTimeout.DROP)


def linux(
    time: float | None = 120,
    interval: float | None = 30,
    probes: int | None = 8,
    retries: int | None = 8,
) -> Settings:
    """
    Settings of Linux; the defaults cause no finding.
    """
    return Settings(time, interval, probes, retries, configured=frozenset())


def windows(
    time: int | None = None, interval: int | None = None, retransmissions: int | None = None
) -> Settings:
    """
    Settings of Windows from registry values, times in milliseconds; None means absent.
    """
    values = {"time": time, "interval": interval, "data_retransmissions": retransmissions}
    return Settings(
        time=(7_200_000 if time is None else time) / 1000,
        interval=(1000 if interval is None else interval) / 1000,
        probes=10,
        data_retransmissions=5 if retransmissions is None else retransmissions,
        configured=frozenset(name for name, value in values.items() if value is not None),
        platform=Platform.WINDOWS,
    )


def context(
    settings: Settings,
    *paths: Path,
    netns: str = HOST_NETNS,
    host: Settings | None = None,
    recommended: Recommended = Recommended(),  # noqa: B008  it is frozen
    stale_timers: StaleTimers = StaleTimers(),  # noqa: B008
    exposure: Exposure | None = None,
) -> RuleContext:
    """
    The input of the rules; host settings default to those of the namespace.
    """
    return RuleContext(
        netns,
        settings,
        host or settings,
        recommended,
        paths,
        stale_timers,
        exposure=exposure,
    )


def found(given: RuleContext) -> dict[str, Finding]:
    """
    The findings by id.
    """
    return {finding.id: finding for finding in find(given)}


def bad(given: RuleContext) -> set[str]:
    """
    The ids of the findings that are warnings or worse.
    """
    return {each.id for each in find(given) if each.severity is not Severity.INFO}
