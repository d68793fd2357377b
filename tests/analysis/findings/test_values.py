"""
Findings about settings that are odd by themselves.
"""

import pytest

from exporter.model import Recommended, Severity
from tests.analysis.findings import (
    AZURE,
    bad,
    facts,
    found,
    linux,
    path,
    windows,
)


@pytest.mark.parametrize(
    ("time", "interval", "probes", "problem"),
    [
        (60, 30, 8, "Time 60 s (recommended 120 s)."),
        (120, 15, 9, "Interval 15 s (recommended 30 s) and probes 9 (recommended 8)."),
        pytest.param(
            60,
            31,
            9,
            "Time 60 s (recommended 120 s), interval 31 s (recommended 30 s) and probes 9"
            " (recommended 8).",
        ),
        (120, 30, 8, None),
        (None, None, None, None),
    ],
)
def test_not_recommended(
    time: int | None, interval: int | None, probes: int | None, problem: str | None
) -> None:
    """
    KA003 names what differs from the recommended, and is no warning.
    """
    findings = found(facts(linux(time, interval, probes), AZURE))
    assert (findings["KA003"].problem if "KA003" in findings else None) == problem
    assert bad(facts(linux(time, interval, probes), AZURE)) == set()


def test_not_recommended_on_windows() -> None:
    """
    Windows' 10 probes cannot be changed, so they are not complained of.
    """
    assert found(facts(windows(120_000, 30_000), AZURE)) == {}
    finding = found(facts(windows(120_000, 1000), AZURE))["KA003"]
    assert finding.problem == "Interval 1 s (recommended 30 s)."


@pytest.mark.parametrize("better", ["KA001", "KA002", "KA004", "KA005", "KA012", "KA013", "KA014"])
def test_worse_findings_suffice(better: str) -> None:
    """
    Where a worse finding speaks of the same values, that they are not recommended goes without
    saying.
    """
    settings = {
        "KA001": linux(7200),
        "KA002": linux(interval=120),
        "KA004": linux(interval=40000),
        "KA005": linux(4, 1),
        "KA012": linux(239),
        "KA013": linux(interval=300),
        "KA014": linux(probes=0),
    }[better]
    findings = found(facts(settings, AZURE))
    assert better in findings
    assert "KA003" not in findings


def test_bad_recommended_values_are_not_missed() -> None:
    """
    Nobody is told to set recommended values that would not protect.
    """
    assert set(found(facts(linux(20, 5), path("short", 60)))) == {"KA011"}


@pytest.mark.parametrize(
    ("time", "interval", "problem"),
    [
        (1, 1, None),
        (32767, 32767, None),
        (0, 30, "The time is 0 s (the first probe follows at once)"),
        (-1, 30, "The time is -1 s (no probe is ever sent)"),
        pytest.param(
            120_000,
            30,
            "The time is 120000 s (the unit is seconds, should milliseconds have been meant)",
        ),
        (120, 0, "The interval is 0 s (all probes follow one another at once)"),
        (120, -5, "The interval is -5 s (the first probe is the only one)"),
        pytest.param(
            120,
            32768,
            "The interval is 32768 s (the unit is seconds, should milliseconds have been meant)",
        ),
        pytest.param(
            -1,
            0,
            "The time is -1 s (no probe is ever sent) and the interval is 0 s (all probes follow"
            " one another at once)",
        ),
        (None, None, None),
    ],
)
def test_out_of_range(time: int | None, interval: int | None, problem: str | None) -> None:
    """
    KA004 says what Linux makes of a time or interval that is out of range, and what is in it.
    """
    finding = found(facts(linux(time, interval))).get("KA004")
    if problem is None:
        assert finding is None
        return
    assert finding is not None
    assert finding.severity is Severity.WARNING
    assert finding.problem == f"{problem}; sensible are 1 to 32767 s."


def test_out_of_range_on_windows() -> None:
    """
    What Windows makes of odd values is not known, and not claimed.
    """
    finding = found(facts(windows(2**32 - 1, 1000)))["KA004"]
    assert finding.problem == "The time is 4294967.295 s; sensible are 1 to 32767 s."


@pytest.mark.parametrize(
    ("time", "interval", "problem"),
    [
        (5, 1, None),
        (1, 5, None),
        pytest.param(
            4,
            1,
            "An idle connection is probed every 4 s: 1000 idle connections make 250 probes a second"
            " and as many answers.",
        ),
        pytest.param(
            1,
            3,
            "An idle connection is probed every 3 s: 1000 idle connections make 333 probes a second"
            " and as many answers.",
        ),
        (0, 0, "An idle connection is probed without a pause."),
        (-1, 1, None),
        (1, -1, None),
        (None, 1, None),
    ],
)
def test_too_often(time: int | None, interval: int, problem: str | None) -> None:
    """
    KA005 says how many probes there are, if that is a load.
    """
    finding = found(facts(linux(time, interval))).get("KA005")
    assert (finding.problem if finding else None) == problem
    assert finding is None or finding.severity is Severity.WARNING


def test_often_as_recommended() -> None:
    """
    Who recommends frequent probes, for a path that needs them, is not warned of them.
    """
    short, recommended = path("short", 6), Recommended(3, 1, 8)
    assert found(facts(linux(3, 1), short, recommended=recommended)) == {}
    assert bad(facts(linux(2, 1), short, recommended=recommended)) == {"KA005"}


@pytest.mark.parametrize(
    ("time", "interval", "probes", "problem"),
    [
        (7200, 75, 1, None),
        (7200, 1, 1, None),
        (7200, -1, 1, None),
        (-1, 0, 0, None),
        pytest.param(
            7200,
            75,
            0,
            "Healthy connections that have been idle for 7200 s are ended without a probe.",
        ),
        pytest.param(
            7200,
            0,
            9,
            "Healthy connections that have been idle for 7200 s are ended unless the peer answers"
            " at once: the interval of 0 s lets 9 probes follow one another within hundredths of a"
            " second.",
        ),
    ],
)
def test_ends_healthy(time: int, interval: int, probes: int, problem: str | None) -> None:
    """
    KA014 says how connections are ended, whether a path is known or not.
    """
    finding = found(facts(linux(time, interval, probes))).get("KA014")
    assert (finding.problem if finding else None) == problem
    assert finding is None or finding.severity is Severity.CRITICAL
