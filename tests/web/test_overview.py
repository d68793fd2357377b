"""
State of the host on the landing page.
"""

import re
from dataclasses import replace

import pytest

from exporter.analysis.report import Verdict
from exporter.config.schema import Config
from exporter.model import (
    ClosureReading,
    CollectorRun,
    CountsReading,
    Finding,
    IdleState,
    Protection,
    Severity,
    Snapshot,
)
from exporter.web.app import WebOptions
from exporter.web.overview import Overview, overview
from tests.analysis.findings import linux
from tests.golden import CLOSURES, CONFIG, SNAPSHOT
from tests.snapshots import full_snapshot, no_closures
from tests.web.conftest import Latest, client_of

HOST = replace(full_snapshot(), findings=())
FINDING = Finding("KA001", Severity.CRITICAL, "host", "Late", "It is <late>.", "Hurry & run.")


def seen(
    snapshot: Snapshot | None, closures: ClosureReading | None = None, now: float = 1
) -> Overview:
    """
    The overview with the default configuration.
    """
    return overview(snapshot, closures, Config(), now)


def with_connections(protection: Protection, idle_state: IdleState, number: int) -> Snapshot:
    """
    A snapshot with number connections of this kind on the first path.
    """
    snapshot = replace(full_snapshot(), findings=())
    assert snapshot.sockets is not None
    snapshot.sockets.connections.paths["azure-outbound"].connections[protection, idle_state] = (
        number
    )
    return snapshot


def test_good() -> None:
    """Without findings and connections at risk, the verdict is all right."""
    host = seen(HOST, no_closures())
    assert (host.verdict, host.sentences, host.findings) == (Verdict.ALL_RIGHT, (), ())
    assert (host.at_risk, host.hanging, host.idle_drops) == (0, 0, 0)


def test_not_ready() -> None:
    """Before the first sample, the verdict and all counts are unknown."""
    host = seen(None, None)
    assert host.verdict is Verdict.UNKNOWN
    assert "first sample" in "".join(host.sentences)
    assert (host.connections, host.at_risk, host.idle_drops) == (None, None, None)


@pytest.mark.parametrize(
    ("protection", "idle_state", "number", "sentence"),
    [
        (Protection.NONE, IdleState.NEAR_LIMIT, 1, "1 connection is at risk."),
        (Protection.LATE, IdleState.OVER_LIMIT, 1234, "1,234 connections are at risk."),
        (Protection.OWN, IdleState.STALLED, 1, "1 connection hangs: nothing is answered."),
        (Protection.PEER, IdleState.UNANSWERED, 2, "2 connections hang: nothing is answered."),
    ],
)
def test_problems(
    protection: Protection, idle_state: IdleState, number: int, sentence: str
) -> None:
    """Connections that are at risk or hang are counted, in total and by path."""
    host = seen(with_connections(protection, idle_state, number))
    assert (host.verdict, host.sentences) == (Verdict.AT_RISK, (sentence,))
    first, second = host.paths
    assert first.connections == number
    assert {first.at_risk, first.hanging} == {0, number}
    assert (second.connections, second.at_risk, second.hanging) == (0, 0, 0)


def test_no_problems() -> None:
    """Protected connections, and those far from the limit, are not at risk."""
    assert (
        seen(with_connections(Protection.OWN, IdleState.OVER_LIMIT, 9)).verdict is Verdict.ALL_RIGHT
    )
    assert seen(with_connections(Protection.NONE, IdleState.ACTIVE, 9)).verdict is Verdict.ALL_RIGHT


@pytest.mark.parametrize(
    ("severity", "verdict"),
    [
        (Severity.CRITICAL, Verdict.AT_RISK),
        (Severity.WARNING, Verdict.DOUBTFUL),
        (Severity.INFO, Verdict.ALL_RIGHT),
    ],
)
def test_findings(severity: Severity, verdict: Verdict) -> None:
    """Findings are shown unless their severity is info."""
    finding = replace(FINDING, severity=severity)
    host = seen(replace(HOST, findings=(finding,)))
    assert host.verdict is verdict
    shown = tuple(group.finding for group in host.findings)
    assert shown == ((finding,) if verdict is not Verdict.ALL_RIGHT else ())


def test_many_findings() -> None:
    """Out of hundreds of different findings, some are shown and the others are counted."""
    many = tuple(replace(FINDING, problem=f"Number {number}.") for number in range(300))
    host = seen(replace(HOST, findings=many))
    assert len(host.findings) + host.more_findings == 300
    assert len(host.findings) == 10


def many_namespaces(severity: Severity) -> Snapshot:
    """
    A host and 109 namespaces with equal settings and findings.
    """
    names = [f"shop/web-{number}" for number in range(109)]
    settings = HOST.settings | dict.fromkeys(names, linux(7200))
    findings = tuple(replace(FINDING, netns=netns, severity=severity) for netns in names)
    return replace(HOST, settings=settings, findings=findings)


def test_equal_findings() -> None:
    """Equal findings and settings of many namespaces are shown once, with all names."""
    host = seen(many_namespaces(Severity.CRITICAL))
    (finding,) = host.findings
    first, second = host.settings
    assert len(finding.netns) == len(first.netns) == 109
    assert (first.verdict, second.netns) == (Verdict.AT_RISK, ("host",))
    assert (host.more_findings, host.more_settings) == (0, 0)


def test_settings_without_warnings() -> None:
    """Namespaces with findings of severity info alone come after the host."""
    host = seen(many_namespaces(Severity.INFO))
    assert [len(group.netns) for group in host.settings] == [1, 109]
    assert host.verdict is Verdict.ALL_RIGHT


def test_idle_drops() -> None:
    """Idle drops are counted, in total and by path."""
    host = overview(SNAPSHOT, CLOSURES, CONFIG, 0)
    assert [row.idle_drops for row in host.paths] == [39, 39, 39]
    assert host.idle_drops == 117
    assert any(sentence.startswith("117 idle drops ") for sentence in host.sentences)


def test_failing() -> None:
    """A failed collector is named, and the verdict is unknown."""
    broken = {"sockets": CollectorRun(success=False, duration=0.1)}
    host = seen(replace(HOST, runs=HOST.runs | broken))
    assert host.verdict is Verdict.UNKNOWN
    (sentence,) = host.sentences
    assert "sockets collector failed" in sentence


def test_stale() -> None:
    """An overdue sample is reported, and its values are not shown."""
    host = seen(with_connections(Protection.NONE, IdleState.OVER_LIMIT, 5), now=46)
    (sentence,) = host.sentences
    assert "overdue" in sentence
    assert host.verdict is Verdict.UNKNOWN
    assert (host.connections, host.at_risk) == (None, None)


def test_counts_alone() -> None:
    """On platforms that only count connections, the total is shown."""
    counts = CountsReading({"azure-outbound": 3, "none": 4}, timestamp=0, fresh_until=45)
    host = seen(replace(HOST, sockets=None, counts=counts))
    assert (host.connections, host.at_risk) == (7, None)


@pytest.mark.system
async def test_page(latest: Latest) -> None:
    """The page has escaped findings and a link to the telemetry path."""
    assert latest.snapshot is not None
    latest.snapshot = replace(latest.snapshot, findings=(FINDING,))
    options = WebOptions(telemetry_path="/metrics-here")
    async with client_of(latest.app(options)) as client, client.get("/") as response:
        page = await response.text()
    assert re.search(r"<code>KA001</code> host: Late", page)
    assert "It is &lt;late&gt;." in page
    assert "Hurry &amp; run." in page
    assert 'href="/metrics-here"' in page
    assert "30m" in page  # the host's keepalive time, 1800 s


@pytest.mark.system
async def test_page_of_many_namespaces(latest: Latest) -> None:
    """The page lists the names of a group once each, in elements that can be expanded."""
    latest.snapshot = many_namespaces(Severity.CRITICAL)
    async with client_of(latest.app(WebOptions())) as client, client.get("/") as response:
        page = await response.text()
    assert re.search(r"<code>KA001</code> 109 network namespaces: Late", page)
    assert "For shop/web-0, shop/web-1, shop/web-2 and 106 more: Hurry" in page
    assert page.count("<summary>109 network namespaces</summary>") == 2
    assert page.count("shop/web-108") == 2
    assert page.count('class="bad">not azure-outbound') == 1
