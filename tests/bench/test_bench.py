"""
The benchmarks run and print their tables. Their measurements are not tested.
"""

import subprocess
import sys
from pathlib import Path

from tests.bench.budgets import BUDGETS, SAMPLE, SS
from tests.bench.idle_connections import idle_connections
from tests.bench.results_table import Row, render
from tests.lab import Host, requires_lab

PROJECT = Path(__file__).parents[2]


def sockets() -> list[str]:
    """
    The states of the TCP sockets in the thread's namespace, without listeners.
    """
    command = ["ss", "--no-header", "--tcp", "--all", "--numeric"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    states = (line.split()[0] for line in output.splitlines())
    return [state for state in states if state != "LISTEN"]


@requires_lab
def test_idle_connections_have_the_requested_number_and_are_removed() -> None:
    """
    The sockets are counted while open. None is left afterwards, not even in TIME_WAIT.
    """

    def grown() -> list[list[str]]:
        with idle_connections(400) as load:
            small = sockets()
            load.grow(600)
            return [small, sockets()]

    with Host() as host:
        assert host.call(grown) == [400 * ["ESTAB"], 600 * ["ESTAB"]]
        assert host.call(sockets) == []


@requires_lab
def test_a_run_prints_every_budget_and_fails_if_strict() -> None:
    """
    One table has all budgets. With few sockets, the fixed cost of a sample exceeds some of them.
    """
    command = [sys.executable, "-m", "tests.bench", "--sockets", "400", "--smoke", "--strict"]
    finished = subprocess.run(
        command, cwd=PROJECT, capture_output=True, text=True, timeout=120, check=False
    )
    assert finished.returncode == 1, finished.stderr
    lines = finished.stdout.splitlines()[-len(BUDGETS) :]
    assert all(line.startswith(budget.what) for line, budget in zip(lines, BUDGETS, strict=True))


@requires_lab
def test_a_storm_of_scrapes_causes_no_errors() -> None:
    """
    A thousand scrapes over fifty connections, three times: no errors, and memory does not grow.
    """
    command = [sys.executable, "-m", "tests.bench.storm", "--sockets=2000", "--scrapes=1000"]
    finished = subprocess.run(
        [*command, "--strict"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert finished.stdout.count("\n") == 5


def test_the_table_marks_exceeded_budgets() -> None:
    """
    Maximums and minimums are both checked. The rows are in the order of the budgets.
    """
    lines = render([Row(SS, 4.9), Row(SAMPLE, 1.2, "details")]).splitlines()
    assert [line.split() for line in lines[2:]] == [
        [*SAMPLE.what.split(), "1.20", "x", "<=", "1.2", "x", "ok", "details"],
        [*SS.what.split(), "4.90", "x", ">=", "5", "x", "OVER"],
    ]
