"""
Whether a namespace is configured right: its settings, paths and findings together.
"""

from dataclasses import dataclass
from enum import StrEnum

from exporter.analysis.coverage import (
    Cover,
    cover,
    probes_before_timeout,
    protects,
)
from exporter.analysis.findings.phrases import plural
from exporter.model import Finding, Path, Settings, Severity, Snapshot


class Verdict(StrEnum):
    """
    The whole in a word.

    at_risk: there are critical findings. doubtful: there are warnings. unknown: there are neither,
    but something could not be read. all_right: none of these.
    """

    AT_RISK = "at_risk"
    DOUBTFUL = "doubtful"
    UNKNOWN = "unknown"
    ALL_RIGHT = "all_right"


@dataclass(frozen=True, slots=True)
class PathReport:
    """
    How the settings cover a path; probes is how many they send before its timeout.
    """

    path: Path
    cover: Cover
    protected: bool | None
    probes: int | None


@dataclass(frozen=True, slots=True)
class Report:
    """
    One network namespace.
    """

    netns: str
    settings: Settings
    paths: tuple[PathReport, ...]
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """
        The whole in a word.
        """
        severities = {finding.severity for finding in self.findings}
        if Severity.CRITICAL in severities:
            return Verdict.AT_RISK
        if Severity.WARNING in severities:
            return Verdict.DOUBTFUL
        return Verdict.UNKNOWN if self.settings.problems else Verdict.ALL_RIGHT

    @property
    def summary(self) -> str:
        """
        The whole in a line.
        """
        word = "cannot tell" if self.verdict is Verdict.UNKNOWN else self.verdict.replace("_", " ")
        return f"{self.netns}: {word}: {self._reason()}"

    def _reason(self) -> str:
        of_paths = f"of {plural(len(self.paths), 'path')}"
        bad = [each for each in self.findings if each.severity is not Severity.INFO]
        unprotected = sum(path.protected is False for path in self.paths)
        if bad:
            what = f"{unprotected} {of_paths} unprotected" if unprotected else bad[0].title
            return f"{what} ({', '.join(each.id for each in bad)})"
        if self.settings.problems:
            return f"{plural(len(self.settings.problems), 'setting')} cannot be read"
        return f"{len(self.paths)} {of_paths} protected" if self.paths else "no path is configured"


def missing(snapshot: Snapshot) -> int:
    """
    How many namespaces there are that nothing could be read of to report.
    """
    found = snapshot.readable_namespaces + snapshot.unreadable_namespaces
    return max(0, found - len(snapshot.settings))  # one may have gone after it was read


def reports(snapshot: Snapshot, paths: tuple[Path, ...]) -> tuple[Report, ...]:
    """
    A report of each namespace whose settings were read, the host's first.
    """
    return tuple(
        Report(
            netns=netns,
            settings=settings,
            paths=tuple(
                PathReport(
                    path,
                    cover(settings, path.idle_timeout),
                    protects(settings, path.idle_timeout),
                    probes_before_timeout(settings, path.idle_timeout),
                )
                for path in paths
            ),
            findings=tuple(each for each in snapshot.findings if each.netns == netns),
        )
        for netns, settings in snapshot.settings.items()
    )
