"""
Groups of namespaces with equal findings or settings: on a node with a hundred pods, most are alike.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from exporter.analysis.report import PathReport, Report, Verdict
from exporter.model import HOST_NETNS, Finding, Settings, Severity
from exporter.text.wording import abridged

_SEVERITIES = list(Severity)


@dataclass(frozen=True, slots=True)
class NamespaceGroup:
    """
    The `netns` labels of one or more namespaces.
    """

    netns: tuple[str, ...]

    @property
    def where(self) -> str:
        """
        The namespace, or the number of namespaces.
        """
        one, *others = self.netns
        return f"{len(self.netns)} network namespaces" if others else one


@dataclass(frozen=True, slots=True)
class FindingGroup(NamespaceGroup):
    """
    Equal findings of one or more namespaces; finding is that of the first one.
    """

    finding: Finding

    @property
    def concerned(self) -> str | None:
        """
        The namespaces to which the remedy applies, abridged; None if it is only the host's own.
        """
        return None if self.netns == (HOST_NETNS,) else abridged(self.netns)


@dataclass(frozen=True, slots=True)
class SettingsGroup(NamespaceGroup):
    """
    Namespaces with equal settings, which cover the paths equally, and with the same verdict.
    """

    settings: Settings
    paths: tuple[PathReport, ...]
    verdict: Verdict


def group_findings(findings: Iterable[Finding]) -> tuple[FindingGroup, ...]:
    """
    The findings, equal ones of several namespaces once, the most severe first.
    """
    groups: dict[Finding, list[Finding]] = {}
    for each in sorted(findings, key=lambda each: (_SEVERITIES.index(each.severity), each.id)):
        groups.setdefault(replace(each, netns=""), []).append(each)
    return tuple(
        FindingGroup(tuple(each.netns for each in equal), equal[0]) for equal in groups.values()
    )


def group_settings(reports: Iterable[Report]) -> tuple[SettingsGroup, ...]:
    """
    The namespaces of the reports by settings, paths and verdict, in the order of the first of each.
    """
    groups: dict[tuple[Settings, tuple[PathReport, ...], Verdict], list[str]] = {}
    for each in reports:
        groups.setdefault((each.settings, each.paths, each.verdict), []).append(each.netns)
    return tuple(SettingsGroup(tuple(netns), *equal) for equal, netns in groups.items())
