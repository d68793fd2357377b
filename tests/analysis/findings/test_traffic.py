"""
Findings about paths whose real timeout the traffic has told.
"""

from dataclasses import replace

import pytest

from exporter.model import IdleBounds, Severity
from tests.analysis.findings import (
    AZURE,
    bad,
    facts,
    found,
    linux,
    path,
)

GIVEN = facts(linux(), AZURE)


def observed(**bounds: IdleBounds) -> dict[str, str]:
    """
    What is found beyond the usual when traffic has told this of the paths.
    """
    paths = (AZURE, path("office", 3600))
    given = replace(GIVEN, paths=paths, idle_bounds=bounds)
    return {each: finding.problem for each, finding in found(given).items() if each >= "KA016"}


def test_dies_sooner() -> None:
    """
    KA016: connections die of shorter spells than the path is configured to remember.
    """
    assert observed(azure=IdleBounds(survived=45.0, fatal=62.6)) == {
        "KA016": "Configured is the idle timeout of azure (240 s), but connections die after about"
        " 63 s. What is judged by the configured timeout is judged too kindly."
    }
    given = replace(GIVEN, idle_bounds={"azure": IdleBounds(45.0, 62.6)})
    assert found(given)["KA016"].severity is Severity.WARNING
    assert "`tcp-keepalive-exporter probe`" in found(given)["KA016"].remedy


def test_lives_longer() -> None:
    """
    KA017: connections survive longer spells, which is no warning.
    """
    assert observed(azure=IdleBounds(survived=900.0)) == {
        "KA017": "Configured is the idle timeout of azure (240 s), yet idle spells of 900 s"
        " survive: the path is safer than configured."
    }
    assert bad(replace(GIVEN, idle_bounds={"azure": IdleBounds(900.0)})) == set()


def test_several_paths() -> None:
    """
    Of several paths each time is told whose it is.
    """
    assert observed(azure=IdleBounds(45.0, 62.6), office=IdleBounds(None, 1800.0))["KA016"] == (
        "Configured is the idle timeout of azure (240 s) and office (3600 s), but connections die"
        " after about 63 s (azure) and 1800 s (office). What is judged by the configured timeout is"
        " judged too kindly."
    )


@pytest.mark.parametrize(
    "bounds",
    [
        IdleBounds(),
        IdleBounds(survived=200.0, fatal=250.0),
        IdleBounds(survived=200.0, fatal=216.0),  # within a tenth
        IdleBounds(survived=264.0),
        IdleBounds(survived=900.0, mixed=True),  # some died of 300 s
    ],
)
def test_no_contradiction(bounds: IdleBounds) -> None:
    """
    Bounds that go with the timeout, or nearly, and those that speak for several devices.
    """
    assert observed(azure=bounds) == {}


def test_said_once() -> None:
    """
    The paths are the same for all namespaces: the host's own findings speak of them.
    """
    other = facts(linux(), AZURE, netns="web", host=linux())
    bounds = {"azure": IdleBounds(45.0, 62.6)}
    assert "KA016" not in found(replace(other, idle_bounds=bounds))
    assert "KA016" in found(replace(GIVEN, idle_bounds=bounds))
