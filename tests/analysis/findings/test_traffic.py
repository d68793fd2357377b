"""
Findings about paths whose real timeout is known from traffic.
"""

import re
from dataclasses import replace

import pytest

from exporter.analysis.findings.find import find_all
from exporter.model import (
    HOST_NETNS,
    NO_PATH,
    IdleBounds,
    Recommended,
    Role,
    Severity,
    UnexplainedLosses,
)
from tests.analysis.findings import AZURE, bad, context, found, linux, path

GIVEN = context(linux(), AZURE)


def observed(**bounds: IdleBounds) -> dict[str, str]:
    """
    The problems of KA016 and later rules, with these bounds of paths azure and office.
    """
    paths = (AZURE, path("office", 3600))
    given = replace(GIVEN, paths=paths, idle_bounds=bounds)
    return {each: finding.problem for each, finding in found(given).items() if each >= "KA016"}


def test_dies_sooner() -> None:
    """
    KA016: connections are lost after shorter spells than the path's configured timeout.
    """
    problems = observed(azure=IdleBounds(survived=45.0, fatal=62.6))
    assert problems.keys() == {"KA016"}
    assert re.search(r"azure \(240 s\).* lost after about 63 s\.", problems["KA016"])
    given = replace(GIVEN, idle_bounds={"azure": IdleBounds(45.0, 62.6)})
    assert found(given)["KA016"].severity is Severity.WARNING
    assert "`tcp-keepalive-exporter probe`" in found(given)["KA016"].remedy


def test_lives_longer() -> None:
    """
    KA017: connections survive longer spells; this is not a warning.
    """
    problems = observed(azure=IdleBounds(survived=900.0))
    assert problems.keys() == {"KA017"}
    assert re.search(r"azure \(240 s\).* survive .*900 s\.", problems["KA017"])
    assert bad(replace(GIVEN, idle_bounds={"azure": IdleBounds(900.0)})) == set()


def test_several_paths() -> None:
    """
    With several paths, each observed time is labeled with its path.
    """
    problem = observed(azure=IdleBounds(45.0, 62.6), office=IdleBounds(None, 1800.0))["KA016"]
    assert "azure (240 s) and office (3600 s)" in problem
    assert "63 s (azure) and 1800 s (office)" in problem


@pytest.mark.parametrize(
    "bounds",
    [
        IdleBounds(),
        IdleBounds(survived=200.0, fatal=250.0),
        IdleBounds(survived=200.0, fatal=216.0),  # within a tenth
        IdleBounds(survived=264.0),
        IdleBounds(survived=900.0, mixed=True),  # others were lost after 300 s
    ],
)
def test_no_contradiction(bounds: IdleBounds) -> None:
    """
    No finding if bounds agree with the timeout within 10 %, or belong to several devices.
    """
    assert observed(azure=bounds) == {}


def test_reported_once() -> None:
    """
    The paths are the same for all namespaces, so only the host reports them.
    """
    other = context(linux(), AZURE, netns="web", host=linux())
    bounds = {"azure": IdleBounds(45.0, 62.6)}
    assert "KA016" not in found(replace(other, idle_bounds=bounds))
    assert "KA016" in found(replace(GIVEN, idle_bounds=bounds))


def test_of_all_namespaces() -> None:
    """
    Bounds of the paths concern the host only, whatever the number of namespaces.
    """
    settings = {HOST_NETNS: linux(), "web": linux()}
    bounds = {AZURE.name: IdleBounds(fatal=100)}
    findings = find_all(settings, {}, Recommended(), (AZURE,), idle_bounds=bounds)
    assert [(each.id, each.netns) for each in findings] == [("KA016", HOST_NETNS)]


LOSSES = UnexplainedLosses(5, at_least=21.6, at_most=33.2, survived=18.9)


def test_unexplained() -> None:
    """
    KA019: the number of connections, bounds of their idle time, the longest one survived, a command
    and the configuration.
    """
    finding = found(replace(GIVEN, losses={AZURE.name: LOSSES}))["KA019"]
    assert finding.severity is Severity.WARNING
    assert "5 on azure (240 s) after 21 s to 34 s (up to 18 s were survived)" in finding.problem
    assert "`tcp-keepalive-exporter probe HOST:PORT`" in finding.remedy
    assert "idle_timeout: 18s}]`." in finding.remedy


def test_unexplained_on_no_path() -> None:
    """
    KA019 without a path, and without a spell that was survived: the shortest fatal one is proposed.
    """
    finding = found(replace(GIVEN, losses={NO_PATH: replace(LOSSES, survived=0.4)}))["KA019"]
    assert "5 on no path after 21 s to 34 s." in finding.problem
    assert "idle_timeout: 21s}]`." in finding.remedy


def test_unexplained_on_several_paths() -> None:
    """
    Each path has its own numbers. For a path from the config file, the finding names the key to
    correct. The shortest time is proposed.
    """
    office = replace(path("office", 3600), role=Role.REPLACES)
    losses = {NO_PATH: replace(LOSSES, survived=40.0), "office": LOSSES, "removed": LOSSES}
    given = replace(GIVEN, paths=(AZURE, office), losses=losses)
    finding = found(given)["KA019"]
    assert "5 on office (3600 s) after" in finding.problem
    assert " and 5 on no path after" in finding.problem
    assert "removed" not in finding.problem
    assert "idle_timeout: 18s}" in finding.remedy
    assert finding.remedy.endswith(" and correct the idle_timeout of office (3600 s).")
    only = found(replace(given, losses={"office": LOSSES}))["KA019"]
    assert only.remedy.endswith("hang. Then correct the idle_timeout of office (3600 s).")


def test_explained_by_the_bounds() -> None:
    """
    A path that KA016 reports is not in KA019; another one is.
    """
    given = replace(GIVEN, idle_bounds={"azure": IdleBounds(18.0, 22.0)})
    assert found(replace(given, losses={"azure": LOSSES})).keys() == {"KA016"}
    both = found(replace(given, losses={"azure": LOSSES, NO_PATH: LOSSES}))
    assert both.keys() == {"KA016", "KA019"}
    assert "azure" not in both["KA019"].problem


def test_losses_of_all_namespaces() -> None:
    """
    KA019 concerns the host only, whatever the number of namespaces.
    """
    settings = {HOST_NETNS: linux(), "web": linux()}
    findings = find_all(settings, {}, Recommended(), (AZURE,), losses={NO_PATH: LOSSES})
    assert [(each.id, each.netns) for each in findings] == [("KA019", HOST_NETNS)]
