"""
Paths whose real idle timeout is not the one configured, as the traffic of the last day has told.
"""

from collections.abc import Iterator

from exporter.analysis.findings.phrases import listing, seconds, with_timeouts
from exporter.analysis.findings.rule_context import Facts, Found
from exporter.model import IdleBounds, Path

_CLEARLY = 0.1
"""By what part of the configured timeout the real one must differ to be worth a word."""


def dies_sooner(facts: Facts) -> Found | None:
    """
    Connections die of idle spells that the path should remember them for.
    """
    told = [
        (path, bounds.fatal)
        for path, bounds in _observed(facts)
        if bounds.fatal is not None and bounds.fatal < (1 - _CLEARLY) * path.idle_timeout
    ]
    if not told:
        return None
    return Found(
        f"Configured is the idle timeout of {with_timeouts([path for path, _ in told])}, but"
        f" connections die after about {_listed(told)}. What is judged by the configured timeout is"
        " judged too kindly.",
        _MEASURE,
    )


def lives_longer(facts: Facts) -> Found | None:
    """
    Connections survive idle spells after which the path should have forgotten them.
    """
    told = [
        (path, bounds.survived)
        for path, bounds in _observed(facts)
        if bounds.survived is not None
        and bounds.survived > (1 + _CLEARLY) * path.idle_timeout
        and not bounds.mixed
    ]
    if not told:
        return None
    return Found(
        f"Configured is the idle timeout of {with_timeouts([path for path, _ in told])}, yet idle"
        f" spells of {_listed(told)} survive: the path is safer than configured.",
        f"Nothing need be done. {_MEASURE}",
    )


_MEASURE = (
    "Measure the path with `tcp-keepalive-exporter probe`, and correct its idle_timeout in the"
    " config file."
)


def _observed(facts: Facts) -> Iterator[tuple[Path, IdleBounds]]:
    """
    The paths of which anything is known. They are the same for all namespaces: one speaks of them.
    """
    if facts.is_host:
        for path in facts.paths:
            if path.name in facts.idle_bounds:
                yield path, facts.idle_bounds[path.name]


def _listed(told: list[tuple[Path, float]]) -> str:
    several = len(told) > 1
    return listing(
        [f"{seconds(round(each))}{f' ({path.name})' if several else ''}" for path, each in told]
    )
