"""
The benchmarks do what they say; what they measure is not tested.
"""

import subprocess
import sys
from pathlib import Path

from tests.bench.budgets import BUDGETS, SAMPLE, SS
from tests.bench.idle_connections import crowd
from tests.bench.results_table import Row, render
from tests.lab import Host, requires_lab

PROJECT = Path(__file__).parents[2]


def sockets() -> list[str]:
    """
    The states of the TCP sockets in the thread's namespace, the listening ones aside.
    """
    command = ["ss", "--no-header", "--tcp", "--all", "--numeric"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    states = (line.split()[0] for line in output.splitlines())
    return [state for state in states if state != "LISTEN"]


@requires_lab
def test_a_crowd_is_as_large_as_it_says_and_leaves_nothing_behind() -> None:
    """
    Its sockets can be counted while it is open, and no trace of them afterwards.
    """

    def grown() -> list[list[str]]:
        with crowd(400) as people:
            small = sockets()
            people.grow(600)
            return [small, sockets()]

    with Host() as host:
        assert host.call(grown) == [400 * ["ESTAB"], 600 * ["ESTAB"]]
        assert host.call(sockets) == []


@requires_lab
def test_a_run_prints_every_budget_and_fails_if_strict() -> None:
    """
    One table has them all; with so few sockets some are exceeded, by the fixed cost of a sample.
    """
    command = [sys.executable, "-m", "tests.bench", "--sockets", "400", "--smoke", "--strict"]
    finished = subprocess.run(
        command, cwd=PROJECT, capture_output=True, text=True, timeout=120, check=False
    )
    assert finished.returncode == 1, finished.stderr
    lines = finished.stdout.splitlines()[-len(BUDGETS) :]
    assert all(line.startswith(budget.what) for line, budget in zip(lines, BUDGETS, strict=True))


@requires_lab
def test_a_storm_of_scrapes_does_no_harm() -> None:
    """
    A thousand scrapes over fifty connections, three times: no error, and memory stays flat.
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


def test_the_table_says_which_budgets_are_kept() -> None:
    """
    Some limits are the most that is allowed, others the least; the rows come in the budgets' order.
    """
    lines = render([Row(SS, 4.9), Row(SAMPLE, 1.2, "details")]).splitlines()
    assert [line.split() for line in lines[2:]] == [
        [*SAMPLE.what.split(), "1.20", "x", "<=", "1.2", "x", "ok", "details"],
        [*SS.what.split(), "4.90", "x", ">=", "5", "x", "OVER"],
    ]
