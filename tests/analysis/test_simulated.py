"""
Verdicts on hours of simulated connections, each held against what is true of it.

The options and the traffic of both ends are random. e2e/test_truth.py does the same on the real
kernel, for a minute and with timeouts of a few seconds.
"""

from random import Random

import numpy as np
import pytest

from exporter.analysis.history import History
from exporter.analysis.observation import idle
from exporter.analysis.verdicts import judge
from exporter.model import IdleState, Protection
from tests.analysis.rows import observed, remembered, table
from tests.analysis.truth.judgement import (
    Truth,
    Verdict,
    Watch,
    truth_of,
)
from tests.analysis.truth.simulation import Scenario
from tests.analysis.truth.truth_report import Report

CONNECTIONS = 150
TIMEOUTS_LONG = 60
"""For how many timeouts the connections are watched."""
READ_ERROR = 0.004


@pytest.mark.parametrize("changing", [False, True], ids=["fixed options", "changing options"])
@pytest.mark.parametrize(
    ("interval", "timeout"),
    [
        pytest.param(15, 240, id="Azure"),
        pytest.param(15, 350, id="AWS"),
        pytest.param(60, 600, id="GCP, sampled each minute"),
        pytest.param(0.5, 5, id="a laboratory"),
    ],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_verdicts(seed: int, interval: float, timeout: float, *, changing: bool) -> None:
    """Nothing protected is called at risk, and nothing at risk protected, that samples can tell."""
    report = Report()
    rng = Random(seed)
    scenario = Scenario(
        rng, timeout, began=1000, seconds=TIMEOUTS_LONG * timeout, changing=changing
    )
    for _ in range(CONNECTIONS):
        scenario.add()
    connections = scenario.connections
    now = scenario.began + rng.random() * interval
    watches = [Watch(connection, timeout, interval) for connection in connections]
    history = History()
    while now < scenario.began + scenario.seconds:
        rows = []
        for cookie, connection in enumerate(connections, 1):
            connection.run_until(now)
            read_at = now + rng.uniform(-READ_ERROR, READ_ERROR)
            rows.append(connection.row() | {"cookie": cookie, "read_at": read_at})
        sample = table(rows)
        known = observed(sample, history)
        history = remembered(known)
        verdicts = judge(sample, known, np.full(len(sample), timeout), 0.75)

        true_idle = now - np.array([connection.last_segment_at for connection in connections])
        assert (idle(known) >= true_idle - 0.15).all()
        assert (idle(known) <= true_idle + 1.01 * interval + 0.15).all()
        for connection, watch, *verdict in zip(
            connections, watches, verdicts.protection, verdicts.idle_state, strict=True
        ):
            truth = Truth.MOVING if connection.is_moving else truth_of(connection, now, timeout)
            protection, state = verdict
            report.add(watch, now, truth, Verdict(Protection(protection), IdleState(state)))
        now += interval * rng.uniform(1, 1.005)
    print(report)
    assert not report.faults, report.faults
