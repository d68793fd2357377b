"""
Idle times to try, and the correctness of the resulting bounds.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.probe.inference import Bounds
from exporter.probe.plan import Plan, PlanError
from tests.probe.outcomes import PLAN, measurement
from tests.probe.simulation import Simulation


def test_first_round() -> None:
    """
    The first round has equal steps and always includes the longest time.
    """
    assert PLAN.first == tuple(range(30, 601, 15))
    assert Plan(10, 25, 10, 5).first == (10, 20, 25)


def test_pairs() -> None:
    """
    If no further round is needed, each time is tried twice.
    """
    assert Plan(10, 20, 5, 6).first == (10, 10, 15, 15, 20, 20)
    assert Plan(10, 20, 5, 5).first == (10, 15, 20), "bounds are further apart than the times"


def test_refining() -> None:
    """
    A second round divides the bounds of the first one, in pairs, including the upper bound.
    """
    assert PLAN.refine(Bounds(survived=228, fatal=252)) == (
        *(232, 232, 236, 236, 240, 240),
        *(244, 244, 248, 248, 252, 252),
    )
    assert PLAN.refine(Bounds(survived=235, fatal=240)) == ()
    assert PLAN.refine(Bounds(survived=235, fatal=240.2)) == (237.6, 237.6, 240.2, 240.2)


def test_below_the_shortest() -> None:
    """
    If the shortest time is fatal, shorter ones follow, down to one second.
    """
    assert min(PLAN.refine(Bounds(fatal=44))) == 4.4
    assert min(Plan(2, 20, 2, 1).refine(Bounds(fatal=1.7))) == 1
    assert Plan(2, 20, 2, 1).refine(Bounds(fatal=1.4)) == (), "no shorter time is allowed"


def test_suspicion() -> None:
    """
    The next round tries the idle time of a single drop again.
    """
    assert PLAN.refine(Bounds(survived=585, suspected=600.2))[-2:] == (600.2, 600.2)


def test_again() -> None:
    """
    Without an upper bound, the times that were not survived are tried again.
    """
    assert PLAN.refine(Bounds(survived=570)) == (585, 600)
    assert PLAN.refine(Bounds(survived=600)) == ()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.5, 600, 15, 5), r"shortest idle time .*0\.5s.* at least 1s"),
        ((30, 600, 0.1, 5), r"step .*0\.1s.* at least 1s"),
        ((30, 600, 15, 0.9), r"resolution .*0\.9s.* at least 1s"),
        ((30, 30, 15, 5), r"longest idle time .*30s.* shortest idle time .*30s"),
    ],
)
def test_invalid(arguments: tuple[float, float, float, float], message: str) -> None:
    """
    Invalid plans are rejected with the reason.
    """
    with pytest.raises(PlanError, match=message):
        Plan(*arguments)


def test_default() -> None:
    """
    The defaults find Azure's timeout with 40 connections in two rounds.
    """
    simulation = Simulation(measurement(), timeout=240.1)
    found = simulation.run()
    assert found.survived < 240.1 < (found.fatal or 0)
    assert found.width <= 5
    assert (PLAN.connections, simulation.found.round) == (40, 2)
    assert 1200 < PLAN.seconds < 1260


@settings(deadline=None)
@given(
    shortest=st.integers(1, 60),
    span=st.integers(1, 600),
    step=st.integers(1, 60),
    resolution=st.integers(1, 20),
    timeout=st.floats(1.01, 700),
    bad_luck=st.floats(0, 700),
)
def test_truth_is_found(
    *, shortest: int, span: int, step: int, resolution: int, timeout: float, bad_luck: float
) -> None:
    """
    For any plan, the bounds enclose the timeout, and the announced duration is sufficient. The
    bounds meet the resolution if no connection is dropped for another reason.
    """
    plan = Plan(shortest, shortest + span, step, resolution)
    unlucky = Simulation(measurement(plan=plan), timeout, bad_luck)
    found = unlucky.run()
    assert found.survived < timeout
    assert found.fatal is None or found.fatal >= timeout
    assert unlucky.seconds <= plan.seconds
    assert plan.is_narrow(Simulation(measurement(plan=plan), timeout).run())
