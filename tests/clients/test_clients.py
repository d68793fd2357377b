"""
Real clients and servers behind NATs: what each client observed agrees with what metrics,
`connections`, the log and `check` say.
"""

import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.clients.registry import BUILD, CLIENTS
from tests.clients.results_table import report
from tests.clients.scaled import Result, run
from tests.clients.scenarios import SCALED, SCENARIOS, Event, Scenario
from tests.e2e.servers import PostgreSQL
from tests.lab import LAB_MARKS

pytestmark = [*LAB_MARKS, pytest.mark.timeout(600), pytest.mark.timing]

PARALLEL = 4

Runs = dict[Scenario, "Future[list[Result]]"]


@pytest.fixture(scope="module")
def runs() -> Iterator[Runs]:
    """
    Run the scenarios, some in parallel.
    """
    if not (BUILD / "go_client").exists():
        pytest.skip("needs the clients: make test installs them, as root or with sudo")
    with (
        PostgreSQL.installed() as postgresql,
        tempfile.TemporaryDirectory(prefix="clients-") as directory,
        ThreadPoolExecutor(PARALLEL) as threads,
    ):
        yield {
            scenario: threads.submit(
                run, scenario, SCALED, Path(directory, str(number)), postgresql
            )
            for number, scenario in enumerate(SCENARIOS)
        }


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_agreement(runs: Runs, scenario: Scenario, capsys: pytest.CaptureFixture[str]) -> None:
    """
    All clients agree with what the exporter says. Connections that did not die while they were open
    are never at risk, never counted as idle drops, and no evidence of a timeout.
    """
    results = runs[scenario].result()
    with capsys.disabled():
        print(f"\n{report(scenario, results)}")
    assert len(results) == len(CLIENTS) + 1
    assert {each.client: each.contradictions for each in results if each.contradictions} == {}
    died = sum(each.died for each in results)
    dropped = {reason for each in results for reason in each.drops}
    if scenario.event is Event.BUSY or scenario.nat is None:
        assert died == 0
    if scenario.event is Event.IDLE and not scenario.server_closes:
        assert died > len(results) / 2
        assert ("reset" in dropped) == (scenario.nat == "reset")
    if scenario.event is Event.VANISH:
        assert sum(each.hangs for each in results) > len(results) / 2
