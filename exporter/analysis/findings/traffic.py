"""
Findings about paths whose real idle timeout differs from the configured one, as observed in the
traffic of the last day.
"""

import math
from collections.abc import Iterator

from exporter.analysis.findings.phrases import with_timeouts
from exporter.analysis.findings.rule_context import Diagnosis, RuleContext
from exporter.model import NO_PATH, IdleBounds, Path, Role, UnexplainedLosses
from exporter.text.wording import listing, seconds

_TOLERANCE = 0.1
"""A smaller difference, as a fraction of the configured timeout, is not reported."""


def dies_sooner(context: RuleContext) -> Diagnosis | None:
    """
    Connections are lost after idle spells shorter than the path's configured timeout.
    """
    observed = _dying_sooner(context)
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


def unexplained(context: RuleContext) -> Diagnosis | None:
    """
    Connections are lost after idle spells too short for their path, or on no path. Paths that
    dies_sooner() reports are left out.
    """
    if not context.is_host:
        return None
    paths: dict[str, Path | None] = {path.name: path for path in context.paths} | {NO_PATH: None}
    reported = {path.name for path, _ in _dying_sooner(context)}
    observed = [
        (path, context.losses[name])
        for name, path in paths.items()
        if name in context.losses and name not in reported
    ]
    if not observed:
        return None
    shortest = min(_longest_safe(losses) for _, losses in observed)
    configured = [
        path for path, _ in observed if path is not None and path.role is not Role.PROFILE
    ]
    changes = []
    if len(configured) < len(observed):
        changes.append(
            "add a path to the config file, for example `paths: [{name: unknown-device, remote:"
            f" ADDRESS, idle_timeout: {shortest}s}}]`"
        )
    if configured:
        changes.append(f"correct the idle_timeout of {with_timeouts(configured)}")
    return Diagnosis(
        "In the last day connections were lost after idle times that no configured path explains:"
        f" {listing([_described(path, losses) for path, losses in observed])}. Their peers answered"
        " other connections meanwhile. A device on the way probably has a shorter idle timeout.",
        "Measure it with `tcp-keepalive-exporter probe HOST:PORT`, with an affected server:"
        " `tcp-keepalive-exporter connections` lists the connections that hang. Then"
        f" {listing(changes)}.",
    )


def _described(path: Path | None, losses: UnexplainedLosses) -> str:
    where = "no path" if path is None else with_timeouts([path])
    spells = f"{math.floor(losses.at_least)} s to {math.ceil(losses.at_most)} s"
    survived = math.floor(losses.survived)
    outlived = f" (up to {survived} s were survived)" if survived else ""
    return f"{losses.number} on {where} after {spells}{outlived}"


def _longest_safe(losses: UnexplainedLosses) -> int:
    """
    The longest spell survived, in seconds, or the shortest one lost if none was survived.
    """
    return math.floor(losses.survived) or math.floor(losses.at_least)


_MEASURE = (
    "Measure the path with `tcp-keepalive-exporter probe`, and correct its idle_timeout in the"
    " config file."
)


def _dying_sooner(context: RuleContext) -> list[tuple[Path, float]]:
    """
    The paths whose configured timeout is too long, with the observed one.
    """
    return [
        (path, bounds.fatal)
        for path, bounds in _observed_paths(context)
        if bounds.fatal is not None and bounds.fatal < (1 - _TOLERANCE) * path.idle_timeout
    ]


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
