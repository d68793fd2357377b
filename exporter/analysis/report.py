"""
Report on a namespace: its settings, paths and findings.
"""

from dataclasses import dataclass
from enum import StrEnum

from exporter.analysis.coverage import Coverage, coverage, probes_before_timeout, protects
from exporter.model import Finding, Path, Settings, Severity, Snapshot
from exporter.text.wording import plural

_UNPROTECTED = frozenset({"KA001", "KA013"})
"""The findings about paths that the settings do not protect."""


class Verdict(StrEnum):
    """
    Overall result for a namespace.

    at_risk: critical findings. doubtful: warnings. unknown: neither of them, but something could
    not be read. all_right: none of these.
    """

    AT_RISK = "at_risk"
    DOUBTFUL = "doubtful"
    UNKNOWN = "unknown"
    ALL_RIGHT = "all_right"


@dataclass(frozen=True, slots=True)
class PathReport:
    """
    How the settings cover a path; probes is the number of probes before its timeout.
    """

    path: Path
    coverage: Coverage
    protected: bool | None
    probes: int | None


@dataclass(frozen=True, slots=True)
class Report:
    """
    The report on one network namespace.
    """

    netns: str
    settings: Settings
    paths: tuple[PathReport, ...]
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """
        The overall result.
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
        The namespace, and the overall result with its reason, in one line.
        """
        return f"{self.netns}: {self.outcome}"

    @property
    def outcome(self) -> str:
        """
        The overall result with its reason.
        """
        return f"{self.verdict.replace('_', ' ')}: {self._reason()}"

    def _reason(self) -> str:
        of_paths = f"of {plural(len(self.paths), 'path')}"
        bad = [each for each in self.findings if each.severity is not Severity.INFO]
        unprotected = sum(path.protected is False for path in self.paths)
        if bad:
            about_paths = unprotected and any(each.id in _UNPROTECTED for each in bad)
            what = f"{unprotected} {of_paths} unprotected" if about_paths else bad[0].title
            return f"{what} ({', '.join(each.id for each in bad)})"
        if self.settings.problems:
            return f"{plural(len(self.settings.problems), 'setting')} cannot be read"
        if unprotected:
            return f"{unprotected} {of_paths} unprotected, no open connection affected"
        return f"{len(self.paths)} {of_paths} protected" if self.paths else "no path is configured"


def missing(snapshot: Snapshot) -> int:
    """
    The number of namespaces without a report, because nothing could be read.
    """
    found = snapshot.readable_namespaces + snapshot.unreadable_namespaces
    return max(0, found - len(snapshot.settings))  # one may have been removed after it was read


def reports(snapshot: Snapshot, paths: tuple[Path, ...]) -> tuple[Report, ...]:
    """
    A report on each namespace whose settings were read, the host's first.
    """
    return tuple(
        Report(
            netns=netns,
            settings=settings,
            paths=tuple(
                PathReport(
                    path,
                    coverage(settings, path.idle_timeout),
                    protects(settings, path.idle_timeout),
                    probes_before_timeout(settings, path.idle_timeout),
                )
                for path in paths
            ),
            findings=tuple(each for each in snapshot.findings if each.netns == netns),
        )
        for netns, settings in snapshot.settings.items()
    )
