"""
Findings about registry values that were meant otherwise.
"""

import pytest

from exporter.model import Settings, Severity
from tests.analysis.findings import (
    AZURE,
    facts,
    found,
    linux,
    windows,
)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        pytest.param(
            windows(120, 30),
            "KeepAliveTime is 120 and KeepAliveInterval is 30. The unit is milliseconds, so that"
            " connections are probed after 0.12 s of idling and given up after 0.3 s without an"
            " answer. Should seconds have been meant: 120 s are 120000 and 30 s are 30000.",
            id="the old text taken literally",
        ),
        pytest.param(
            windows(120_000, 30),
            "KeepAliveInterval is 30. The unit is milliseconds, so that connections are probed"
            " after 120 s of idling and given up after 0.3 s without an answer. Should seconds have"
            " been meant: 30 s are 30000.",
            id="interval alone",
        ),
        pytest.param(
            windows(7200),
            "KeepAliveTime is 7200. The unit is milliseconds, so that connections are probed after"
            " 7.2 s of idling and given up after 10 s without an answer. Should seconds have been"
            " meant: 7200 s are 7200000.",
            id="the default in seconds",
        ),
        pytest.param(windows(120_000, 30_000), None, id="as meant"),
        pytest.param(windows(30_000, 1000), None, id="as Microsoft's later text has it"),
        pytest.param(windows(), None, id="nothing set"),
        pytest.param(windows(9999), "KeepAliveTime is 9999.", id="just below the limit"),
        pytest.param(windows(10_000), None, id="at the limit"),
        pytest.param(windows(10_001), None, id="above it"),
        pytest.param(windows(5000), None, id="a whole number of seconds, so the unit was known"),
        pytest.param(windows(interval=999), "KeepAliveInterval is 999.", id="below the default"),
        pytest.param(windows(interval=1000), None, id="the default, set"),
        pytest.param(windows(0, 0), None, id="zero is no number of seconds"),
        pytest.param(linux(1, 0), None, id="Linux"),
    ],
)
def test_seconds_for_milliseconds(settings: Settings, problem: str | None) -> None:
    """
    KA006 tells values that look like seconds, what they do, and what was meant.
    """
    finding = found(facts(settings, AZURE)).get("KA006")
    if problem is None:
        assert finding is None
        return
    assert finding is not None
    assert finding.problem.startswith(problem)
    assert finding.severity is Severity.CRITICAL
    assert "`tcp-keepalive-exporter fix --for windows-reg`" in finding.remedy


def test_the_trap_says_it_all() -> None:
    """
    Where seconds stand for milliseconds, nothing else is said of the values.
    """
    assert set(found(facts(windows(120, 30), AZURE))) == {"KA006"}


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (windows(120_000, 30_000, 8), True),
        (windows(120_000, 30_000, 5), True),
        (windows(120_000, 30_000), False),
        (linux(retries=8), False),
    ],
)
def test_retransmissions_for_probes(settings: Settings, told: bool) -> None:
    """
    KA007 says what TcpMaxDataRetransmissions does and does not, where it is set.
    """
    finding = found(facts(settings, AZURE)).get("KA007")
    assert (finding is not None) == told
    if finding is not None:
        assert finding.severity is Severity.INFO
        assert finding.problem == (
            f"TcpMaxDataRetransmissions is {settings.data_retransmissions}. It rules how often data"
            " is sent again, not keepalive: Windows gives a connection up after 10 unanswered"
            " probes, whatever is set."
        )
