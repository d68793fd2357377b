"""
Groups of namespaces with equal findings or settings.
"""

from dataclasses import replace

import pytest

from exporter.analysis.findings import find_all
from exporter.analysis.groups import group_findings, group_settings
from exporter.analysis.report import Verdict, reports
from exporter.model import (
    HOST_NETNS,
    Counters,
    Exposure,
    Finding,
    NamespaceReading,
    Recommended,
    Settings,
    Severity,
    Snapshot,
)
from tests.analysis.findings import AZURE, linux

FINDING = Finding("KA001", Severity.CRITICAL, "web-0", "Late", "It is late.", "Hurry.")


def test_equal_findings() -> None:
    """
    Findings that differ only in their namespace make one group, in the order of the namespaces.
    """
    equal = [replace(FINDING, netns=f"web-{number}") for number in range(109)]
    (group,) = group_findings(equal)
    assert group.finding == FINDING
    assert group.netns == tuple(each.netns for each in equal)
    assert group.where == "109 network namespaces"
    assert group.concerned == "web-0, web-1, web-2 and 106 more"


@pytest.mark.parametrize(
    "other",
    [
        replace(FINDING, id="KA002"),
        replace(FINDING, severity=Severity.WARNING),
        replace(FINDING, problem="It is later."),
        replace(FINDING, remedy="Wait."),
    ],
)
def test_different_findings(other: Finding) -> None:
    """
    Findings with another id, severity, problem or remedy are in another group.
    """
    groups = group_findings([FINDING, replace(other, netns="web-1")])
    assert sorted(group.netns for group in groups) == [("web-0",), ("web-1",)]


def test_order() -> None:
    """
    The most severe come first, then by id; a group's place is that of its own severity.
    """
    info = replace(FINDING, netns="a", severity=Severity.INFO)
    warning = replace(FINDING, netns="b", id="KA002", severity=Severity.WARNING)
    earlier = replace(FINDING, netns="c", severity=Severity.WARNING)
    groups = group_findings([info, warning, earlier, FINDING])
    assert [group.netns for group in groups] == [("web-0",), ("c",), ("b",), ("a",)]


@pytest.mark.parametrize(
    ("netns", "where", "concerned"),
    [
        ((HOST_NETNS,), HOST_NETNS, None),
        (("web",), "web", "web"),
        ((HOST_NETNS, "web"), "2 network namespaces", "host and web"),
    ],
)
def test_names(netns: tuple[str, ...], where: str, concerned: str | None) -> None:
    """
    One namespace has its name; the host's own is not named in a remedy.
    """
    (group,) = group_findings(replace(FINDING, netns=each) for each in netns)
    assert (group.where, group.concerned) == (where, concerned)


def test_settings() -> None:
    """
    Namespaces with equal settings and the same verdict make one group.
    """
    settings: dict[str, Settings] = {HOST_NETNS: linux()}
    settings |= {f"web-{number}": linux(7200) for number in range(3)}
    settings |= {"db": linux(7200), "other": linux()}
    readings = {
        netns: NamespaceReading(Counters(0, 0, 0), 0, exposure=Exposure()) for netns in settings
    }
    exposed = Exposure(1, {AZURE.name: 1})
    readings["db"] = replace(readings["db"], exposure=exposed)
    findings = find_all(settings, readings, Recommended(), (AZURE,))
    snapshot = Snapshot(settings, None, len(settings), 0, {}, 0.0, findings)
    host, web, db = group_settings(reports(snapshot, (AZURE,)))
    assert (host.netns, host.verdict) == ((HOST_NETNS, "other"), Verdict.ALL_RIGHT)
    assert (web.netns, web.verdict) == (("web-0", "web-1", "web-2"), Verdict.ALL_RIGHT)
    assert (db.netns, db.verdict) == (("db",), Verdict.AT_RISK)
    assert (web.where, db.where) == ("3 network namespaces", "db")
    assert web.settings == db.settings == linux(7200)
    assert web.paths == db.paths
