"""
Findings about registry values that Windows interprets differently than intended.
"""

import re

import pytest

from exporter.model import Settings, Severity
from tests.analysis.findings import AZURE, context, found, linux, windows


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        pytest.param(
            windows(120, 30),
            r"KeepAliveTime is 120 and KeepAliveInterval is 30\..* milliseconds.* 0\.12 s .* 0\.3 s"
            r" .*: 120 s is 120000 and 30 s is 30000\.",
            id="values of the old instructions",
        ),
        pytest.param(
            windows(120_000, 30),
            r"KeepAliveInterval is 30\..* milliseconds.* 120 s .* 0\.3 s .*: 30 s is 30000\.",
            id="interval alone",
        ),
        pytest.param(
            windows(7200),
            r"KeepAliveTime is 7200\..* milliseconds.* 7\.2 s .* 10 s .*: 7200 s is 7200000\.",
            id="the default in seconds",
        ),
        pytest.param(windows(120_000, 30_000), None, id="as intended"),
        pytest.param(windows(30_000, 1000), None, id="values of Microsoft's later instructions"),
        pytest.param(windows(), None, id="nothing set"),
        pytest.param(windows(9999), r"KeepAliveTime is 9999\..*", id="just below the limit"),
        pytest.param(windows(10_000), None, id="at the limit"),
        pytest.param(windows(10_001), None, id="above the limit"),
        pytest.param(windows(5000), None, id="a multiple of 1000 is deliberate"),
        pytest.param(windows(interval=999), r"KeepAliveInterval is 999\..*", id="below default"),
        pytest.param(windows(interval=1000), None, id="the default, set"),
        pytest.param(windows(0, 0), None, id="zero"),
        pytest.param(linux(1, 0), None, id="Linux"),
    ],
)
def test_seconds_for_milliseconds(settings: Settings, problem: str | None) -> None:
    """
    KA006 has the values that look like seconds, their effect, and the values probably intended.
    """
    finding = found(context(settings, AZURE)).get("KA006")
    if problem is None:
        assert finding is None
        return
    assert finding is not None
    assert re.fullmatch(problem, finding.problem)
    assert finding.severity is Severity.CRITICAL
    assert "`tcp-keepalive-exporter fix --for windows-reg`" in finding.remedy


def test_seconds_for_milliseconds_alone() -> None:
    """
    With KA006, no other finding concerns the same values.
    """
    assert set(found(context(windows(120, 30), AZURE))) == {"KA006"}


@pytest.mark.parametrize(
    ("settings", "applies"),
    [
        (windows(120_000, 30_000, 8), True),
        (windows(120_000, 30_000, 5), True),
        (windows(120_000, 30_000), False),
        (linux(retries=8), False),
    ],
)
def test_retransmissions_for_probes(settings: Settings, applies: bool) -> None:
    """
    KA007 applies if TcpMaxDataRetransmissions is set, and has its value and the number of probes.
    """
    finding = found(context(settings, AZURE)).get("KA007")
    assert (finding is not None) == applies
    if finding is not None:
        assert finding.severity is Severity.INFO
        assert f"TcpMaxDataRetransmissions is {settings.data_retransmissions}." in finding.problem
        assert "10 unanswered probes" in finding.problem
