"""
The timeout of a path, measured by `probe` and observed by the exporter, against the truth.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event

import pytest

from tests.e2e.exporter_inside import table
from tests.e2e.idle_timeouts import NATS, OTHERS, UNREACHABLE, Scenario, real_servers
from tests.e2e.observing import TIMEOUT, Observed, observe
from tests.e2e.probing import Measured, Probed
from tests.e2e.servers import PostgreSQL
from tests.lab import LAB_MARKS, OnTimeout

pytestmark = LAB_MARKS

SCENARIOS = [*NATS, *OTHERS, *UNREACHABLE]
START = 20.0
LATE = 2.0
"""Seconds in which the command says what it has found."""
JIFFIES = 0.02
"""Seconds by which the NAT's clock and ours may differ about an idle time."""
OBSERVED: list[tuple[OnTimeout, int, int]] = [("drop", 30, 0), ("reset", 5, 1)]
"""What the NAT does, the timeout that is configured, and the loss in percent."""


@dataclass(frozen=True)
class Runs:
    """
    Everything, each in a lab of its own, all at once.
    """

    observed: dict[tuple[OnTimeout, int, int], Future[Observed]]
    probed: dict[Scenario, Future[Probed]]
    servers: Future[Probed]
    busy_servers: Future[Probed]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """
    All that runs side by side, once the exporters have begun to watch.
    """
    with PostgreSQL.installed() as postgresql, ThreadPoolExecutor(len(SCENARIOS) + 6) as pool:

        def serve(*, by_themselves: bool) -> Future[Probed]:
            directory = tmp_path_factory.mktemp("servers")
            return pool.submit(real_servers, postgresql, directory, by_themselves=by_themselves)

        begun = {case: Event() for case in OBSERVED}
        observed = {case: pool.submit(observe, begun[case], *case) for case in OBSERVED}
        for each in begun.values():
            each.wait(START)
        yield Runs(
            observed=observed,
            probed={scenario: pool.submit(scenario.measure) for scenario in SCENARIOS},
            servers=serve(by_themselves=False),
            busy_servers=serve(by_themselves=True),
        )


def encloses(found: Measured, timeout: float | None) -> bool:
    """
    Whether the truth lies between the bounds.
    """
    truth = float("inf") if timeout is None else timeout
    return found.survived - JIFFIES <= truth <= found.fatal + JIFFIES


def test_table(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Truth against result, printed; every result encloses the truth.
    """
    rows = [
        (
            "never" if scenario.timeout is None else f"{scenario.timeout:g} s",
            scenario.name,
            found,
            "narrow" if not found.error and found.is_narrow else "",
            f"{runs.probed[scenario].result().seconds:.0f} s",
            found.error or found.words,
        )
        for scenario in SCENARIOS
        for found in runs.probed[scenario].result().servers
    ]
    with capsys.disabled():
        print(f"\n{table(('truth', 'path', 'found', '', 'took', 'in words'), rows)}")
    for scenario in (*NATS, *OTHERS):
        for found in runs.probed[scenario].result().servers:
            assert encloses(found, scenario.timeout), (scenario, found)


@pytest.mark.parametrize("scenario", [*NATS, *OTHERS], ids=lambda each: f"{each.timeout}-{each}")
class TestScenario:
    """
    One path.
    """

    def test_truth(self, runs: Runs, scenario: Scenario) -> None:
        """
        The truth lies between the bounds, over IPv4 and IPv6.
        """
        servers = runs.probed[scenario].result().servers
        assert all(encloses(found, scenario.timeout) for found in servers), servers

    def test_narrow_or_why_not(self, runs: Runs, scenario: Scenario) -> None:
        """
        The bounds are as narrow as asked for, or it is said why they cannot be.
        """
        run = runs.probed[scenario].result()
        for found in run.servers:
            assert scenario.words in found.words
            if scenario.is_narrow is not None:
                assert found.is_narrow is scenario.is_narrow, found.words
            elif not found.is_narrow:
                assert "not known: " in found.words or "asked for: " in found.words
        assert run.code == (0 if all(found.is_narrow for found in run.servers) else 1)

    def test_in_time(self, runs: Runs, scenario: Scenario) -> None:
        """
        It takes no longer than was announced.
        """
        run = runs.probed[scenario].result()
        assert run.seconds < run.announced + LATE


@pytest.mark.parametrize("scenario", UNREACHABLE, ids=str)
def test_unreachable(runs: Runs, scenario: Scenario) -> None:
    """
    A server that cannot be connected to ends the command with exit code 2, and is named.
    """
    run = runs.probed[scenario].result()
    assert run.code == scenario.code == 2
    assert [found.error for found in run.servers] == [scenario.words]


def test_interrupted_at_once(runs: Runs) -> None:
    """
    Ctrl-C does not wait for what is still idle.
    """
    (scenario,) = (each for each in OTHERS if each.name == "interrupted")
    run = runs.probed[scenario].result()
    assert run.announced > 1200
    assert run.seconds < 60
    assert run.servers[0].survived >= 1


class TestServers:
    """
    Real servers, which never hear a word from their clients.
    """

    def test_as_they_come(self, runs: Runs) -> None:
        """
        PostgreSQL, Redis, sshd and nginx stay still for as long as it takes: the NAT is measured.
        """
        run = runs.servers.result()
        assert len(run.servers) == 4
        for found in run.servers:
            assert encloses(found, 8), found
            assert found.is_narrow, found.words

    def test_by_themselves(self, runs: Runs) -> None:
        """
        Servers that close their clients, or probe them, before the NAT forgets them.
        """
        run = runs.busy_servers.result()
        assert run.code == 1
        for found in run.servers:
            assert encloses(found, 30), found
            assert 3 <= found.survived < 8
            assert "by itself" in found.words or "itself sends" in found.words
        *closing, probing = (found.words for found in run.servers)
        assert all("closes idle clients by itself, after " in words for words in closing)
        assert "the server itself sends something, after " in probing


@pytest.mark.parametrize("case", OBSERVED, ids=str)
class TestObserved:
    """
    What the exporter shows while there is ordinary traffic.
    """

    def test_never_wrong(self, runs: Runs, case: tuple[OnTimeout, int, int]) -> None:
        """
        The truth lies between the bounds from the first to the last.
        """
        observed = runs.observed[case].result()
        for survived, fatal in observed.bounds:
            assert survived is None or survived <= TIMEOUT + JIFFIES
            assert fatal is None or fatal >= TIMEOUT - JIFFIES

    def test_near(self, runs: Runs, case: tuple[OnTimeout, int, int]) -> None:
        """
        Within minutes both are within a fifth of it.
        """
        observed = runs.observed[case].result()
        print(f"{case}: {observed.bounds[-1]}, near after {observed.seconds} s")
        assert observed.seconds is not None, observed.bounds

    def test_finding(self, runs: Runs, case: tuple[OnTimeout, int, int]) -> None:
        """
        A timeout that is configured too long, or too short, is found.
        """
        _, configured, _ = case
        finding = "KA016" if configured > TIMEOUT else "KA017"
        findings = runs.observed[case].result().findings
        assert findings & {"KA016", "KA017"} == {finding}
