"""
Whether a namespace is configured right: its settings, paths and findings together.
"""

from dataclasses import dataclass
from enum import StrEnum

from exporter.judge.findings.words import plural
from exporter.judge.settings import Cover, cover, probes_before_timeout, protects
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
        worst = self.findings[0].severity if self.findings else Severity.INFO
        ids = [each.id for each in self.findings if each.severity is worst is not Severity.INFO]
        why = f" ({', '.join(ids)})" if ids else ""
        return "; ".join((f"{self.netns}: {word}: {self._paths()}{why}", *self.settings.problems))

    def _paths(self) -> str:
        if not self.paths:
            return "no path is configured"
        unprotected = sum(path.protected is False for path in self.paths)
        protected = sum(path.protected is True for path in self.paths)
        number, word = (unprotected, "unprotected") if unprotected else (protected, "protected")
        return f"{number} of {plural(len(self.paths), 'path')} {word}"


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
