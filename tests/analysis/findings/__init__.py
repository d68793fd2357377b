"""
Tests of the findings: what each says, and when.
"""

from exporter.analysis.findings import Facts, find
from exporter.model import (
    HOST_NETNS,
    Direction,
    Finding,
    OnTimeout,
    Path,
    Platform,
    Recommended,
    Settings,
    Severity,
    StaleTimers,
)

AZURE = Path("azure", Direction.ANY, ("any",), 240.0, OnTimeout.DROP)


def path(name: str, idle_timeout: float) -> Path:
    """
    A path of which only the timeout matters.
    """
    return Path(name, Direction.ANY, ("any",), idle_timeout, OnTimeout.DROP)


def linux(
    time: float | None = 120,
    interval: float | None = 30,
    probes: int | None = 8,
    retries: int | None = 8,
) -> Settings:
    """
    Settings of Linux; without arguments nothing is wrong with them.
    """
    return Settings(time, interval, probes, retries, configured=frozenset())


def windows(
    time: int | None = None, interval: int | None = None, retransmissions: int | None = None
) -> Settings:
    """
    Settings of Windows by the registry's values, times in milliseconds; None where one is absent.
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


def facts(
    settings: Settings,
    *paths: Path,
    netns: str = HOST_NETNS,
    host: Settings | None = None,
    recommended: Recommended = Recommended(),  # noqa: B008  it is frozen
    stale_timers: StaleTimers = StaleTimers(),  # noqa: B008
) -> Facts:
    """
    What is known of a namespace, whose settings are the host's unless others are given.
    """
    return Facts(netns, settings, host or settings, recommended, paths, stale_timers)


def found(given: Facts) -> dict[str, Finding]:
    """
    The findings by id.
    """
    return {finding.id: finding for finding in find(given)}


def bad(given: Facts) -> set[str]:
    """
    The ids of the findings that are warnings or worse.
    """
    return {each.id for each in find(given) if each.severity is not Severity.INFO}
