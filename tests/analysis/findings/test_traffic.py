"""
Findings about paths whose real timeout is known from traffic.
"""

import re
from dataclasses import replace

import pytest

from exporter.analysis.findings.find import find_all
from exporter.model import HOST_NETNS, IdleBounds, Recommended, Severity
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
