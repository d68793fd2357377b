"""
Findings about paths whose real idle timeout differs from the configured one, as observed in the
traffic of the last day.
"""

from collections.abc import Iterator

from exporter.analysis.findings.phrases import with_timeouts
from exporter.analysis.findings.rule_context import Diagnosis, RuleContext
from exporter.model import IdleBounds, Path
from exporter.text.wording import listing, seconds

_TOLERANCE = 0.1
"""A smaller difference, as a fraction of the configured timeout, is not reported."""


def dies_sooner(context: RuleContext) -> Diagnosis | None:
    """
    Connections are lost after idle spells shorter than the path's configured timeout.
    """
    observed = [
        (path, bounds.fatal)
        for path, bounds in _observed_paths(context)
        if bounds.fatal is not None and bounds.fatal < (1 - _TOLERANCE) * path.idle_timeout
    ]
    if not observed:
        return None
    return Diagnosis(
        "The configured idle timeout is too long for"
        f" {with_timeouts([path for path, _ in observed])}: connections are lost after about"
        f" {_listed(observed)}. Metrics and findings based on the configured timeout underestimate"
        " the risk.",
        _MEASURE,
    )


def lives_longer(context: RuleContext) -> Diagnosis | None:
    """
    Connections survive idle spells longer than the path's configured timeout.
    """
    observed = [
        (path, bounds.survived)
        for path, bounds in _observed_paths(context)
        if bounds.survived is not None
        and bounds.survived > (1 + _TOLERANCE) * path.idle_timeout
        and not bounds.mixed
    ]
    if not observed:
        return None
    return Diagnosis(
        "The configured idle timeout is too short for"
        f" {with_timeouts([path for path, _ in observed])}: connections survive idle spells of"
        f" {_listed(observed)}. The path is safer than configured.",
        f"No action is needed. {_MEASURE}",
    )


_MEASURE = (
    "Measure the path with `tcp-keepalive-exporter probe`, and correct its idle_timeout in the"
    " config file."
)


def _observed_paths(context: RuleContext) -> Iterator[tuple[Path, IdleBounds]]:
    """
    The paths with bounds. Paths are the same for all namespaces, so only the host reports them.
    """
    if context.is_host:
        for path in context.paths:
            if path.name in context.idle_bounds:
                yield path, context.idle_bounds[path.name]


def _listed(observed: list[tuple[Path, float]]) -> str:
    several = len(observed) > 1
    return listing(
        [f"{seconds(round(each))}{f' ({path.name})' if several else ''}" for path, each in observed]
    )
