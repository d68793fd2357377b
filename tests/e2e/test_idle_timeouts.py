"""
The timeout of a path, measured by `probe` and observed by the exporter, with a known timeout.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event

import pytest

from tests.e2e.idle_timeouts import (
    INTERRUPTED,
    JIFFIES,
    REAL,
    RESETTING,
    TESTED,
    Scenario,
    show,
)
from tests.e2e.observing import TIMEOUT, Observed, observe
from tests.e2e.probing import Probed
from tests.lab import LAB_MARKS, OnTimeout

pytestmark = [*LAB_MARKS, pytest.mark.timeout(300)]

START = 20.0
OBSERVED: list[tuple[OnTimeout, int, int]] = [("drop", 30, 0), ("reset", 5, 1)]
"""The NAT's reaction at the timeout, the configured timeout in seconds, and the loss in percent."""


@dataclass(frozen=True)
class Runs:
    """
    All runs, each in its own lab, all in parallel.
    """

    observed: dict[tuple[OnTimeout, int, int], Future[Observed]]
    probed: dict[Scenario, Future[Probed]]


@pytest.fixture(scope="module")
def runs() -> Iterator[Runs]:
    """
    Start all runs: the probes after the exporters are ready.
    """
    with ThreadPoolExecutor(len(TESTED) + len(OBSERVED)) as pool:
        ready = {case: Event() for case in OBSERVED}
        observed = {case: pool.submit(observe, ready[case], *case) for case in OBSERVED}
        for each in ready.values():
            each.wait(START)
        yield Runs(observed, {scenario: pool.submit(scenario.measure) for scenario in TESTED})


def test_table(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Print the table of known timeouts and results.
    """
    measured = [(scenario, run.result()) for scenario, run in runs.probed.items()]
    with capsys.disabled():
        print(f"\n{show(measured)}")
    assert all(run.servers for _, run in measured)


@pytest.mark.parametrize("scenario", TESTED, ids=str)
def test_scenario(runs: Runs, scenario: Scenario) -> None:
    """
    The timeout is between the bounds, which are as narrow as requested or explained, and the run
    takes at most the announced duration.
    """
    assert not [*scenario.faults(runs.probed[scenario].result())]


def test_interrupted_at_once(runs: Runs) -> None:
    """
    Ctrl-C does not wait for connections that are still idle.
    """
    run = runs.probed[INTERRUPTED].result()
    assert run.announced > 1200
    assert run.seconds < 60
    assert run.servers[0].survived >= 1


def test_resets_of_servers_need_one_round(runs: Runs) -> None:
    """
    If the server resets all clients, there is only one round: another would give the same result.
    """
    servers = runs.probed[RESETTING].result().servers
    assert [len(found.document["connections"]) for found in servers] == [6, 6]


def test_servers_that_close_or_probe(runs: Runs) -> None:
    """
    Real servers that close or probe their clients: the lower bound, and the reason for no upper
    one.
    """
    servers = runs.probed[REAL[1]].result().servers
    assert all(3 <= found.survived < 8 for found in servers), servers
    *closing, probing = (found.outcomes for found in servers)
    assert len(closing) == 4
    assert all("closed" in outcomes for outcomes in closing)
    assert "spoke" in probing


@pytest.mark.parametrize("case", OBSERVED, ids=str)
class TestObserved:
    """
    The exporter's bounds during ordinary traffic.
    """

    def test_never_wrong(self, runs: Runs, case: tuple[OnTimeout, int, int]) -> None:
        """
        The actual timeout is always between the bounds.
        """
        observed = runs.observed[case].result()
        for survived, fatal in observed.bounds:
            assert survived is None or survived <= TIMEOUT + JIFFIES
            assert fatal is None or fatal >= TIMEOUT - JIFFIES

    def test_near(self, runs: Runs, case: tuple[OnTimeout, int, int]) -> None:
        """
        Within two minutes both bounds are within a fifth of it.
        """
        observed = runs.observed[case].result()
        print(f"{case}: {observed.bounds[-1]}, near after {observed.seconds} s")
        assert observed.seconds is not None, observed.bounds

    def test_finding(self, runs: Runs, case: tuple[OnTimeout, int, int]) -> None:
        """
        A timeout that is configured too long or too short leads to one finding.
        """
        _, configured, _ = case
        finding = "KA016" if configured > TIMEOUT else "KA017"
        findings = runs.observed[case].result().findings
        assert findings & {"KA016", "KA017", "KA019"} == {finding}
