"""
`probe` finds the timeout of a path, whatever the path does, or says why it cannot.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.e2e.exporter_inside import table
from tests.e2e.idle_timeouts import NATS, OTHERS, UNREACHABLE, Scenario
from tests.e2e.probing import Measured, Probed
from tests.lab import LAB_MARKS

pytestmark = LAB_MARKS

SCENARIOS = [*NATS, *OTHERS, *UNREACHABLE]
START = 20.0
"""Seconds in which the command starts and connects, when all start at once."""
JIFFIES = 0.02
"""Seconds by which the NAT's clock and ours may differ about an idle time."""

Runs = dict[Scenario, Future[Probed]]


@pytest.fixture(scope="module")
def runs() -> Iterator[Runs]:
    """
    Every scenario in a lab of its own, all at once.
    """
    with ThreadPoolExecutor(len(SCENARIOS)) as pool:
        yield {scenario: pool.submit(scenario.measure) for scenario in SCENARIOS}


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
            f"{runs[scenario].result().seconds:.0f} s",
            found.error or found.words,
        )
        for scenario in SCENARIOS
        for found in runs[scenario].result().servers
    ]
    with capsys.disabled():
        print(f"\n{table(('truth', 'path', 'found', '', 'took', 'in words'), rows)}")
    for scenario in (*NATS, *OTHERS):
        for found in runs[scenario].result().servers:
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
        servers = runs[scenario].result().servers
        assert all(encloses(found, scenario.timeout) for found in servers), servers

    def test_narrow_or_why_not(self, runs: Runs, scenario: Scenario) -> None:
        """
        The bounds are as narrow as asked for, or it is said why they cannot be.
        """
        run = runs[scenario].result()
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
        run = runs[scenario].result()
        assert run.seconds < run.announced + START


@pytest.mark.parametrize("scenario", UNREACHABLE, ids=str)
def test_unreachable(runs: Runs, scenario: Scenario) -> None:
    """
    A server that cannot be connected to ends the command with exit code 2, and is named.
    """
    run = runs[scenario].result()
    assert run.code == scenario.code == 2
    assert [found.error for found in run.servers] == [scenario.words]


def test_interrupted_at_once(runs: Runs) -> None:
    """
    Ctrl-C does not wait for what is still idle.
    """
    (scenario,) = (each for each in OTHERS if each.name == "interrupted")
    run = runs[scenario].result()
    assert run.announced > 1200
    assert run.seconds < 60
    assert run.servers[0].survived >= 1
