"""
Groups of namespaces with equal findings or settings: on a node with a hundred pods, most are alike.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from exporter.analysis.report import PathReport, Report, Verdict
from exporter.model import HOST_NETNS, Finding, Settings, Severity
from exporter.text.wording import abridged

_SEVERITIES = list(Severity)


@dataclass(frozen=True, slots=True)
class FindingGroup:
    """
    Equal findings of one or more namespaces; finding is that of the first one.
    """

    finding: Finding
    netns: tuple[str, ...]

    @property
    def where(self) -> str:
        """
        The namespace, or the number of namespaces.
        """
        return _where(self.netns)

    @property
    def concerned(self) -> str | None:
        """
        The namespaces to which the remedy applies, abridged; None if it is only the host's own.
        """
        return None if self.netns == (HOST_NETNS,) else abridged(self.netns)


@dataclass(frozen=True, slots=True)
class SettingsGroup:
    """
    Namespaces with equal settings, which cover the paths equally, and with the same verdict.
    """

    settings: Settings
    paths: tuple[PathReport, ...]
    verdict: Verdict
    netns: tuple[str, ...]

    @property
    def where(self) -> str:
        """
        The namespace, or the number of namespaces.
        """
        return _where(self.netns)


def group_findings(findings: Iterable[Finding]) -> tuple[FindingGroup, ...]:
    """
    The findings, equal ones of several namespaces once, the most severe first.
    """
    groups: dict[Finding, list[Finding]] = {}
    for each in sorted(findings, key=lambda each: (_SEVERITIES.index(each.severity), each.id)):
        groups.setdefault(replace(each, netns=""), []).append(each)
    return tuple(
        FindingGroup(equal[0], tuple(each.netns for each in equal)) for equal in groups.values()
    )


def group_settings(reports: Iterable[Report]) -> tuple[SettingsGroup, ...]:
    """
    The namespaces of the reports by settings, paths and verdict, in the order of the first of each.
    """
    groups: dict[tuple[Settings, tuple[PathReport, ...], Verdict], list[str]] = {}
    for each in reports:
        groups.setdefault((each.settings, each.paths, each.verdict), []).append(each.netns)
    return tuple(SettingsGroup(*equal, tuple(netns)) for equal, netns in groups.items())


def _where(netns: Sequence[str]) -> str:
    return netns[0] if len(netns) == 1 else f"{len(netns)} network namespaces"
