"""
The input and output of rules.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from exporter.analysis.coverage import Coverage, coverage
from exporter.model import (
    HOST_NETNS,
    Exposure,
    IdleBounds,
    Path,
    Recommended,
    Settings,
    Severity,
    StaleTimers,
    UnexplainedLosses,
)
from exporter.paths.choice import ChosenProfile


@dataclass(frozen=True, slots=True)
class RuleContext:
    """
    What rules check: one network namespace and all paths.

    host has the settings of the exporter's own namespace; idle_bounds and losses are by path name,
    losses including NO_PATH. profile is None if the paths do not come from a profile, exposure if
    the namespace's connections are unknown.
    """

    netns: str
    settings: Settings
    host: Settings
    recommended: Recommended
    paths: tuple[Path, ...]
    stale_timers: StaleTimers
    idle_bounds: Mapping[str, IdleBounds] = field(default_factory=dict)
    profile: ChosenProfile | None = None
    exposure: Exposure | None = None
    losses: Mapping[str, UnexplainedLosses] = field(default_factory=dict)

    @property
    def is_host(self) -> bool:
        """
        Whether the namespace is the exporter's own.
        """
        return self.netns == HOST_NETNS

    @property
    def values(self) -> tuple[float, float, int] | None:
        """
        Time, interval and probes, if all three are known.
        """
        time, interval, probes = self.settings.time, self.settings.interval, self.settings.probes
        if time is None or interval is None or probes is None:
            return None
        return time, interval, probes

    def with_values(self, values: Recommended) -> Settings:
        """
        The settings with these values in place of their own.
        """
        return replace(
            self.settings, time=values.time, interval=values.interval, probes=values.probes
        )

    def paths_with(self, coverage_: Coverage) -> list[Path]:
        """
        The paths for which the settings have this coverage.
        """
        return [
            path for path in self.paths if coverage(self.settings, path.idle_timeout) is coverage_
        ]

    def is_affected(self, paths: Sequence[Path] | None = None) -> bool:
        """
        Whether settings that are wrong for these paths, or on any path, have to be corrected.

        In the host's own namespace always: its settings apply to every connection to come. Another
        namespace may belong to a program that never uses the settings, so its connections decide.
        Unknown ones may be affected.
        """
        if self.is_host or self.exposure is None:
            return True
        if paths is None:
            return self.exposure.dependent > 0
        return any(self.exposure.by_path.get(path.name) for path in paths)

    def badly_recommended(self) -> list[Path]:
        """
        The paths that the recommended settings do not protect well.
        """
        as_recommended = self.with_values(self.recommended)
        return [
            path
            for path in self.paths
            if coverage(as_recommended, path.idle_timeout) is not Coverage.PROTECTED
        ]


class Diagnosis(NamedTuple):
    """
    What is wrong, with numbers, and how to correct it.

    affected: whether it matters to the namespace, as returned by is_affected(); if not, the finding
    is only worth knowing.
    """

    problem: str
    remedy: str
    affected: bool = True


@dataclass(frozen=True, slots=True)
class Rule:
    """
    One thing that may be wrong; check returns a diagnosis if it is.

    severity is that of its findings, unless no connection is affected. unless has the ids of rules
    that make this one redundant: it is left out if one of them applies.
    """

    id: str
    severity: Severity
    title: str
    check: Callable[[RuleContext], Diagnosis | None]
    unless: frozenset[str] = frozenset()
