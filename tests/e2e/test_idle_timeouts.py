"""
The timeout of a path, measured by `probe` and observed by the exporter, against the truth.
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

pytestmark = LAB_MARKS

START = 20.0
OBSERVED: list[tuple[OnTimeout, int, int]] = [("drop", 30, 0), ("reset", 5, 1)]
"""What the NAT does, the timeout that is configured, and the loss in percent."""


@dataclass(frozen=True)
class Runs:
    """
    Everything, each in a lab of its own, all at once.
    """

    observed: dict[tuple[OnTimeout, int, int], Future[Observed]]
    probed: dict[Scenario, Future[Probed]]


@pytest.fixture(scope="module")
def runs() -> Iterator[Runs]:
    """
    All that runs side by side, once the exporters have begun to watch.
    """
    with ThreadPoolExecutor(len(TESTED) + len(OBSERVED)) as pool:
        begun = {case: Event() for case in OBSERVED}
        observed = {case: pool.submit(observe, begun[case], *case) for case in OBSERVED}
        for each in begun.values():
            each.wait(START)
        yield Runs(observed, {scenario: pool.submit(scenario.measure) for scenario in TESTED})


def test_table(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Truth against result, printed.
    """
    measured = [(scenario, run.result()) for scenario, run in runs.probed.items()]
    with capsys.disabled():
        print(f"\n{show(measured)}")
    assert all(run.servers for _, run in measured)


@pytest.mark.parametrize("scenario", TESTED, ids=str)
def test_scenario(runs: Runs, scenario: Scenario) -> None:
    """
    The truth lies between the bounds, they are as narrow as asked for or it is said why not, and it
    takes no longer than was announced.
    """
    assert not [*scenario.faults(runs.probed[scenario].result())]


def test_interrupted_at_once(runs: Runs) -> None:
    """
    Ctrl-C does not wait for what is still idle.
    """
    run = runs.probed[INTERRUPTED].result()
    assert run.announced > 1200
    assert run.seconds < 60
    assert run.servers[0].survived >= 1


def test_resets_of_servers_are_not_tried_again(runs: Runs) -> None:
    """
    One round is enough where the server resets all clients: another would tell the same.
    """
    servers = runs.probed[RESETTING].result().servers
    assert [len(found.document["connections"]) for found in servers] == [6, 6]


def test_servers_by_themselves(runs: Runs) -> None:
    """
    Real servers that close their clients, or probe them: what is still known, and why not more.
    """
    servers = runs.probed[REAL[1]].result().servers
    assert all(3 <= found.survived < 8 for found in servers), servers
    *closing, probing = (found.words for found in servers)
    assert len(closing) == 4
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
