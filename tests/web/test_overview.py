"""
What the landing page says of the host.
"""

import re
from dataclasses import replace

import pytest

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
from exporter.web.overview import Overview, State, overview
from tests.golden import CLOSURES, CONFIG, SNAPSHOT
from tests.snapshots import full_snapshot, no_closures
from tests.web.conftest import Latest, client_of

HOST = replace(full_snapshot(), findings=())
FINDING = Finding("KA001", Severity.CRITICAL, "host", "Late", "It is <late>.", "Hurry & run.")


def seen(
    snapshot: Snapshot | None, closures: ClosureReading | None = None, now: float = 1
) -> Overview:
    """
    The overview, by the default configuration.
    """
    return overview(snapshot, closures, Config(), now)


def with_connections(protection: Protection, state: IdleState, number: int) -> Snapshot:
    """
    A snapshot with so many connections like this on the first path.
    """
    snapshot = replace(full_snapshot(), findings=())
    assert snapshot.sockets is not None
    snapshot.sockets.connections.paths["azure-outbound"].connections[protection, state] = number
    return snapshot


def test_good() -> None:
    """Without findings and connections in danger, all is well."""
    host = seen(HOST, no_closures())
    assert (host.state, host.sentences, host.findings) == (State.GOOD, (), ())
    assert (host.at_risk, host.stalled, host.idle_drops) == (0, 0, 0)


def test_not_ready() -> None:
    """Before the first sample nothing is known, and nothing is called well."""
    host = seen(None, None)
    assert (host.state, host.sentences) == (State.UNKNOWN, ("The first sample is not there yet.",))
    assert (host.connections, host.at_risk, host.idle_drops) == (None, None, None)


@pytest.mark.parametrize(
    ("protection", "state", "number", "sentence"),
    [
        (Protection.NONE, IdleState.NEAR_LIMIT, 1, "1 connection is at risk."),
        (Protection.LATE, IdleState.OVER_LIMIT, 1234, "1,234 connections are at risk."),
        (Protection.OWN, IdleState.STALLED, 1, "1 connection hangs right now."),
        (Protection.PEER, IdleState.STALLED, 2, "2 connections hang right now."),
    ],
)
def test_in_danger(protection: Protection, state: IdleState, number: int, sentence: str) -> None:
    """Connections at risk and stalled ones are counted, by path too."""
    host = seen(with_connections(protection, state, number))
    assert (host.state, host.sentences) == (State.BAD, (sentence,))
    first, second = host.paths
    assert first.connections == number
    assert {first.at_risk, first.stalled} == {0, number}
    assert (second.connections, second.at_risk, second.stalled) == (0, 0, 0)


def test_not_in_danger() -> None:
    """Those that are protected, or far from the limit, are not."""
    assert seen(with_connections(Protection.OWN, IdleState.OVER_LIMIT, 9)).state is State.GOOD
    assert seen(with_connections(Protection.NONE, IdleState.ACTIVE, 9)).state is State.GOOD


@pytest.mark.parametrize(
    ("severity", "state"),
    [
        (Severity.CRITICAL, State.BAD),
        (Severity.WARNING, State.DOUBTFUL),
        (Severity.INFO, State.GOOD),
    ],
)
def test_findings(severity: Severity, state: State) -> None:
    """Findings are shown unless nothing need be done about them."""
    finding = replace(FINDING, severity=severity)
    host = seen(replace(HOST, findings=(finding,)))
    assert host.state is state
    assert host.findings == ((finding,) if state is not State.GOOD else ())


def test_many_findings() -> None:
    """Of hundreds of findings some are shown, and the others counted."""
    many = tuple(replace(FINDING, netns=f"n{number}") for number in range(300))
    host = seen(replace(HOST, findings=many))
    assert len(host.findings) + host.more_findings == 300
    assert len(host.findings) == 10


def test_idle_drops() -> None:
    """Connections that died of idling are told of, by path."""
    host = overview(SNAPSHOT, CLOSURES, CONFIG, 0)
    assert [row.idle_drops for row in host.paths] == [36, 36, 36]
    assert host.idle_drops == 108
    assert "108 connections have died of idling since the exporter started." in host.sentences


def test_failing() -> None:
    """What cannot be read is named, and does not pass for well."""
    broken = {"sockets": CollectorRun(success=False, duration=0.1)}
    host = seen(replace(HOST, runs=HOST.runs | broken))
    assert host.state is State.UNKNOWN
    assert host.sentences == ("The collector sockets fails; the log says why.",)


def test_stale() -> None:
    """What was read too long ago is not shown."""
    host = seen(with_connections(Protection.NONE, IdleState.OVER_LIMIT, 5), now=46)
    assert (host.state, host.sentences) == (State.UNKNOWN, ("The newest sample is overdue.",))
    assert (host.connections, host.at_risk) == (None, None)


def test_counts_alone() -> None:
    """Where connections can only be counted, they are."""
    counts = CountsReading({"azure-outbound": 3, "none": 4}, timestamp=0, fresh_until=45)
    host = seen(replace(HOST, sockets=None, counts=counts))
    assert (host.connections, host.at_risk) == (7, None)


async def test_page(latest: Latest) -> None:
    """The page shows it, escaped, and links to the metrics wherever they are."""
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
