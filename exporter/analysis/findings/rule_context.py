"""
What findings are made from.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from exporter.analysis.coverage import Cover, cover
from exporter.model import (
    HOST_NETNS,
    IdleBounds,
    Path,
    Recommended,
    Settings,
    Severity,
    StaleTimers,
)


@dataclass(frozen=True, slots=True)
class Facts:
    """
    What is known of one network namespace; host are the settings of the exporter's own, idle_bounds
    what traffic has told of the paths, by name.
    """

    netns: str
    settings: Settings
    host: Settings
    recommended: Recommended
    paths: tuple[Path, ...]
    stale_timers: StaleTimers
    idle_bounds: Mapping[str, IdleBounds] = field(default_factory=dict)

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

    def having(self, wanted: Recommended) -> Settings:
        """
        The settings, were they as wanted.
        """
        return replace(
            self.settings, time=wanted.time, interval=wanted.interval, probes=wanted.probes
        )

    def paths_with(self, covered: Cover) -> list[Path]:
        """
        The paths that the settings cover so well, or so badly.
        """
        return [path for path in self.paths if cover(self.settings, path.idle_timeout) is covered]

    def badly_recommended(self) -> list[Path]:
        """
        The paths that the recommended settings would not protect well.
        """
        as_recommended = self.having(self.recommended)
        return [
            path
            for path in self.paths
            if cover(as_recommended, path.idle_timeout) is not Cover.PROTECTED
        ]


class Found(NamedTuple):
    """
    What a rule has to say: what is wrong, with the numbers in it, and what to do about it.
    """

    problem: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Rule:
    """
    One thing that may be wrong; look tells whether it is.

    Where a rule of unless has found something, that says it better, and this one keeps silent.
    """

    id: str
    severity: Severity
    title: str
    look: Callable[[Facts], Found | None]
    unless: frozenset[str] = frozenset()
