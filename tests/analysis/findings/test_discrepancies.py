"""
Findings about other namespaces, open connections and data in flight.
"""

import pytest

from exporter.model import Severity, StaleTimers
from tests.analysis.findings import AZURE, bad, context, found, linux, windows


def test_unlike_host() -> None:
    """
    KA008 lists the settings that differ from the host's; its severity is info.
    """
    given = context(linux(60, 30, 9), AZURE, netns="web", host=linux())
    finding = found(given)["KA008"]
    assert finding.problem.endswith(": time 60 s (host 120 s) and probes 9 (host 8).")
    assert finding.severity is Severity.INFO
    assert bad(given) == set()


def test_new_namespace_of_protected_host() -> None:
    """
    A pod with the kernel's defaults is unprotected on a protected host: KA001 and KA008.
    """
    given = context(linux(7200, 75, 9), AZURE, netns="pod", host=linux())
    assert set(found(given)) == {"KA001", "KA008"}
    assert found(given)["KA001"].netns == "pod"


def test_like_host() -> None:
    """
    KA008 does not apply to the host, to a namespace with equal settings, and to unknown settings.
    """
    assert "KA008" not in found(context(linux(60)))
    assert "KA008" not in found(context(linux(60), netns="web", host=linux(60)))
    assert "KA008" not in found(context(linux(None), netns="web", host=linux()))
    assert "KA008" not in found(context(linux(60), netns="web", host=linux(None)))


def test_stale_timers() -> None:
    """
    KA009 and KA015 count connections with a longer keepalive time than the setting, each once. Only
    those too late for their path are a warning.
    """
    given = context(linux(), AZURE, stale_timers=StaleTimers(late=3, harmless=1))
    findings = found(given)
    assert findings["KA009"].problem.startswith("At least 3 open connections have ")
    assert findings["KA015"].problem.startswith("At least 1 open connection has ")
    for each in ("KA009", "KA015"):
        assert " 120 s " in findings[each].problem
        assert "TCP_KEEPIDLE" in findings[each].problem
    assert "too late" in findings["KA009"].problem
    assert "too late" not in findings["KA015"].problem
    assert findings["KA009"].severity is Severity.WARNING
    assert findings["KA015"].severity is Severity.INFO
    assert bad(given) == {"KA009"}


def test_no_stale_timers() -> None:
    """
    Without such connections there are no findings.
    """
    assert found(context(linux(), AZURE)) == {}


@pytest.mark.parametrize(
    ("retries", "hang"),
    [
        (None, None),
        (-1, None),
        (0, None),
        (8, None),
        (9, None),
        (10, "324.6 s (5 minutes)"),
        (15, "924.6 s (15 minutes)"),
        (255, "29724.6 s (495 minutes)"),
    ],
)
def test_long_hang(retries: int | None, hang: str | None) -> None:
    """
    KA010 has the time for which data is retransmitted; RFC 1122's 100 s take 8 retries.
    """
    finding = found(context(linux(retries=retries), AZURE)).get("KA010")
    if hang is None:
        assert finding is None
        return
    assert finding is not None
    assert f"tcp_retries2 at {retries}," in finding.problem
    assert f"at least {hang}" in finding.problem
    assert "net.ipv4.tcp_retries2 = 8 (102.2 s)" in finding.remedy
    assert finding.severity is Severity.INFO


def test_long_hang_is_linux() -> None:
    """
    KA010 does not apply to Windows, where TcpMaxDataRetransmissions counts differently.
    """
    assert "KA010" not in found(context(windows(retransmissions=15)))
