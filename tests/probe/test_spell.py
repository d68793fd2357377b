"""
How long a connection was idle, by its counters.
"""

from typing import Any

import pytest

from exporter.probe.idle_period import Reading, Spell

CLOSE_WAIT, CLOSE = 8, 7


def reading(at: float, **changes: Any) -> Reading:
    """
    A reading of a connection that was opened at 0.
    """
    values = {"state": 1, "unanswered": 0, "segments_in": 1, "segments_out": 2}
    return Reading(**({"at": at, "received_at": 0.0, "round_trip": 0.001} | values | changes))


def test_idle() -> None:
    """
    While the counters stand still, the spell goes on.
    """
    spell = Spell(reading(0.1))
    assert spell.note(reading(5.0)) is None
    assert spell.note(reading(9.0)) is None
    assert (spell.after, spell.before) == (0.0, 0.1)


def test_greeting() -> None:
    """
    Data of the server's ends one spell and begins another.
    """
    spell = Spell(reading(0.1))
    greeting = reading(1.0, segments_in=2, received_at=0.9)
    assert spell.note(greeting) == pytest.approx((0.8, 1.0))
    assert (spell.after, spell.before) == (0.9, 1.0)


def test_several_segments() -> None:
    """
    Of several it is not known when the first came, only since when nothing had.
    """
    spell = Spell(reading(0.1))
    spell.note(reading(5.0))
    lasted = spell.note(reading(6.0, segments_in=3, received_at=5.9))
    assert lasted == pytest.approx((4.9, 6.0))
    assert spell.after == 5.0


def test_probe_of_the_server() -> None:
    """
    Nor of a probe, which moves no age.
    """
    spell = Spell(reading(0.1))
    spell.note(reading(5.0))
    assert spell.note(reading(6.0, segments_in=2, segments_out=3)) == pytest.approx((4.9, 6.0))


def test_delayed_acknowledgement() -> None:
    """
    What is sent begins another spell too, but tells nothing of the path.
    """
    spell = Spell(reading(0.1))
    assert spell.note(reading(1.0, segments_out=3)) is None
    assert (spell.after, spell.before) == (0.1, 1.0)


def test_ends() -> None:
    """
    A FIN and a reset are told apart by the state; both end the spell.
    """
    closed = reading(10.0, state=CLOSE_WAIT, segments_in=2, received_at=9.9)
    assert Spell(reading(0.1)).note(closed) == pytest.approx((9.8, 10.0))
    assert not closed.is_open
    assert not closed.is_dead
    reset = reading(10.0, state=CLOSE)
    assert Spell(reading(0.1)).note(reset) == pytest.approx((0.0, 10.0))
    assert reset.is_dead
