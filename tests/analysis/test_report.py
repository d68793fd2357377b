"""
Reports on namespaces.
"""

import pytest

from exporter.analysis.findings import find
from exporter.analysis.report import Report, Verdict, missing, reports
from exporter.model import Exposure, Settings, Snapshot, StaleTimers
from tests.analysis.findings import AZURE, context, linux


@pytest.mark.parametrize(
    ("readable", "unreadable", "expected"), [(2, 0, 0), (2, 3, 3), (3, 1, 2), (1, 0, 0)]
)
def test_missing(readable: int, unreadable: int, expected: int) -> None:
    """
    Namespaces without settings have no report, unless they were removed after they were read.
    """
    settings = {"host": linux(), "web": linux()}
    assert missing(Snapshot(settings, None, readable, unreadable, {}, 0.0)) == expected


def report(
    settings: Settings,
    exposure: Exposure | None,
    stale_timers: StaleTimers = StaleTimers(),  # noqa: B008
) -> Report:
    """
    The report on a namespace besides the host's.
    """
    given = context(settings, AZURE, netns="web", stale_timers=stale_timers, exposure=exposure)
    (made,) = reports(Snapshot({"web": settings}, None, 1, 0, {}, 0.0, find(given)), (AZURE,))
    return made


@pytest.mark.parametrize(
    ("exposure", "verdict", "outcome"),
    [
        (None, Verdict.AT_RISK, "at risk: 1 of 1 path unprotected (KA001)"),
        (
            Exposure(1, {AZURE.name: 1}),
            Verdict.AT_RISK,
            "at risk: 1 of 1 path unprotected (KA001)",
        ),
        (
            Exposure(),
            Verdict.ALL_RIGHT,
            "all right: 1 of 1 path unprotected, no open connection affected",
        ),
    ],
)
def test_outcome(exposure: Exposure | None, verdict: Verdict, outcome: str) -> None:
    """
    Unprotected paths make a namespace at risk only if connections are affected, and the outcome
    shows them in either case.
    """
    made = report(linux(7200), exposure)
    assert (made.verdict, made.outcome) == (verdict, outcome)
    assert made.summary == f"web: {outcome}"


def test_outcome_of_another_finding() -> None:
    """
    The reason of a verdict is a finding that is not info.
    """
    made = report(linux(7200), Exposure(), StaleTimers(late=1))
    assert made.outcome.startswith("doubtful: Open connections still send probes too late")
    assert made.outcome.endswith(" (KA009)")
