"""
Verdicts on hours of simulated connections, compared with the truth.

The options and the traffic of both ends are random. e2e/test_truth.py does the same on the real
kernel, for a minute and with timeouts of a few seconds.
"""

from random import Random

import numpy as np
import pytest

from exporter.analysis.history import History
from exporter.analysis.observation import since_last_segment
from exporter.analysis.verdicts import evaluate
from exporter.model import IdleState, Protection
from tests.analysis.rows import observed, remembered, table
from tests.analysis.truth.judgement import Truth, Verdict, Watch, truth_of
from tests.analysis.truth.simulation import Scenario
from tests.analysis.truth.truth_report import Report

TIMEOUTS_LONG = 60
"""Duration of the simulation, in timeouts."""
READ_ERROR = 0.004


@pytest.mark.parametrize("changing", [False, True], ids=["fixed options", "changing options"])
@pytest.mark.parametrize(
    ("interval", "timeout"),
    [
        pytest.param(15, 240, id="Azure"),
        pytest.param(15, 350, id="AWS"),
        pytest.param(60, 600, id="GCP, sampled every minute"),
        pytest.param(0.5, 5, id="laboratory"),
    ],
)
@pytest.mark.parametrize(
    ("seed", "number"),
    [
        pytest.param(1, 150, marks=pytest.mark.slow),
        pytest.param(2, 150, marks=pytest.mark.slow),
        (3, 15),
    ],
)
def test_verdicts(
    seed: int, number: int, interval: float, timeout: float, *, changing: bool
) -> None:
    """Verdicts never contradict the truth, except where samples cannot determine it."""
    report = Report()
    rng = Random(seed)
    scenario = Scenario(
        rng, timeout, began=1000, seconds=TIMEOUTS_LONG * timeout, changing=changing
    )
    for _ in range(number):
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
        verdicts = evaluate(sample, known, np.full(len(sample), timeout), 0.75)

        true_idle = now - np.array([connection.last_segment_at for connection in connections])
        assert (since_last_segment(known) >= true_idle - 0.15).all()
        assert (since_last_segment(known) <= true_idle + 1.01 * interval + 0.15).all()
        for connection, watch, *verdict in zip(
            connections, watches, verdicts.protection, verdicts.idle_state, strict=True
        ):
            truth = Truth.MOVING if connection.is_moving else truth_of(connection, now, timeout)
            protection, state = verdict
            report.add(watch, now, truth, Verdict(Protection(protection), IdleState(state)))
        now += interval * rng.uniform(1, 1.005)
    print(report)
    assert not report.faults, report.faults
