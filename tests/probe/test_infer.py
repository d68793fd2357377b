"""
What outcomes tell of a path.
"""

import pytest

from exporter.model import OnTimeout
from exporter.probe.infer import Bounds, bounds, is_settled
from exporter.probe.outcome import Fate
from tests.probe.outcomes import outcome, outcomes


def test_nothing() -> None:
    """
    Without outcomes nothing is known.
    """
    assert bounds([]) == Bounds()


def test_between() -> None:
    """
    The longest spell that was answered, and the second shortest that was not.
    """
    found = bounds(outcomes(30, 60, 90, died=(120, 150, 180)))
    assert (found.survived, found.fatal) == (90, 150)
    assert found.on_timeout is OnTimeout.DROP
    assert not found.mixed


def test_one_death_says_nothing() -> None:
    """
    One connection may have died of anything.
    """
    assert bounds(outcomes(30, died=(60,))) == Bounds(survived=30, suspected=60)


def test_outlived_death_says_nothing() -> None:
    """
    Nor does a death that longer spells were spared.
    """
    found = bounds(outcomes(30, 90, died=(60, 120, 120.5)))
    assert (found.survived, found.fatal, found.mixed) == (90, 120.5, False)


def test_enclosed() -> None:
    """
    Of a spell that was survived the least counts, of one that was fatal the most.
    """
    found = bounds(
        [
            outcome(Fate.ANSWERED, 29.9, at_most=30.1),
            outcome(Fate.RESET, 44.9, at_most=45.2),
            outcome(Fate.RESET, 44.9, at_most=45.1),
        ]
    )
    assert (found.survived, found.fatal) == (29.9, 45.2)
    assert found.on_timeout is OnTimeout.RESET


@pytest.mark.parametrize("fate", [Fate.CLOSED, Fate.SPOKE])
def test_server_came_through(fate: Fate) -> None:
    """
    What the server itself sends, be it its FIN, has come through too.
    """
    found = bounds([outcome(fate, 60, planned=300)])
    assert (found.survived, found.fatal) == (60, None)


def test_reset_unasked() -> None:
    """
    Until a reset that nobody asked for, the connection lived.
    """
    resets = [outcome(Fate.RESET_UNASKED, 239.8 + i / 10, at_most=240.1 + i / 10) for i in range(4)]
    found = bounds([outcome(Fate.ANSWERED, 225), *resets])
    assert (found.survived, found.fatal) == (239.8, 240.2)
    assert found.unasked


def test_mixed() -> None:
    """
    Several died sooner than others lived: the bounds are those of the worse lot.
    """
    found = bounds(outcomes(30, 60, 90, 120, 150, died=(75, 105)))
    assert (found.survived, found.fatal, found.mixed) == (60, 105, True)


def test_settled() -> None:
    """
    Once two have died, those that are to be idle for longer can say no more.
    """
    dying = outcomes(30, died=(60, 60.2))
    assert is_settled(dying, [75, 90])
    assert not is_settled(dying, [45, 90])
    assert not is_settled(outcomes(30, died=(60,)), [75])
    assert not is_settled(outcomes(30), [75])
