"""
Findings about settings that are wrong or unusual on any path.
"""

import re

import pytest

from exporter.model import Recommended, Severity
from tests.analysis.findings import AZURE, bad, context, found, linux, path, windows


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
    KA003 lists the settings that differ from the recommended ones; it is not a warning.
    """
    findings = found(context(linux(time, interval, probes), AZURE))
    assert (findings["KA003"].problem if "KA003" in findings else None) == problem
    assert bad(context(linux(time, interval, probes), AZURE)) == set()


def test_not_recommended_on_windows() -> None:
    """
    KA003 leaves out Windows' 10 probes, which cannot be changed.
    """
    assert found(context(windows(120_000, 30_000), AZURE)) == {}
    finding = found(context(windows(120_000, 1000), AZURE))["KA003"]
    assert finding.problem == "Interval 1 s (recommended 30 s)."


@pytest.mark.parametrize("better", ["KA001", "KA002", "KA004", "KA005", "KA012", "KA013", "KA014"])
def test_not_recommended_with_worse_finding(better: str) -> None:
    """
    KA003 is left out if a worse finding concerns the same values.
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
    findings = found(context(settings, AZURE))
    assert better in findings
    assert "KA003" not in findings


def test_bad_recommended_values() -> None:
    """
    No finding asks for recommended values that do not protect the path.
    """
    assert set(found(context(linux(20, 5), path("short", 60)))) == {"KA011"}


@pytest.mark.parametrize(
    ("time", "interval", "problem"),
    [
        (1, 1, None),
        (32767, 32767, None),
        (0, 30, r"time is 0 s \(the first probe .*\)"),
        (-1, 30, r"time is -1 s \(no probe .*\)"),
        (120_000, 30, r"time is 120000 s \(.* seconds, not milliseconds\)"),
        (120, 0, r"interval is 0 s \(all probes .*\)"),
        (120, -5, r"interval is -5 s \(only one probe .*\)"),
        (120, 32768, r"interval is 32768 s \(.* seconds, not milliseconds\)"),
        (-1, 0, r"time is -1 s \(no probe .*\) and the interval is 0 s \(all probes .*\)"),
        (None, None, None),
    ],
)
def test_out_of_range(time: int | None, interval: int | None, problem: str | None) -> None:
    """
    KA004 has the effect on Linux of a time or interval out of range, and the allowed range.
    """
    finding = found(context(linux(time, interval))).get("KA004")
    if problem is None:
        assert finding is None
        return
    assert finding is not None
    assert finding.severity is Severity.WARNING
    assert re.fullmatch(rf"The {problem}; .* 1 to 32767 s\.", finding.problem)


def test_out_of_range_on_windows() -> None:
    """
    The effect of odd values on Windows is unknown, so KA004 claims none.
    """
    finding = found(context(windows(2**32 - 1, 1000)))["KA004"]
    assert re.fullmatch(r"The time is 4294967\.295 s; .* 1 to 32767 s\.", finding.problem)


@pytest.mark.parametrize(
    ("time", "interval", "problem"),
    [
        (5, 1, None),
        (1, 5, None),
        (4, 1, "every 4 s: 1000 idle connections .* 250 probes per second"),
        (1, 3, "every 3 s: 1000 idle connections .* 333 probes per second"),
        (0, 0, "probed continuously"),
        (-1, 1, None),
        (1, -1, None),
        (None, 1, None),
    ],
)
def test_too_often(time: int | None, interval: int, problem: str | None) -> None:
    """
    KA005 has the number of probes, if it is a noticeable load.
    """
    finding = found(context(linux(time, interval))).get("KA005")
    if problem is None:
        assert finding is None
        return
    assert finding is not None
    assert finding.severity is Severity.WARNING
    assert re.search(problem, finding.problem)


def test_often_as_recommended() -> None:
    """
    Frequent probes cause no warning if they are recommended.
    """
    short, recommended = path("short", 6), Recommended(3, 1, 8)
    assert found(context(linux(3, 1), short, recommended=recommended)) == {}
    assert bad(context(linux(2, 1), short, recommended=recommended)) == {"KA005"}


@pytest.mark.parametrize(
    ("time", "interval", "probes", "problem"),
    [
        (7200, 75, 1, None),
        (7200, 1, 1, None),
        (7200, -1, 1, None),
        (-1, 0, 0, None),
        (7200, 75, 0, "idle for 7200 s are closed without a probe"),
        (7200, 0, 9, "idle for 7200 s are closed unless .* interval of 0 s.* 9 probes"),
    ],
)
def test_ends_healthy(time: int, interval: int, probes: int, problem: str | None) -> None:
    """
    KA014 has the reason why connections are closed, also without a path.
    """
    finding = found(context(linux(time, interval, probes))).get("KA014")
    if problem is None:
        assert finding is None
        return
    assert finding is not None
    assert finding.severity is Severity.CRITICAL
    assert re.search(problem, finding.problem)
