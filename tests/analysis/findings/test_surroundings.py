"""
Findings about other namespaces, open connections and data in flight.
"""

import pytest

from exporter.model import Severity, StaleTimers
from tests.analysis.findings import (
    AZURE,
    bad,
    facts,
    found,
    linux,
    windows,
)


def test_unlike_host() -> None:
    """
    KA008 says in what a namespace differs from the host, and is no warning by itself.
    """
    given = facts(linux(60, 30, 9), AZURE, netns="web", host=linux())
    finding = found(given)["KA008"]
    assert finding.problem == (
        "The namespace has settings of its own: time 60 s (host 120 s) and probes 9 (host 8)."
    )
    assert finding.severity is Severity.INFO
    assert bad(given) == set()


def test_new_namespace_below_a_right_host() -> None:
    """
    A pod at the kernel's defaults is unprotected, whatever the host has, and both are said.
    """
    given = facts(linux(7200, 75, 9), AZURE, netns="pod", host=linux())
    assert set(found(given)) == {"KA001", "KA008"}
    assert found(given)["KA001"].netns == "pod"


def test_like_host() -> None:
    """
    Neither the host itself nor a namespace like it differs, nor does what is not known.
    """
    assert "KA008" not in found(facts(linux(60)))
    assert "KA008" not in found(facts(linux(60), netns="web", host=linux(60)))
    assert "KA008" not in found(facts(linux(None), netns="web", host=linux()))
    assert "KA008" not in found(facts(linux(60), netns="web", host=linux(None)))


def test_stale_timers() -> None:
    """
    KA009 and KA015 count connections whose timers are older than the setting, each once, and only
    those too late for their path are a warning.
    """
    given = facts(linux(), AZURE, stale_timers=StaleTimers(late=3, harmless=1))
    findings = found(given)
    cause = (
        "a keepalive time of more than the 120 s now set: opened before the change, or by an"
        " application that sets TCP_KEEPIDLE itself."
    )
    assert findings["KA009"].problem == (
        f"At least 3 open connections have {cause} The first probe comes too late for the path."
    )
    assert findings["KA015"].problem == (
        f"At least 1 open connection has {cause} No path would end them."
    )
    assert findings["KA009"].severity is Severity.WARNING
    assert findings["KA015"].severity is Severity.INFO
    assert bad(given) == {"KA009"}


def test_no_stale_timers() -> None:
    """
    Without such connections there is nothing to say.
    """
    assert found(facts(linux(), AZURE)) == {}


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
    KA010 says how long data is retransmitted; RFC 1122's 100 s take 8 retries.
    """
    finding = found(facts(linux(retries=retries), AZURE)).get("KA010")
    if hang is None:
        assert finding is None
        return
    assert finding is not None
    assert finding.problem == (
        f"With tcp_retries2 at {retries}, data on a dead connection is sent again for at least"
        f" {hang} before the application is told. Keepalive does not help while data is unanswered."
    )
    assert "net.ipv4.tcp_retries2 = 8 (102.2 s)" in finding.remedy
    assert finding.severity is Severity.INFO


def test_long_hang_is_linux() -> None:
    """
    TcpMaxDataRetransmissions is counted otherwise.
    """
    assert "KA010" not in found(facts(windows(retransmissions=15)))
