"""
Bounds that follow from outcomes.
"""

import pytest

from exporter.model import OnTimeout
from exporter.probe.inference import Bounds, OutcomeKind, bounds, is_settled
from tests.probe.outcomes import outcome, outcomes


def test_nothing() -> None:
    """
    Without outcomes there are no bounds.
    """
    assert bounds([]) == Bounds()


def test_between() -> None:
    """
    The bounds are the longest answered idle time and the second shortest unanswered one.
    """
    found = bounds(outcomes(30, 60, 90, dropped=(120, 150, 180)))
    assert (found.survived, found.fatal) == (90, 150)
    assert found.on_timeout is OnTimeout.DROP
    assert not found.mixed


def test_single_drop_proves_nothing() -> None:
    """
    A single connection may be dropped for any reason.
    """
    assert bounds(outcomes(30, dropped=(60,))) == Bounds(survived=30, suspected=60)


def test_outlived_drop_proves_nothing() -> None:
    """
    A drop at an idle time that another connection survived is ignored.
    """
    found = bounds(outcomes(30, 90, dropped=(60, 120, 120.5)))
    assert (found.survived, found.fatal, found.mixed) == (90, 120.5, False)


def test_enclosed() -> None:
    """
    Survived times count with their minimum, fatal times with their maximum.
    """
    found = bounds(
        [
            outcome(OutcomeKind.ANSWERED, 29.9, at_most=30.1),
            outcome(OutcomeKind.RESET, 44.9, at_most=45.2),
            outcome(OutcomeKind.RESET, 44.9, at_most=45.1),
        ]
    )
    assert (found.survived, found.fatal) == (29.9, 45.2)
    assert found.on_timeout is OnTimeout.RESET


@pytest.mark.parametrize("kind", [OutcomeKind.CLOSED, OutcomeKind.SPOKE])
def test_server_came_through(kind: OutcomeKind) -> None:
    """
    Data or a FIN from the server proves that the path kept the connection.
    """
    found = bounds([outcome(kind, 60, planned=300)])
    assert (found.survived, found.fatal) == (60, None)


def test_reset_unasked() -> None:
    """
    A connection survived until its reset if that came before any probe.
    """
    resets = [
        outcome(OutcomeKind.RESET_UNASKED, 239.8 + i / 10, at_most=240.1 + i / 10) for i in range(4)
    ]
    found = bounds([outcome(OutcomeKind.ANSWERED, 225), *resets])
    assert (found.survived, found.fatal) == (239.8, 240.2)
    assert found.unasked


def test_mixed() -> None:
    """
    If several were dropped earlier than others survived, the earlier ones set the bounds.
    """
    found = bounds(outcomes(30, 60, 90, 120, 150, dropped=(75, 105)))
    assert (found.survived, found.fatal, found.mixed) == (60, 105, True)


def test_settled() -> None:
    """
    After two drops, longer idle times cannot narrow the bounds.
    """
    dropping = outcomes(30, dropped=(60, 60.2))
    assert is_settled(dropping, [75, 90])
    assert not is_settled(dropping, [45, 90])
    assert not is_settled(outcomes(30, dropped=(60,)), [75])
    assert not is_settled(outcomes(30), [75])
