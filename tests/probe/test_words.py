"""
The sentences in which people are told what was found.
"""

from dataclasses import replace
from typing import Any

import pytest

from exporter.probe.format import (
    at_least,
    at_most,
    remarks,
    seconds,
    sentence,
)
from exporter.probe.outcome import Fate
from exporter.probe.plan import Plan
from tests.probe.outcomes import measurement, outcome, outcomes


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.04, "0 s"), (7.84, "7.8 s"), (19.96, "20 s"), (239.6, "240 s"), (3600.0, "3600 s")],
)
def test_seconds(value: float, words: str) -> None:
    """
    Tenths while they matter.
    """
    assert seconds(value) == words


@pytest.mark.parametrize(
    ("value", "lower", "upper"),
    [
        (5.7, "5.7 s", "5.7 s"),
        (7.25, "7.2 s", "7.3 s"),
        (235.0, "235 s", "235 s"),
        (239.96, "239.9 s", "240 s"),
    ],
)
def test_bounds_stay_bounds(value: float, lower: str, upper: str) -> None:
    """
    However few digits are told, a bound does not promise more than was found.
    """
    assert at_least(value) == lower
    assert at_most(value) == upper


def test_silent() -> None:
    """
    The sentence that people came for.
    """
    found = measurement(*outcomes(30, 235.27, died=(240, 240.2)))
    assert sentence(found) == (
        "This path forgets idle connections between 235.2 s and 240.2 s, silently."
    )
    assert found.is_narrow
    assert list(remarks(found)) == []


def test_reset() -> None:
    """
    A path that tells.
    """
    found = measurement(*outcomes(235), *[outcome(Fate.RESET, 240)] * 2)
    assert sentence(found) == (
        "This path forgets idle connections between 235 s and 240 s, and answers with a reset."
    )


def test_reset_unasked() -> None:
    """
    A path that tells before it is asked.
    """
    found = measurement(*outcomes(225), *[outcome(Fate.RESET_UNASKED, 239.5, at_most=240)] * 2)
    assert sentence(found) == (
        "This path resets idle connections between 239.5 s and 240 s, without having been asked."
    )


def test_at_once() -> None:
    """
    Nothing survived at all.
    """
    found = measurement(*outcomes(died=(1, 1)))
    assert sentence(found) == "This path forgets idle connections within 1 s, silently."


def test_no_timeout() -> None:
    """
    Everything was survived.
    """
    found = measurement(*outcomes(30, 600))
    assert sentence(found) == (
        "This path remembers connections that are idle for 600 s, the most tried."
    )
    assert found.is_narrow


def test_server_closes() -> None:
    """
    What the server closes has come through until then, and more cannot be known.
    """
    closed = [outcome(Fate.CLOSED, 59.8, at_most=60.1, planned=planned) for planned in (75, 90)]
    assert sentence(measurement(*outcomes(30), *closed)) == (
        "This path remembers connections that are idle for 59.8 s. More is not known: the server"
        " closes idle clients by itself, after 60 s."
    )
    refusing = [outcome(Fate.CLOSED, 0.01, planned=300), outcome(Fate.CLOSED, 120, planned=300)]
    assert "after 0 s to 120 s." in sentence(measurement(*refusing))
    assert sentence(measurement(refusing[0])) == (
        "Nothing is known of this path: the server closes idle clients by itself, after 0 s."
    )


def test_server_speaks() -> None:
    """
    What the server sends after a greeting ends every longer spell.
    """
    greeting = outcome(Fate.SPOKE, 0.02, planned=600)
    found = measurement(*outcomes(285), greeting, outcome(Fate.SPOKE, 300, planned=600))
    assert sentence(found) == (
        "This path remembers connections that are idle for 300 s. More is not known: the server"
        " itself sends something, after 300 s."
    )
    assert "server" not in sentence(measurement(greeting, *outcomes(30)))


def test_mixed() -> None:
    """
    Two devices side by side.
    """
    found = measurement(*outcomes(30, 60, 600, died=(75, 75)))
    assert sentence(found) == (
        "This path forgets some idle connections between 60 s and 75 s, and remembers others for"
        " longer: there may be several devices side by side."
    )
    assert not found.is_narrow


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"interrupted": True}, "the measurement was interrupted"),
        ({"lost": 1}, "meanwhile the path lost even the connection that was kept busy"),
        ({"not_counted": 3}, "at times nothing came through, idle or not"),
        ({"refused": 3}, "3 connections could not be opened"),
        ({"late": True}, "another round would have taken longer than announced"),
        ({}, "too few connections could be probed in time"),
    ],
)
def test_shortfall(change: dict[str, Any], reason: str) -> None:
    """
    Why the bounds are not narrower, whatever the reason.
    """
    wide = replace(measurement(*outcomes(30, died=(90, 90))), **change)
    assert list(remarks(wide)) == [f"The bounds are wider than the 5 s asked for: {reason}."]
    open_above = replace(measurement(*outcomes(30)), **change)
    assert sentence(open_above).endswith(f"idle for 30 s. More is not known: {reason}.")


def test_single_death() -> None:
    """
    One death is told, but not taken for the path's.
    """
    assert sentence(measurement(*outcomes(585, died=(600,)))).endswith(
        "More is not known: one connection died after 600 s, which may have been by chance."
    )
    plan = Plan(30, 60, 15, 5)
    remark = "One connection died after 45 s, which others outlived: not of idling."
    assert list(remarks(measurement(*outcomes(30, 60, died=(45,)), plan=plan))) == [remark]


def test_lost_and_measured_again() -> None:
    """
    That the path was restarted is told, though the result is as good as any.
    """
    found = replace(measurement(*outcomes(235, died=(240, 240))), lost=1)
    assert list(remarks(found)) == [
        "Meanwhile the path lost even the connection that was kept busy; that did not count."
    ]
